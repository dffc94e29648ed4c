# Traefik on each machine of the pools that it is for, in front of every service that has the tag `traefik.enable=true`:
#
#     tags = ["traefik.enable=true", "traefik.http.routers.web.rule=Host(`web.example.com`)"]
#
# docs/ingress.md says how it is reached, and by which ways no request is lost.

variable "image" {
  description = "The image of Traefik 3."
  type        = string
  default     = "docker.io/library/traefik:v3.7.15"
}

variable "datacenters" {
  description = "The datacenters whose machines have one."
  type        = list(string)
  default     = ["*"]
}

variable "node_pool" {
  description = "The node pool whose machines have one; \"all\": each client."
  type        = string
  default     = "default"
}

variable "http_port" {
  description = "The port of each machine for HTTP."
  type        = number
  default     = 80
}

variable "https_port" {
  description = "The port of each machine for HTTPS, where `tls` is true."
  type        = number
  default     = 443
}

variable "tls" {
  description = "Whether it serves HTTPS too, by the fields `certificate` and `key` (PEM) of kv/<namespace>/traefik in Vault."
  type        = bool
  default     = false
}

variable "shutdown_delay" {
  description = "How long it goes on after it has left Consul: longer than any client keeps a name."
  type        = string
  default     = "5s"
}

variable "refuse_delay" {
  description = "How long it then goes on while /ready says 503: as long as a load balancer before it takes to see that."
  type        = string
  default     = "0s"
}

variable "cpu" {
  description = "MHz."
  type        = number
  default     = 200
}

variable "memory" {
  description = "MiB."
  type        = number
  default     = 256
}

job "traefik" {
  type        = "system"
  datacenters = var.datacenters
  node_pool   = var.node_pool
  priority    = 80

  # One machine at a time: the others serve meanwhile.
  update {
    max_parallel     = 1
    min_healthy_time = "5s"
    healthy_deadline = "5m"
    stagger          = "15s"
  }

  group "traefik" {
    shutdown_delay = var.shutdown_delay

    # Nomad counts the ports of a machine's old one until that has ended. Without `ignore_collision` it places nothing on
    # the machine meanwhile, of whatever job; and another ingress that is to move there leaves without a successor, and the
    # next machine's with it: https://github.com/hashicorp/nomad/issues/18509
    network {
      port "http" {
        static           = var.http_port
        ignore_collision = true
      }
      port "admin" {}

      dynamic "port" {
        for_each = var.tls ? ["https"] : []
        labels   = [port.value]
        content {
          static           = var.https_port
          ignore_collision = true
        }
      }
    }

    service {
      name = "traefik"
      port = "http"

      # It answers as soon as Traefik has read from Consul what it leads to, and not before.
      check {
        type     = "http"
        port     = "admin"
        path     = "/ready"
        interval = "1s"
        timeout  = "2s"

        # A single late answer of a busy machine changes nothing.
        failures_before_critical = 3
      }
    }

    # /metrics, and /ready for a load balancer. It has no check: what has none is led to from the beginning, which is
    # how Traefik comes by /ready.
    service {
      name = "traefik-admin"
      port = "admin"
      tags = [
        "traefik.enable=true",
        "traefik.http.routers.ready.entrypoints=traefik",
        "traefik.http.routers.ready.rule=Path(`/ready`)",
        "traefik.http.routers.ready.service=ping@internal",
      ]
    }

    task "traefik" {
      driver = "docker"

      # Longer than `refuse_delay` and `graceTimeOut` together. A pool's machines give each task 30 s.
      kill_timeout = "30s"

      # A token by workload identity: it reads nodes and services. Traefik finds it in its environment.
      consul {}

      dynamic "vault" {
        for_each = var.tls ? [true] : []
        content {
          change_mode = "noop"
        }
      }

      config {
        image        = var.image
        network_mode = "host" # Consul's agent is at the machine's loopback, and services see who asks
        args         = ["--configFile=/local/traefik.yml"]
        cap_drop     = ["all"]
        cap_add      = ["net_bind_service"]
      }

      template {
        destination = "local/traefik.yml"
        data        = <<-EOT
          global:
            checkNewVersion: false
            sendAnonymousUsage: false
          entryPoints:
            web:
              address: ":{{ env "NOMAD_PORT_http" }}"
              http:
                middlewares: [again@file]
              transport:
                lifeCycle:
                  requestAcceptGraceTimeout: ${var.refuse_delay}
                  graceTimeOut: 10s
          %{~if var.tls}
            websecure:
              address: ":{{ env "NOMAD_PORT_https" }}"
              http:
                middlewares: [again@file]
                tls: {}
              transport:
                lifeCycle:
                  requestAcceptGraceTimeout: ${var.refuse_delay}
                  graceTimeOut: 10s
          %{~endif}
            traefik:
              address: ":{{ env "NOMAD_PORT_admin" }}"
              http:
                middlewares: [again@file]
              transport:
                lifeCycle:
                  requestAcceptGraceTimeout: ${var.refuse_delay}
          ping:
            manualRouting: true
          metrics:
            prometheus: {}
          log:
            level: INFO
          providers:
            # What changes in Consul is here long before a service's `shutdown_delay` is over.
            providersThrottleDuration: 500ms
            consulCatalog:
              exposedByDefault: false
              watch: true
              # Any server answers, also while there is no leader.
              stale: true
              endpoint:
                address: 127.0.0.1:8500
            file:
              directory: /secrets/dynamic
        EOT
      }

      # Traefik sees by itself when a file here changes.
      template {
        destination = "secrets/dynamic/traefik.yml"
        change_mode = "noop"
        data        = <<-EOT
          http:
            middlewares:
              # Who takes no connection is passed over. Nothing that was sent is sent again.
              again:
                retry:
                  attempts: 4
                  initialInterval: 50ms
          %{~if var.tls}
          tls:
            stores:
              default:
                defaultCertificate:
          {{- with secret (printf "kv/data/%s/traefik" (env "NOMAD_NAMESPACE")) }}
                  certFile: {{ .Data.data.certificate | toJSON }}
                  keyFile: {{ .Data.data.key | toJSON }}
          {{- end }}
          %{~endif}
        EOT
      }

      resources {
        cpu    = var.cpu
        memory = var.memory
      }
    }
  }
}

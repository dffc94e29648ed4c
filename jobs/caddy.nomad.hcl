# Caddy on each machine of the pools that it is for, in front of every service that has the tags `ingress` and
# `ingress=<host>`:
#
#     tags = ["ingress", "ingress=web.example.com"]
#
# docs/ingress.md says how it is reached, and by which ways no request is lost.

variable "image" {
  description = "The image of Caddy, 2.11 or later: earlier ones do not read their configuration again on SIGUSR1."
  type        = string
  default     = "docker.io/library/caddy:2.11.7"
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

variable "domain" {
  description = "The domain of Consul's names: the specification's `dns.domain`."
  type        = string
  default     = "consul"
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
  description = "Whether it serves HTTPS too, by the fields `certificate` and `key` (PEM) of kv/<namespace>/caddy in Vault."
  type        = bool
  default     = false
}

variable "shutdown_delay" {
  description = "How long it goes on after it has left Consul: longer than any client keeps a name."
  type        = string
  default     = "5s"
}

variable "refuse_delay" {
  description = "How long it then goes on while /ready says 503: as long as a load balancer takes to see that; at most 15s."
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
  default     = 128
}

locals {
  # Hosts by their whole name come first, then `*.` for all below a name. Any other tag is passed over: it would be text
  # in the Caddyfile.
  name  = "[A-Za-z0-9][A-Za-z0-9.-]*$"
  hosts = ["^ingress=${local.name}", "^ingress=[*][.]${local.name}"]
}

job "caddy" {
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

  group "caddy" {
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
      name = "caddy"
      port = "http"

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

    # /metrics, and /ready for a load balancer.
    service {
      name = "caddy-admin"
      port = "admin"
    }

    task "caddy" {
      driver = "docker"

      # Longer than `refuse_delay` and `grace_period` together. A pool's machines give each task 30 s.
      kill_timeout = "30s"

      # A token by workload identity: the templates read nodes and services by it.
      consul {}

      dynamic "vault" {
        for_each = var.tls ? [true] : []
        content {
          change_mode = "noop"
        }
      }

      config {
        image        = var.image
        network_mode = "host" # services see who asks
        entrypoint   = ["caddy"]
        args         = ["run", "--config", "/secrets/Caddyfile", "--adapter", "caddyfile"]
        cap_drop     = ["all"]
        cap_add      = ["net_bind_service"]
      }

      env {
        XDG_CONFIG_HOME = "/alloc/data"
        XDG_DATA_HOME   = "/alloc/data"
      }

      # It changes with the hosts alone. For each reading Caddy opens new listeners and drops what waits at the old ones:
      # as rarely as can be. What it can't read changes nothing.
      template {
        destination   = "secrets/Caddyfile"
        change_mode   = "signal"
        change_signal = "SIGUSR1"
        data          = <<-EOT
          {
            admin off
            persist_config off
            auto_https off
            grace_period 10s
            shutdown_delay ${var.refuse_delay}
            metrics
            servers {
              protocols h1 h2
            }
          }

          http://:{{ env "NOMAD_PORT_admin" }} {
            metrics /metrics
            @stopping {
              path /ready
              vars {http.shutting_down} true
            }
            respond @stopping 503
            respond /ready 200
          }

          (services) {
          {{- range $pattern := "${join(" ", local.hosts)}" | split " " }}{{ range services }}{{ $name := .Name }}
          {{- if .Tags | contains "ingress" }}{{ range .Tags }}{{ $tag := . }}{{ if $tag | regexMatch $pattern }}
          {{- $host := $tag | replaceAll "ingress=" "" }}
            @{{ $name }}/{{ $host }} host {{ $host }}
            handle @{{ $name }}/{{ $host }} {
              reverse_proxy {
                # Those of them that are well. It is here long before a service's `shutdown_delay` is over.
                dynamic srv ingress.{{ $name }}.service.${var.domain} {
                  refresh 1s
                }
                # Who takes no connection is passed over. Nothing that was sent is sent again, but GET. At once: who waits
                # while the file is read again gets 502.
                lb_retries 4
                lb_try_interval 0s
                fail_duration 2s
                transport http {
                  dial_timeout 1s
                }
              }
            }
          {{- end }}{{ end }}{{ end }}{{ end }}{{ end }}
            handle {
              respond 404
            }
          }

          http://:{{ env "NOMAD_PORT_http" }} {
            import services
          }
          %{~if var.tls}

          https://:{{ env "NOMAD_PORT_https" }} {
            tls /secrets/certificate.pem /secrets/key.pem
            import services
          }
          %{~endif}
        EOT
      }

      dynamic "template" {
        for_each = var.tls ? ["certificate", "key"] : []
        content {
          destination   = "secrets/${template.value}.pem"
          change_mode   = "signal"
          change_signal = "SIGUSR1"
          data          = <<-EOT
            {{ with secret (printf "kv/data/%s/caddy" (env "NOMAD_NAMESPACE")) }}{{ .Data.data.${template.value} }}{{ end }}
          EOT
        }
      }

      resources {
        cpu    = var.cpu
        memory = var.memory
      }
    }
  }
}

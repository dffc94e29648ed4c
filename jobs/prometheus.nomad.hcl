# Prometheus, with alerts on what keeps the cluster alive: quorum, certificates, disks, DNS, snapshots.
#
# It needs rights that no other job has. docs/monitoring.md says how to give them, once, to its namespace.

variable "image" {
  description = "The image of Prometheus 2."
  type        = string
  default     = "docker.io/prom/prometheus:v2.55.1"
}

variable "datacenters" {
  description = "The datacenters where it may run."
  type        = list(string)
  default     = ["*"]
}

variable "node_pool" {
  description = "The node pool where it runs."
  type        = string
  default     = "default"
}

variable "port" {
  description = "The port of its machine. It asks nobody for a password."
  type        = number
  default     = 9090
}

variable "interval" {
  description = "Between two looks."
  type        = string
  default     = "15s"
}

variable "pending" {
  description = "How long something has to be wrong until its alert fires."
  type        = string
  default     = "2m"
}

variable "retention" {
  description = "How long samples are kept."
  type        = string
  default     = "15d"
}

variable "alertmanagers" {
  description = "Where alerts go: addresses with ports. None: they are on Prometheus' own page."
  type        = list(string)
  default     = []
}

variable "certificate_days" {
  description = "An alert fires when a certificate is good for fewer days. `up` renews in the last third of a certificate's life."
  type        = number
  default     = 14
}

variable "disk_percent" {
  description = "An alert fires when a client's disk is fuller."
  type        = number
  default     = 90
}

variable "cpu" {
  description = "MHz."
  type        = number
  default     = 200
}

variable "memory" {
  description = "MiB."
  type        = number
  default     = 512
}

variable "disk" {
  description = "MiB for its samples. They move with it where they can; a lost machine loses them."
  type        = number
  default     = 2000
}

job "prometheus" {
  datacenters = var.datacenters
  node_pool   = var.node_pool

  group "prometheus" {
    ephemeral_disk {
      size    = var.disk
      sticky  = true
      migrate = true
    }

    network {
      port "http" {
        static           = var.port
        ignore_collision = true # as in caddy.nomad.hcl
      }
    }

    service {
      name = "prometheus"
      port = "http"

      check {
        type     = "http"
        path     = "/-/ready"
        interval = "5s"
        timeout  = "2s"
      }
    }

    task "prometheus" {
      driver       = "docker"
      user         = "0" # reads the tokens; without any capability
      kill_timeout = "30s"

      # Tokens by workload identity, which Nomad renews. /secrets/consul_token and /secrets/vault_token are read each time.
      consul {}
      vault {
        role        = "monitoring"
        change_mode = "noop"
      }

      config {
        image        = var.image
        network_mode = "host" # a client's Consul is at the machine's loopback
        entrypoint   = ["prometheus"]
        args = [
          "--config.file=/local/prometheus.yml",
          "--storage.tsdb.path=/alloc/data",
          "--storage.tsdb.retention.time=${var.retention}",
          "--web.listen-address=:${var.port}",
        ]
        cap_drop = ["all"]
      }

      template {
        destination   = "local/prometheus.yml"
        change_mode   = "signal"
        change_signal = "SIGHUP"
        data          = <<-EOT
          global:
            scrape_interval: ${var.interval}
            evaluation_interval: ${var.interval}
          rule_files: [/local/alerts.yml, /local/machines.yml]
          alerting:
            alertmanagers:
              - static_configs: [{targets: ${jsonencode(var.alertmanagers)}}]

          scrape_configs:
            - job_name: nomad
              scheme: https
              metrics_path: /v1/metrics
              params: {format: [prometheus]}
              tls_config:
                ca_file: /secrets/ca.pem
                server_name: server.{{ env "NOMAD_REGION" }}.nomad
              static_configs:
          {{- range service "http.nomad|any" }}
                - targets: ["{{ .Address }}:{{ .Port }}"]
                  labels: {machine: {{ .Node | toJSON }}, pool: {{ or .NodeMeta.hashistack_pool "" | toJSON }}}
          {{- end }}

            - job_name: nomad-client
              scheme: https
              metrics_path: /v1/metrics
              params: {format: [prometheus]}
              tls_config:
                ca_file: /secrets/ca.pem
                server_name: client.{{ env "NOMAD_REGION" }}.nomad
              static_configs:
          {{- range service "nomad-client|any" }}
                - targets: ["{{ .Address }}:{{ .Port }}"]
                  labels: {machine: {{ .Node | toJSON }}, pool: {{ or .NodeMeta.hashistack_pool "" | toJSON }}}
          {{- end }}

            # The active one alone: the others have nothing to say.
            - job_name: vault
              scheme: https
              metrics_path: /v1/sys/metrics
              params: {format: [prometheus]}
              authorization: {credentials_file: /secrets/vault_token}
              tls_config:
                ca_file: /secrets/ca.pem
                server_name: server.{{ env "NOMAD_REGION" }}.nomad
              static_configs:
          {{- range service "active.vault|any" }}
                - targets: ["{{ .Address }}:{{ .Port }}"]
                  labels: {machine: {{ .Node | toJSON }}, pool: {{ or .NodeMeta.hashistack_pool "" | toJSON }}}
          {{- end }}

            # Consul asks on servers for a certificate too.
            - job_name: consul
              scheme: https
              metrics_path: /v1/agent/metrics
              params: {format: [prometheus]}
              authorization: {credentials_file: /secrets/consul_token}
              tls_config:
                ca_file: /secrets/ca.pem
                server_name: server.{{ env "NOMAD_REGION" }}.nomad
                cert_file: /secrets/cert.pem
                key_file: /secrets/key.pem
              static_configs:
          {{- range service "consul|any" }}
                - targets: ["{{ .NodeAddress }}:8501"]
                  labels: {machine: {{ .Node | toJSON }}, pool: {{ or .NodeMeta.hashistack_pool "" | toJSON }}}
          {{- end }}

            # A client's agent is reached on its own machine alone. All clients have the same certificate.
            - job_name: consul-client
              metrics_path: /v1/agent/metrics
              params: {format: [prometheus]}
              authorization: {credentials_file: /secrets/consul_token}
              static_configs:
                - targets: ["127.0.0.1:8500"]
                  labels: {machine: "{{ env "node.unique.name" }}"}
        EOT
      }

      # What only Consul knows, as series: how each machine finds itself, and the record of the last snapshot.
      template {
        destination   = "local/machines.yml"
        change_mode   = "signal"
        change_signal = "SIGHUP"
        data          = <<-EOT
          groups:
            - name: machines
              rules:
          {{- range service "hashistack|any" }}{{ $machine := .Node }}{{ $status := .Status }}{{ $pool := .ServiceMeta.pool }}
                - record: hashistack_machine_healthy
                  expr: vector({{ if eq $status "passing" }}1{{ else }}0{{ end }})
                  labels: {machine: {{ $machine | toJSON }}, pool: {{ $pool | toJSON }}}
          {{- range .Checks }}{{ if and (eq .CheckID "hashistack") (.Output | regexMatch "^{") }}
          {{- range $check, $state := (.Output | parseJSON).checks }}
                - record: hashistack_machine_check
                  expr: vector(1)
                  labels: {machine: {{ $machine | toJSON }}, pool: {{ $pool | toJSON }}, check: {{ $check | toJSON }}, state: {{ $state | toJSON }}}
          {{- end }}{{ end }}{{ end }}{{ end }}
          {{- with keyOrDefault "hashistack/snapshots" "" }}{{ with parseJSON . }}
                - record: hashistack_snapshot_interval_seconds
                  expr: vector({{ .every }})
          {{- with or .taken .since }}
                - record: hashistack_snapshot_taken_timestamp_seconds
                  expr: vector({{ sprig_toDate "2006-01-02T15:04:05Z07:00" . | sprig_unixEpoch }})
          {{- end }}{{ end }}{{ end }}
        EOT
      }

      template {
        destination     = "local/alerts.yml"
        change_mode     = "signal"
        change_signal   = "SIGHUP"
        left_delimiter  = "[["
        right_delimiter = "]]"
        data            = <<-EOT
          groups:
            - name: cluster
              rules:
                - alert: QuorumAtRisk
                  expr: |
                    label_replace(consul_autopilot_failure_tolerance and on (machine) consul_server_isLeader == 1, "product", "consul", "", "") < 1
                    or label_replace(nomad_nomad_autopilot_failure_tolerance, "product", "nomad", "", "") < 1
                    or label_replace(vault_autopilot_failure_tolerance, "product", "vault", "", "") < 1
                  for: ${var.pending}
                  labels: {severity: critical}
                  annotations:
                    summary: "{{ $labels.product }}: the loss of one more server is the loss of quorum. Next: hashistack heal"

                - alert: CertificateExpires
                  expr: consul_agent_tls_cert_expiry < ${var.certificate_days} * 86400
                  for: ${var.pending}
                  labels: {severity: warning}
                  annotations:
                    summary: "{{ $labels.machine }}: the certificate ends in {{ $value | humanizeDuration }}. Next: hashistack up"

                - alert: DiskFull
                  expr: nomad_client_host_disk_used_percent > ${var.disk_percent}
                  for: ${var.pending}
                  labels: {severity: warning}
                  annotations:
                    summary: "{{ $labels.machine }}: {{ $labels.disk }} is full to {{ $value | humanize }} %"

                - alert: DnsSilent
                  expr: hashistack_machine_check{check="dns", state!="answers"} == 1
                  for: ${var.pending}
                  labels: {severity: critical}
                  annotations:
                    summary: "{{ $labels.machine }}: its resolver answers no .consul name"

                - alert: MachineUnhealthy
                  expr: hashistack_machine_healthy == 0
                  for: ${var.pending}
                  labels: {severity: warning}
                  annotations:
                    summary: "{{ $labels.machine }} does not call itself healthy. Next: hashistack status"

                # As `hashistack status`: one may fail while a server is replaced.
                - alert: SnapshotLate
                  expr: time() - hashistack_snapshot_taken_timestamp_seconds > 2 * hashistack_snapshot_interval_seconds
                  for: ${var.pending}
                  labels: {severity: warning}
                  annotations:
                    summary: "The last snapshot is {{ $value | humanizeDuration }} old. Next: hashistack snapshot save"

                - alert: TargetDown
                  expr: up == 0
                  for: ${var.pending}
                  labels: {severity: warning}
                  annotations:
                    summary: "{{ $labels.job }} on {{ $labels.machine }} gives no metrics"
        EOT
      }

      dynamic "template" {
        for_each = ["ca", "cert", "key"]
        content {
          destination = "secrets/${template.value}.pem"
          change_mode = "noop" # each connection reads it
          data        = <<-EOT
            {{ with secret (printf "kv/data/%s/prometheus" (env "NOMAD_NAMESPACE")) }}{{ .Data.data.${template.value} }}{{ end }}
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

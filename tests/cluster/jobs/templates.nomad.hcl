# What a job reads of Consul, Vault and Nomad.
job "templates" {
  type = "batch"
  reschedule {
    attempts  = 0
    unlimited = false
  }
  group "work" {
    restart {
      attempts = 0
    }
    task "work" {
      driver = "docker"
      vault {}
      consul {}
      identity {
        env  = true
        file = true
      }
      config {
        image   = "hashistack-tests/busybox:1"
        command = "sh"
        args    = ["-c", "cmp /local/all /local/wanted && [ $FROM_ENV = hello ] && [ -s /secrets/vault_token ] && [ $NOMAD_TOKEN ]"]
      }
      template {
        destination = "local/all"
        data        = <<-EOT
        consul {{ key "kinds/greeting" }}
        vault {{ with secret "kv/data/default/templates" }}{{ .Data.data.greeting }}{{ end }}
        variable {{ with nomadVar "nomad/jobs/templates" }}{{ .greeting }}{{ end }}
        services {{ range service "consul" }}{{ .Name }}{{ break }}{{ end }}
        EOT
      }
      template {
        destination = "local/wanted"
        data        = <<-EOT
        consul hello
        vault hello
        variable hello
        services consul
        EOT
      }
      template {
        destination = "secrets/env"
        env         = true
        data        = "FROM_ENV={{ key \"kinds/greeting\" }}\n"
      }
      resources {
        cpu    = 20
        memory = 16
      }
    }
  }
}

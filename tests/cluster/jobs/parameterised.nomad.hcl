job "parameterised" {
  type = "batch"
  parameterized {
    payload       = "required"
    meta_required = ["name"]
    meta_optional = ["greeting"]
  }
  meta {
    greeting = "hello"
  }
  group "work" {
    task "work" {
      driver = "exec"
      dispatch_payload {
        file = "input"
      }
      config {
        command = "/bin/sh"
        args = [
          "-c", "[ \"${NOMAD_META_greeting} ${NOMAD_META_name}, $(cat local/input)\" = 'hello you, a payload' ]",
        ]
      }
      resources {
        cpu    = 20
        memory = 16
      }
    }
  }
}

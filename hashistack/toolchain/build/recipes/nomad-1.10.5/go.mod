module hashistack/toolchain/nomad-1.10.5

go 1.24.7

require github.com/hashicorp/nomad v1.10.5

require github.com/hashicorp/nomad/api v0.0.0-20250930071859-eaa0fe0e27af

replace github.com/Microsoft/go-winio => github.com/endocrimes/go-winio v0.4.13-0.20190628114223-fb47a8b41948

replace github.com/hashicorp/hcl => github.com/hashicorp/hcl v1.0.1-nomad-1

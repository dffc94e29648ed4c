module hashistack/toolchain/consul-1.21.0

go 1.23.8

require github.com/hashicorp/consul v1.21.0

require github.com/hashicorp/consul/api v1.32.1

require github.com/hashicorp/consul/sdk v0.16.2

require github.com/hashicorp/consul/envoyextensions v0.7.3

require github.com/hashicorp/consul/proto-public v0.6.2

require github.com/hashicorp/consul/troubleshoot v0.7.1

exclude github.com/hashicorp/go-msgpack v1.1.5

exclude github.com/hashicorp/go-msgpack v1.1.6

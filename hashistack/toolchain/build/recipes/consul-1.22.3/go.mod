module hashistack/toolchain/consul-1.22.3

go 1.25.5

require github.com/hashicorp/consul v1.22.3

require github.com/hashicorp/consul/api v1.33.2

require github.com/hashicorp/consul/sdk v0.17.1

require github.com/hashicorp/consul/envoyextensions v0.9.2

require github.com/hashicorp/consul/proto-public v0.7.1

require github.com/hashicorp/consul/troubleshoot v0.8.3

exclude github.com/hashicorp/go-msgpack v1.1.5

exclude github.com/hashicorp/go-msgpack v1.1.6

module hashistack/toolchain/cni-1.9.0

go 1.24.2

require github.com/containernetworking/plugins v1.9.0

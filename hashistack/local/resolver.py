"""The container that answers the host for the cluster's domain: `.consul` names, by UDP and TCP, at a port of loopback.

unbound out of the machine image. It asks Consul on all servers, whichever there are by Docker's resolver, and keeps
nothing. Any other name it refuses: it is one domain's server for resolvers that send it that domain.
"""

from __future__ import annotations

from hashistack.local.front import Front
from hashistack.local.labels import DOMAIN
from hashistack.local.ranges import CONSUL_DNS, dns_port, resolver_address
from hashistack.provider.handler import Props

ROLE = "dns"
PORT = 5353
"""Inside: below 1024 takes rights."""
_CONFIG = "etc/hashistack/resolver.conf"


def resolver(template: Props, domain: str) -> Front:
    """The container for a template's site, network, image and ports (`LocalApi`'s inputs, or a pool's)."""
    port = dns_port(template["port_base"])
    return Front(
        role=ROLE,
        site=template["site"],
        labels=template["labels"],
        network=template["network"],
        image=template["image"],
        address=resolver_address(template["cidr"]),
        user="unbound",
        command=["unbound", "-d", "-c", f"/{_CONFIG}"],
        ports={f"{PORT}/udp": port, f"{PORT}/tcp": port},
        files={_CONFIG: config(template["gateway"], domain)},
    )


def config(gateway: str, domain: str) -> str:
    """unbound's configuration. gateway: whence what comes to loopback arrives; nobody else is answered."""
    return f"""\
server:
  interface: 0.0.0.0@{PORT}
  do-ip6: no
  access-control: 0.0.0.0/0 refuse
  access-control: {gateway}/32 allow
  do-daemonize: no
  use-syslog: no
  logfile: ""
  pidfile: ""
  chroot: ""
  username: ""
  directory: "/tmp"
  num-threads: 1
  hide-identity: yes
  hide-version: yes
  module-config: "iterator"
  # Docker's resolver is at an address of loopback.
  do-not-query-localhost: no
  qname-minimisation: no
  # The servers' addresses: Docker says that they hold for ten minutes.
  cache-max-ttl: 1
  cache-max-negative-ttl: 1
  # As on machines (`machine/config/unbound.py`): a server that was away is asked again at once.
  infra-keep-probing: yes
  infra-host-ttl: 10
  infra-cache-min-rtt: 20
  infra-cache-max-rtt: 400
  unknown-server-time-limit: 50
  local-zone: "." refuse
  local-zone: "{domain}." transparent
  domain-insecure: {domain}.
remote-control:
  control-enable: no
forward-zone:
  name: {DOMAIN}.
  forward-addr: 127.0.0.11
stub-zone:
  name: {domain}.
  stub-host: servers.{DOMAIN}.@{CONSUL_DNS}
  stub-no-cache: yes
"""

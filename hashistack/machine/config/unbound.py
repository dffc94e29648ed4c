"""unbound's configuration: the resolver on every machine.

What differs from unbound's defaults does so on purpose: see the comments.
"""

from __future__ import annotations

from ipaddress import ip_network

from hashistack.machine.platform import Platform
from hashistack.spec import ClusterSpec
from hashistack.spec.durations import seconds
from hashistack.spec.ports import CONSUL_DNS

STUB = "/run/hashistack/unbound/stub.conf"
"""The stub zone's own file: `node/watch/dns-servers` writes it, because its addresses follow the servers."""


def unbound(spec: ClusterSpec, platform: Platform, bridge: bool, docker: bool = False) -> str:
    """``unbound.conf`` for one machine; ``bridge``: it also answers on the address of Nomad's task bridge; ``docker``:
    it answers containers in Docker's bridge network."""
    subnet = ip_network(spec.network.bridge)
    interfaces = ["127.0.0.1", "{{ip}}", *([str(subnet[1])] if bridge else [])]
    interfaces += [platform.dns_address] if platform.dns_address else []
    clients = ["127.0.0.0/8", "{{ip}}/32", *([str(subnet)] if bridge else []), *platform.dns_sources]
    clients += [spec.network.docker_bridge] if docker else []
    lines = [
        "server:",
        *(f"  interface: {address}" for address in interfaces),
        # Nomad makes its bridge when the first task needs it; the address must be ours before that.
        "  ip-freebind: yes",
        *(f"  access-control: {network} allow" for network in clients),
        "  do-daemonize: no",
        "  use-syslog: no",
        '  logfile: ""',
        '  pidfile: ""',
        '  chroot: ""',
        '  directory: "/run/hashistack/unbound"',
        "  username: unbound",
        "  num-threads: 2",
        "  so-reuseport: yes",
        # Linux keeps some 270 questions for a thread that has no core for a moment: 3 s of 100 a second. Ten times as
        # many, where the machine grants it.
        "  so-rcvbuf: 1m",
        "  hide-identity: yes",
        "  hide-version: yes",
        # The upstreams validate; the laptop's can't even answer for the root's keys.
        '  module-config: "iterator"',
        f"  domain-insecure: {spec.dns.domain}.",
        "  do-not-query-localhost: no",
        # Whom we ask sees the whole name anyway; Consul would be asked twice.
        "  qname-minimisation: no",
        "  prefetch: yes",
        # The public zone only: the stub zone is not cached at all.
        "  serve-expired: yes",
        f"  serve-expired-ttl: {seconds(spec.dns.serve_expired_ttl):.0f}",
        "  serve-expired-client-timeout: 1800",
        # A name asked for a moment too early must not stay unknown: the default is an hour.
        f"  cache-max-negative-ttl: {seconds(spec.dns.cache_max_negative_ttl):.0f}",
        f"  cache-max-ttl: {seconds(spec.dns.cache_max_ttl):.0f}",
        # A server that was down is tried again at once: the defaults forget it for 15 minutes.
        "  infra-keep-probing: yes",
        "  infra-host-ttl: 10",
        "  infra-cache-min-rtt: 20",
        "  infra-cache-max-rtt: 400",
        "  unknown-server-time-limit: 50",
        "remote-control:",
        "  control-enable: yes",
        # Not beside the configuration: that directory is replaced when it is rendered again.
        "  control-interface: /run/hashistack/unbound.sock",
        "  control-use-cert: no",
    ]
    for zone, addresses in sorted(platform.forward_zones.items()):
        lines += [
            "forward-zone:",
            f"  name: {zone}",
            *(f"  forward-addr: {a}" for a in addresses),
            "  forward-no-cache: yes",
        ]
    lines += ["forward-zone:", "  name: .", *(f"  forward-addr: {address}" for address in platform.upstreams)]
    return "\n".join([*lines, f'include: "{STUB}"', ""])


def stub(spec: ClusterSpec) -> str:
    """The first stub zone of a machine: its own agent. `node/watch/dns-servers` adds the servers' as it finds them."""
    return "\n".join(
        [
            "stub-zone:",
            f"  name: {spec.dns.domain}.",
            "  stub-no-cache: yes",
            f"  stub-addr: 127.0.0.1@{CONSUL_DNS.number}",
            "",
        ]
    )

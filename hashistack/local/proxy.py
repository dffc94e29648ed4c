"""The container before the servers: one address for each API, which stays while servers come and go.

HAProxy out of the machine image. It passes TCP through, so that TLS is between the caller and a server, and follows the
servers by their common name in Docker's resolver. It holds no state and no secret.
"""

from __future__ import annotations

from hashistack.local.front import Front
from hashistack.local.labels import DOMAIN
from hashistack.local.ranges import API_PORTS, SLOTS, api_address, api_ports
from hashistack.provider.handler import Props

ROLE = "api"
_CONFIG = "etc/hashistack/api.cfg"
_CA = "etc/hashistack/ca.pem"

_CHECKS = {
    "nomad": ("nomad", "/v1/agent/health?type=server"),
    # Consul's API asks every caller for a certificate. Nomad comes last on a new server and goes first.
    "consul": ("nomad", "/v1/agent/health?type=server"),
    # The active one alone answers 200. A standby forwards, but what it forwards of a snapshot is not whole.
    "vault": ("vault", "/v1/sys/health"),
}
"""Product to the API and path that say whether a server can answer; neither takes a certificate or a token."""

GLOBAL = f"""\
global
    # By default as many as files may be open: under Docker a million, and memory for all of them.
    maxconn 2000
    nbthread 1

resolvers docker
    nameserver docker 127.0.0.11:53
    timeout resolve 1s
    timeout retry 1s
    hold valid 1s
    accepted_payload_size 8192

defaults
    mode tcp
    # Who refuses is on its way in or out: the next one is asked at once.
    option redispatch 1
    retries {SLOTS}
    timeout connect 2s
    timeout check 5s
    # Whoever follows a log or waits in a shell may be silent for long; who is dead does not answer the kernel's probes.
    timeout client 1d
    timeout server 1d
    option clitcpka
    option srvtcpka
    srvtcpka-idle 5s
    srvtcpka-intvl 2s
    srvtcpka-cnt 3
    default-server resolvers docker init-addr none inter 3s fastinter 500ms rise 1 fall 2
"""


def proxy(template: Props, ca_pem: str, region: str) -> Front:
    """The container for a template's site, network, image and ports (`LocalApi`'s inputs, or a pool's)."""
    published = api_ports(template["port_base"])
    return Front(
        role=ROLE,
        site=template["site"],
        labels=template["labels"],
        network=template["network"],
        image=template["image"],
        address=api_address(template["cidr"]),
        user="haproxy",
        command=["haproxy", "-db", "-f", f"/{_CONFIG}"],
        ports={f"{API_PORTS[product]}/tcp": port for product, port in published.items()},
        files={_CONFIG: config(template["gateway"], f"server.{region}.nomad"), _CA: ca_pem},
    )


def addresses(port_base: int) -> dict[str, str]:
    """Product to the address of its API."""
    return {product: f"https://127.0.0.1:{port}" for product, port in api_ports(port_base).items()}


def config(gateway: str, server_name: str) -> str:
    """HAProxy's configuration. gateway: whence what comes to loopback arrives; nobody else is let in."""
    return GLOBAL + "".join(_product(product, gateway, server_name) for product in API_PORTS)


def _product(product: str, gateway: str, server_name: str) -> str:
    servers = f"server-template {product} {SLOTS} servers.{DOMAIN}:{API_PORTS[product]}"
    asked, path = _CHECKS[product]
    verified = f"check-ssl ca-file /{_CA} verify required verifyhost {server_name} check-sni {server_name}"
    return f"""
listen {product}
    bind :{API_PORTS[product]}
    # Or a task could use the address from which Consul takes writes.
    tcp-request connection reject unless {{ src {gateway} }}
    option httpchk GET {path}
    {servers} check port {API_PORTS[asked]} {verified}
    # Sealed, or without a leader: whoever is there says so himself.
    use_backend {product}-any if {{ nbsrv eq 0 }}

backend {product}-any
    {servers}
"""

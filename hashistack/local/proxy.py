"""The container before the servers: one address for each API, which stays while servers come and go.

HAProxy out of the machine image. It passes TCP through, so that TLS is between the caller and a server, and follows the
servers by their common name in Docker's resolver. It holds no state and no secret.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hashistack.local import labels
from hashistack.local.labels import DOMAIN
from hashistack.local.listing import Listing
from hashistack.local.machines import tar
from hashistack.local.ranges import API_PORTS, SLOTS, api_address, api_ports
from hashistack.local.removal import remove_containers
from hashistack.provider.handler import Props

if TYPE_CHECKING:
    import docker

ROLE = "api"
_STOP_SECONDS = 5
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

_GLOBAL = f"""\
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


@dataclass(frozen=True)
class Proxy:
    """What the container is made of.

    network: Docker's id of the cluster's network. ports: inside to host, on loopback.
    """

    site: str
    labels: dict[str, str]
    network: str
    image: str
    address: str
    ports: dict[int, int]
    config: str = field(repr=False)
    ca_pem: str = field(repr=False)

    @property
    def digest(self) -> str:
        """Another one is another container."""
        return hashlib.sha256(json.dumps(vars(self), sort_keys=True).encode()).hexdigest()


def proxy(template: Props, ca_pem: str, region: str) -> Proxy:
    """The container for a template's site, network, image and ports (`LocalApi`'s inputs, or a pool's)."""
    published = api_ports(template["port_base"])
    return Proxy(
        site=template["site"],
        labels=template["labels"],
        network=template["network"],
        image=template["image"],
        address=api_address(template["cidr"]),
        ports={API_PORTS[product]: port for product, port in published.items()},
        config=config(template["gateway"], f"server.{region}.nomad"),
        ca_pem=ca_pem,
    )


def addresses(port_base: int) -> dict[str, str]:
    """Product to the address of its API."""
    return {product: f"https://127.0.0.1:{port}" for product, port in api_ports(port_base).items()}


def config(gateway: str, server_name: str) -> str:
    """HAProxy's configuration. gateway: whence what comes to loopback arrives; nobody else is let in."""
    return _GLOBAL + "".join(_product(product, gateway, server_name) for product in API_PORTS)


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


def runs(docker: Listing, plan: Proxy) -> bool:
    """Whether the container is there and running, made of this."""
    return any(one["State"] == "running" and _made_of(one, plan) for one in _found(docker, plan.site))


def ensure(client: docker.DockerClient, plan: Proxy) -> None:
    """Starts the container, or makes it where there is none, or one of something else."""
    found = _found(client.api, plan.site)
    same = [one for one in found if _made_of(one, plan)]
    remove_containers(client, [one for one in found if one not in same[:1]])
    if same:
        client.api.start(same[0]["Id"])
    else:
        _make(client, plan)


def stop(client: docker.DockerClient, site: str) -> None:
    """Stops the site's container; `ensure` starts it again."""
    for one in _found(client.api, site):
        client.api.stop(one["Id"], timeout=_STOP_SECONDS)


def remove(client: docker.DockerClient, site: str) -> None:
    """Removes the site's container; what is gone already is fine."""
    remove_containers(client, _found(client.api, site))


def _found(docker: Listing, site: str) -> list[Props]:
    return docker.containers(all=True, filters={"label": [f"{labels.SITE}={site}", f"{labels.ROLE}={ROLE}"]})


def _made_of(container: Props, plan: Proxy) -> bool:
    return bool(container["Labels"].get(labels.BUNDLE) == plan.digest)


def _make(client: docker.DockerClient, plan: Proxy) -> None:
    from docker.errors import APIError

    host: Any = client.api.create_host_config(
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        port_bindings={inside: ("127.0.0.1", port) for inside, port in plan.ports.items()},
        network_mode=plan.network,
        restart_policy={"Name": "unless-stopped"},
    )
    endpoint = client.api.create_endpoint_config(ipv4_address=plan.address)
    container: str = client.api.create_container(
        plan.image,
        name=f"{plan.site}-{ROLE}",
        hostname=ROLE,
        user="haproxy",
        entrypoint=["haproxy"],
        command=["-db", "-f", f"/{_CONFIG}"],
        stop_signal="SIGTERM",
        labels={**plan.labels, labels.ROLE: ROLE, labels.BUNDLE: plan.digest},
        host_config=host,
        ports=list(plan.ports),
        networking_config={"EndpointsConfig": {plan.network: endpoint}},
    )["Id"]
    try:
        files = {_CONFIG: (plan.config.encode(), 0o644), _CA: (plan.ca_pem.encode(), 0o644)}
        client.api.put_archive(container, "/", tar(files))
        client.api.start(container)
    except APIError:
        client.api.remove_container(container, v=True, force=True)
        raise

"""Containers beside a cluster's machines, with ports on loopback that stay while machines come and go.

Programs out of the machine image, without rights, state or secrets: the APIs' proxy, the host's resolver.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hashistack.local import labels
from hashistack.local.machines import tar
from hashistack.local.removal import remove_containers
from hashistack.provider.handler import Props

if TYPE_CHECKING:
    import docker

_STOP_SECONDS = 5


@dataclass(frozen=True)
class Front:
    """What a container is made of.

    role: its label and the end of its name. network: Docker's id of the cluster's network. address: in that network.
    ports: port and protocol inside (`53/udp`) to the port on loopback. files: path to text.
    """

    role: str
    site: str
    labels: dict[str, str]
    network: str
    image: str
    user: str
    command: list[str]
    ports: dict[str, int]
    address: str
    files: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def digest(self) -> str:
        """Another one is another container."""
        return hashlib.sha256(json.dumps(vars(self), sort_keys=True).encode()).hexdigest()


def runs(api: docker.APIClient, plans: Sequence[Front]) -> bool:
    """Whether the containers are there and running, made of this."""
    made = [one["Labels"].get(labels.BUNDLE) for one in found(api, plans[0].site) if one["State"] == "running"]
    return all(plan.digest in made for plan in plans)


def ensure(client: docker.DockerClient, plans: Sequence[Front]) -> None:
    """Starts the containers of a site, or makes those that are not there, or are of something else; removes others."""
    there = {one["Labels"].get(labels.BUNDLE): one for one in found(client.api, plans[0].site)}
    wanted = {plan.digest: plan for plan in plans}
    remove_containers(client, [one for digest, one in there.items() if digest not in wanted])
    for digest, plan in wanted.items():
        if digest in there:
            client.api.start(there[digest]["Id"])
        else:
            _make(client, plan)


def stop(client: docker.DockerClient, site: str) -> None:
    """Stops the site's containers; `ensure` starts them again."""
    for one in found(client.api, site):
        client.api.stop(one["Id"], timeout=_STOP_SECONDS)


def remove(client: docker.DockerClient, site: str) -> None:
    """Removes the site's containers; what is gone already is fine."""
    remove_containers(client, found(client.api, site))


def found(api: docker.APIClient, site: str) -> list[Props]:
    """The site's containers that are no machines: those have a pool."""
    listed = api.containers(all=True, filters={"label": [f"{labels.SITE}={site}", labels.ROLE]})
    return [one for one in listed if labels.POOL not in one["Labels"]]


def _make(client: docker.DockerClient, plan: Front) -> None:
    from docker.errors import APIError

    inside = [tuple(port.split("/")) for port in plan.ports]
    host: Any = client.api.create_host_config(
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        port_bindings={port: ("127.0.0.1", outside) for port, outside in plan.ports.items()},
        network_mode=plan.network,
        restart_policy={"Name": "unless-stopped"},
    )
    endpoint = client.api.create_endpoint_config(ipv4_address=plan.address)
    container: str = client.api.create_container(
        plan.image,
        name=f"{plan.site}-{plan.role}",
        hostname=plan.role,
        user=plan.user,
        entrypoint=plan.command[:1],
        command=plan.command[1:],
        stop_signal="SIGTERM",
        labels={**plan.labels, labels.ROLE: plan.role, labels.BUNDLE: plan.digest},
        host_config=host,
        ports=[(int(port), protocol) for port, protocol in inside],
        networking_config={"EndpointsConfig": {plan.network: endpoint}},
    )["Id"]
    try:
        files = {path: (text.encode(), 0o644) for path, text in plan.files.items()}
        client.api.put_archive(container, "/", tar(files))
        client.api.start(container)
    except APIError:
        client.api.remove_container(container, v=True, force=True)
        raise

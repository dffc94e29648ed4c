"""Virtual machines as containers of the local provider's machine image, each with the address that its cloud gave it.

The image has the test's authority and an init that boots as a cloud's machine does: DHCP's resolver, then the first
script from the metadata service, by the cloud's own program for it.
"""

from __future__ import annotations

import io
import tarfile
from contextlib import suppress
from functools import cached_property
from ipaddress import IPv4Network
from pathlib import Path
from threading import Lock
from typing import Any

import docker
from docker.errors import NotFound
from docker.types import IPAMConfig, IPAMPool

from hashistack.local.image import build
from hashistack.local.machines import CAPABILITIES, DOCKER

from .alpine import image as alpine

_INIT = Path(__file__).parent / "image" / "init"


class Containers:
    """label: of everything that is a cloud's in Docker. image: the directory of what the cloud's own images have: the
    program that runs the first script (`user-data`), and others. ca: the authority's certificate. resolver: the
    cloud's, as DHCP tells it."""

    def __init__(self, client: docker.DockerClient, label: str, image: Path, ca: Path, resolver: str) -> None:
        self.label, self._resolver = label, resolver
        self._client, self._archive = client, _archive(_INIT, ca, *image.iterdir())
        # Here, because it may have to be built, and that takes minutes.
        self._image = build.ensure(client, lambda text: None)
        self._networks: dict[str, Any] = {}
        self._consoles: dict[str, str] = {}
        self._lock = Lock()
        self.remove()  # what a test run that was killed left behind

    @cached_property
    def _alpine(self) -> str:
        """Made for the first machine that boots it: most boxes have none."""
        return alpine.machine(self._client, self._image)

    def running(self) -> dict[str, bool]:
        """Name of each machine to whether it runs."""
        return {one["Names"][0][1:]: one["State"] == "running" for one in self._listed()}

    def get(self, name: str) -> Any:
        """Docker's own of a machine."""
        return self._client.containers.get(name)

    def start(
        self, name: str, hostname: str, network: str, cidr: str, address: str, *, on_alpine: bool = False
    ) -> None:
        """A machine in the network of that name; `on_alpine`: of Alpine's own userland and init."""
        network, api = self._network(network, cidr), self._client.api
        host = api.create_host_config(
            binds=[DOCKER],
            tmpfs={"/run": "mode=755,exec"},
            cap_add=CAPABILITIES,
            security_opt=["seccomp=unconfined", "apparmor=unconfined"],
            network_mode=network,
        )
        api.create_container(
            self._alpine if on_alpine else self._image,
            tty=on_alpine,  # the console, to which OpenRC's services write by its name
            entrypoint=["/sbin/cloud/init", self._resolver],
            name=name,
            hostname=hostname,
            labels={self.label: name},
            host_config=host,
            networking_config={"EndpointsConfig": {network: api.create_endpoint_config(ipv4_address=address)}},
        )
        api.put_archive(name, "/", self._archive)
        api.start(name)

    def console(self, name: str) -> str:
        """What a machine has written to its console; what it wrote until its end, when it is gone."""
        with suppress(NotFound):
            self._consoles[name] = self.get(name).logs().decode(errors="replace")
        return self._consoles.get(name, "")

    def end(self, name: str) -> None:
        """It is no more, nor its disk."""
        self.console(name)
        with suppress(NotFound):
            self._client.api.remove_container(name, v=True, force=True)

    def keep_networks(self, names: set[str]) -> None:
        """Networks of other names go."""
        for name in [name for name in self._networks if name not in names]:
            self._networks.pop(name).remove()

    def left(self) -> list[str]:
        """Names of what Docker still has."""
        networks = self._client.networks.list(filters={"label": self.label})
        return [*self.running(), *(network.name for network in networks)]

    def remove(self) -> None:
        """Everything of this cloud that Docker has."""
        for name in self.running():
            self.end(name)
        for network in self._client.networks.list(filters={"label": self.label}):
            network.remove()

    def _listed(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._client.api.containers(all=True, filters={"label": self.label})
        return found

    def _network(self, name: str, cidr: str) -> str:
        """One bridge: its router, the bridge's address, is the network's first."""
        with self._lock:
            if name not in self._networks:
                pool = IPAMConfig(pool_configs=[IPAMPool(subnet=cidr, gateway=str(IPv4Network(cidr)[1]))])
                self._networks[name] = self._client.networks.create(name, ipam=pool, labels={self.label: name})
            return str(self._networks[name].name)


def _archive(*files: Path) -> bytes:
    """What the image lacks, at /sbin/cloud."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path in files:
            tar.add(path, arcname=f"sbin/cloud/{path.name}")
    return packed.getvalue()

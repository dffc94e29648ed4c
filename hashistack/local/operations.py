"""What the commands and the plugin ask of the local platform."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from hashistack.errors import HashistackError
from hashistack.platforms import MACHINES, PlatformOperations, Running, Stack

if TYPE_CHECKING:
    from hashistack.component.findings import Finding
    from hashistack.ops.api.connection import Connection
    from hashistack.ops.api.port_forward import Forwarder
    from hashistack.ops.rollout.driver import PoolDriver

_BEFORE = "image, tools, network"


class LocalOperations(PlatformOperations):
    """Clusters in containers on this machine."""

    extra = "local"
    component = "hashistack:index:LocalCluster"
    component_class = "hashistack.local.cluster:LocalCluster"
    specification = "hashistack:index:LocalSite"
    handlers: ClassVar[Mapping[str, str]] = {
        "hashistack:index:LocalApi": "hashistack.local.handlers.api:ApiHandler",
        "hashistack:index:LocalArtifacts": "hashistack.toolchain.handler:ToolsHandler",
        "hashistack:index:LocalClientPool": "hashistack.local.handlers.pool:PoolHandler",
        "hashistack:index:LocalImage": "hashistack.local.handlers.image:ImageHandler",
        "hashistack:index:LocalNetwork": "hashistack.local.handlers.network:NetworkHandler",
        "hashistack:index:LocalReady": "hashistack.local.handlers.ready:ReadyHandler",
        "hashistack:index:LocalServerPool": "hashistack.local.handlers.pool:PoolHandler",
        "hashistack:index:LocalSite": "hashistack.local.handlers.cluster_id:SiteHandler",
    }
    phases: ClassVar[Mapping[str, str]] = {
        "hashistack:index:LocalImage": _BEFORE,
        "hashistack:index:LocalArtifacts": _BEFORE,
        "hashistack:index:LocalNetwork": _BEFORE,
        "hashistack:index:LocalServerPool": MACHINES,
        "hashistack:index:LocalClientPool": MACHINES,
    }
    ready = "hashistack:index:LocalReady"
    here = True

    def driver(self, connection: Connection) -> PoolDriver:
        from hashistack.local.driver import LocalDriver

        return LocalDriver(connection)

    def left(self, stack: Stack) -> Sequence[str]:
        from hashistack.local.discovery import left

        return left(stack.directory, stack.name, [cluster.name for cluster in stack.clusters])

    def proof(self, stack: Stack) -> str:
        return "no container, network or volume of it is left"

    def running(self) -> Sequence[Running]:
        from hashistack.local.discovery import clusters

        return clusters()

    def remove(self, cluster: Running, warn: Callable[[str], None]) -> None:
        from hashistack.local.docker_client import asking, engine
        from hashistack.local.removal import sweep

        with asking():
            sweep(engine(), cluster.site, warn)

    def load_images(self, cluster: str, images: Sequence[str], tell: Callable[[str], None]) -> int:
        from hashistack.local.docker_client import engine
        from hashistack.local.images import load

        return load(engine(), cluster, images, tell)

    def resolver(self, connection: Connection) -> str:
        from hashistack.local.ranges import dns_port

        servers = next(pool for pool in connection.pools if pool.role == "server")
        return f"127.0.0.1:{dns_port(servers.template['port_base'])}" if "port_base" in servers.template else ""

    def reach(self, connection: Connection) -> Mapping[str, Mapping[str, str]]:
        names = [one.name for one in self.driver(connection).instances()]
        by_docker = {"ansible_connection": "community.docker.docker"}
        return {name: {**by_docker, "ansible_host": f"{connection.name}-{name}"} for name in names}

    def forwarder(self, connection: Connection) -> Forwarder:
        raise HashistackError(
            f"no tunnel is needed: the APIs of {connection.name} are at addresses of this machine", "hashistack status"
        )

    def logs(self, connection: Connection, machine: str) -> Mapping[str, str]:
        from hashistack.local.docker_client import asking, engine
        from hashistack.local.evidence import logs

        with asking():
            return logs(engine(), f"{connection.name}-{machine}")

    def published(self, connection: Connection) -> Sequence[str]:
        from hashistack.local.publisher import declared

        servers = next(pool for pool in connection.pools if pool.role == "server")
        published = declared(json.loads(servers.template["spec"])) if "spec" in servers.template else {}
        return [
            f"127.0.0.1:{one['host']} leads to port {one['port']} of {pool}"
            for pool, ports in published.items()
            for one in ports
        ]

    def findings(self) -> Sequence[Finding]:
        from hashistack.local.preflight import run

        return run()

"""A service, and somebody who asks it all the time."""

from __future__ import annotations

import threading
import time
import urllib.request
from types import TracebackType
from typing import Any

from bench.web_job import PORT, container
from hashistack.ops.api.cluster import Cluster

from .datacenter import Datacenter
from .project import until

SECOND = 10**9
_WEB = 'mkdir -p local/www && echo up >local/www/index.html; exec "$(command -v busybox-extras || command -v busybox)" '
_WEB += 'httpd -f -p "$NOMAD_PORT_http" -h local/www'
_PAUSE_SECONDS = 0.02


class Service:
    """Runs on the first pool's clients, spread over them, or on one `node`; `stop` purges it. contained: by the
    docker driver."""

    shutdown_delay = 4
    """Seconds between leaving Consul and being told to stop."""

    def __init__(
        self,
        datacenter: Datacenter,
        name: str,
        kill_timeout: int = 2,
        command: str = _WEB,
        count: int = 2,
        node: str = "",
        contained: bool = False,
    ) -> None:
        self.datacenter, self.name, self.count = datacenter, name, count
        first = next(pool.name for pool in datacenter.connection.pools if pool.role == "client")
        where, value = ("${node.unique.name}", node) if node else ("${meta.pool}", first)
        # One late answer of a busy machine takes no instance out of DNS; a stopped one leaves Consul at once anyway.
        check = {"Type": "http", "Path": "/", "Interval": SECOND, "Timeout": 2 * SECOND, "FailuresBeforeCritical": 2}
        port: dict[str, Any] = {"Label": "http"}
        program: dict[str, Any] = {"Driver": "exec", "Config": {"command": "/bin/sh", "args": ["-c", command]}}
        if contained:
            port, program = PORT, container("up\n")
        self._group = {
            "Name": name,
            "Count": count,
            "Constraints": [{"LTarget": where, "Operand": "=", "RTarget": value}],
            "ShutdownDelay": self.shutdown_delay * SECOND,
            "Spreads": [{"Attribute": "${node.unique.id}", "Weight": 100}],
            "Networks": [{"DynamicPorts": [port]}],
            "Services": [{"Name": name, "Provider": "consul", "PortLabel": "http", "Checks": [check]}],
            "Migrate": {
                "MaxParallel": 1,
                "HealthCheck": "checks",
                "MinHealthyTime": SECOND,
                "HealthyDeadline": 30 * SECOND,
            },
            "Tasks": [
                {
                    "Name": "web",
                    **program,
                    "Resources": {"CPU": 20, "MemoryMB": 32},
                    "LogConfig": {"MaxFiles": 1, "MaxFileSizeMB": 1},
                    "KillTimeout": kill_timeout * SECOND,
                }
            ],
        }

    def start(self) -> Service:
        """Returns when all allocations pass their checks."""
        job = {"ID": self.name, "Name": self.name, "Type": "service", "Datacenters": ["*"]}
        self.datacenter.nomad(f"/v1/job/{self.name}", {"Job": {**job, "TaskGroups": [self._group]}})
        # Consul may know an allocation as passing before Nomad's servers know that it runs.
        until(lambda: len(self.instances()) == len(self.allocations()) == self.count, 120, f"{self.name} runs")
        return self

    def stop(self) -> None:
        self.datacenter.nomad(f"/v1/job/{self.name}?purge=true", method="DELETE")

    def instances(self) -> list[str]:
        """Address and port of those that pass."""
        return _places(self.datacenter.consul(f"/v1/health/service/{self.name}?passing"))

    def allocations(self) -> dict[str, str]:
        """Running allocation's id to its node's name."""
        found = self.datacenter.nomad(f"/v1/job/{self.name}/allocations")
        return {one["ID"]: one["NodeName"] for one in found if one["ClientStatus"] == "running"}


def _places(found: Any) -> list[str]:
    return [f"{one['Service']['Address'] or one['Node']['Address']}:{one['Service']['Port']}" for one in found]


class Asking:
    """Asks a service again and again, where the catalog says at that moment; a connection for each request.

    The catalog answers as it does for DNS: from any server, with or without a leader. A look-up that fails is a request
    that failed.
    """

    def __init__(self, service: Service) -> None:
        self.asked = 0
        self.failed: list[str] = []
        self._cluster = Cluster(service.datacenter.connection)
        self._look_up = f"/v1/health/service/{service.name}?passing&stale"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> Asking:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self._cluster.close()

    def _ask(self) -> None:
        while not self._over.wait(_PAUSE_SECONDS):
            self.asked += 1
            at = time.strftime("%H:%M:%S")
            try:
                found = _places(self._cluster.consul.api.call("GET", self._look_up).data)
                address = found[self.asked % len(found)]
            except Exception as error:
                self.failed.append(f"{at} look-up: {error!r}")
                continue
            try:
                with urllib.request.urlopen(f"http://{address}/", timeout=5) as answer:
                    assert answer.read() == b"up\n"
            except Exception as error:
                self.failed.append(f"{at} {address}: {error!r}")

"""Ports that lead to a cluster's APIs through Google's Identity-Aware Proxy: `gcloud compute start-iap-tunnel`."""

from __future__ import annotations

import os
import shutil
from urllib.parse import urlsplit

from hashistack.errors import HashistackError
from hashistack.gcp.ops.driver import GcpDriver
from hashistack.gcp.ops.groups import Vm
from hashistack.ops.api.connection import Connection
from hashistack.ops.api.port_forward import Program


class IapTunnels:
    """Tunnels to the servers themselves: a server that calls the load balancer reaches itself. See
    `ops.api.port_forward.Forwarder`. They are opened with the account that gcloud is logged in with.

    Raises HashistackError where gcloud is not on PATH.
    """

    remedy = (
        "look whether the cluster has iap=True, and whether the account of `gcloud auth list` has the role "
        "roles/iap.tunnelResourceAccessor"
    )

    def __init__(self, connection: Connection) -> None:
        if not shutil.which("gcloud"):
            raise HashistackError(
                "a tunnel to Google Cloud needs gcloud on PATH",
                "install it: https://cloud.google.com/sdk/docs/install; then gcloud auth login",
            )
        self._connection = connection
        self._servers: dict[str, Vm] = {}

    def machines(self) -> list[str]:
        self._servers = GcpDriver(self._connection).servers()
        return list(self._servers)

    def program(self, machine: str, address: str, port: int) -> Program:
        vm, project = self._servers[machine], str(self._connection.pools[0].template.get("project", ""))
        return Program(
            (
                *("gcloud", "compute", "start-iap-tunnel", vm.name, str(urlsplit(address).port)),
                *(f"--local-host-port=127.0.0.1:{port}", "--zone", vm.zone, "--project", project, "--quiet"),
            ),
            dict(os.environ),
        )

"""Docker on a client machine: the daemon's configuration, for pools with the docker driver."""

from __future__ import annotations

import json
from ipaddress import ip_network
from typing import Any, Final

from hashistack.machine.config.fragments import Fragments
from hashistack.spec import ClusterSpec

PAUSE = "hashistack/pause:1"
"""The image of the container that holds the network of a group in bridge mode: `node/boot/load-images` makes it. Its
tag is not `latest`, which Nomad would pull."""


CREDENTIALS: Final = "docker-credential-hashistack"
"""The program that Nomad asks for the credentials of a registry: Docker's name for a helper called `hashistack`."""
AUTH: Final = "docker-auth.json"
"""The file in the bundle that says which registries it is asked for."""


def registry_files(spec: ClusterSpec) -> dict[str, bytes]:
    """What a machine needs of the registries, by its place in the bundle; no credentials are among it."""
    found = {f"certs.d/{one.host}/ca.crt": one.ca.encode() for one in spec.registries if one.ca}
    if helped := {
        one.host: CREDENTIALS.removeprefix("docker-credential-") for one in spec.registries if one.credentials
    }:
        found[AUTH] = json.dumps({"credHelpers": helped}, indent=1, sort_keys=True).encode() + b"\n"
    return found


def docker(spec: ClusterSpec, runtime: str = "") -> Fragments:
    """dockerd's configuration file. Containers ask unbound: theirs is the machine's /etc/resolv.conf.

    runtime: the program of the bundle that it runs in the place of runc.
    """
    bridge = ip_network(spec.network.docker_bridge)
    mirrors = [mirror for one in spec.registries for mirror in one.mirrors]
    return {
        "20-base.json": {
            "data-root": "/var/lib/docker",
            "bip": f"{bridge[1]}/{bridge.prefixlen}",
            # What runs does not end with the daemon. Nomad, which loses sight of it, starts the task anew.
            "live-restore": True,
            "log-level": "warn",
            # For containers that say nothing of logs. What Nomad starts has limits of its own.
            "log-driver": "json-file",
            "log-opts": {"max-size": "2m", "max-file": "2"},
            **({"registry-mirrors": mirrors} if mirrors else {}),
            **(_runtime(runtime) if runtime else {}),
        }
    }


def _runtime(program: str) -> dict[str, Any]:
    runtimes = {"hashistack": {"path": f"/opt/hashistack/current/bin/{program}"}}
    return {"runtimes": runtimes, "default-runtime": "hashistack"}

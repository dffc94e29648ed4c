"""Docker on a client machine: the daemon's configuration, for pools with the docker driver."""

from __future__ import annotations

from ipaddress import ip_network

from hashistack.machine.config.fragments import Fragments
from hashistack.spec import ClusterSpec

PAUSE = "hashistack/pause:1"
"""The image of the container that holds the network of a group in bridge mode: `node/boot/load-images` makes it. Its
tag is not `latest`, which Nomad would pull."""


def docker(spec: ClusterSpec) -> Fragments:
    """dockerd's configuration file. Containers ask unbound: theirs is the machine's /etc/resolv.conf."""
    bridge = ip_network(spec.network.docker_bridge)
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
        }
    }

"""Network load balancers: a listener of moto's is a TCP port on a loopback address that leads to targets in service.

Each load balancer has an address of its own, so that it may listen at the ports that it was given, and its name is in
/etc/hosts for as long as it is there.
"""

from __future__ import annotations

from functools import partial
from ipaddress import IPv4Address
from typing import Any
from zlib import crc32

from moto.ec2 import ec2_backends
from moto.elbv2 import elbv2_backends

from ..box.balancer import Names, Ports


class Balancers:
    """Follows the load balancers of one region: `step` opens and closes ports, and names them."""

    def __init__(self, account: str, region: str) -> None:
        self._account, self._region = account, region
        self._ports, self._names = Ports(), Names("region")

    def step(self) -> None:
        there = list(elbv2_backends[self._account][self._region].load_balancers.values())
        self._names.follow({each.dns_name: _address(each.arn) for each in there})
        self._ports.follow(
            {
                (_address(each.arn), int(listener.port)): partial(self._targets, _forwarded(listener))
                for each in there
                for listener in list(each.listeners.values())
            }
        )

    def close(self) -> None:
        self._ports.close()
        self._names.follow({})

    def _targets(self, group: str) -> list[tuple[str, int]]:
        """Where the group's instances answer; Auto Scaling registers those in service."""
        found = elbv2_backends[self._account][self._region].target_groups.get(group)
        instances = {one.id: one for one in ec2_backends[self._account][self._region].all_instances()}
        return [
            (str(instances[name].private_ip), int(target.get("port") or found.port))
            for name, target in (list(found.targets.items()) if found else ())
            if name in instances
        ]


def _address(arn: str) -> str:
    return str(IPv4Address("127.64.0.0") + 1 + crc32(arn.encode()) % 0xFFFF)


def _forwarded(listener: Any) -> str:
    return str(listener.default_actions[0].data["TargetGroupArn"])

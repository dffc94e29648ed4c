"""The container that leads ports of loopback to pools of clients: to those machines where something listens.

HAProxy out of the machine image, as `proxy.py`. It passes TCP through and finds machines by their pool's name in
Docker's resolver, so it stays while they come and go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hashistack.local import labels
from hashistack.local.front import Front
from hashistack.local.machines import pool_name
from hashistack.local.proxy import GLOBAL
from hashistack.local.ranges import publisher_address
from hashistack.provider.handler import Props

ROLE = "ports"
_CONFIG = "etc/hashistack/ports.cfg"
_MACHINES = 32
"""Places for machines of a pool, those of a surge among them; an empty one costs nothing."""
_INSIDE = 10000
"""The first port inside: below 1024 takes rights."""

Published = Mapping[str, Sequence[Mapping[str, int]]]
"""Pool to its ports: `port` on its machines, `host` on loopback."""


def declared(spec: Mapping[str, Any]) -> Published:
    """What the pools of a specification (plain data, maybe an earlier release's) publish."""
    return {pool["name"]: pool["publish"] for pool in spec["clients"] if pool.get("publish")}


def publisher(template: Props, published: Published) -> list[Front]:
    """The container for a template's site, network and image (`LocalApi`'s inputs, or a pool's), if it takes one."""
    outside = [one["host"] for ports in published.values() for one in ports]
    if not outside:
        return []
    made = Front(
        role=ROLE,
        site=template["site"],
        labels={**template["labels"], labels.PUBLISHED: ",".join(map(str, outside))},
        network=template["network"],
        image=template["image"],
        address=publisher_address(template["cidr"]),
        user="haproxy",
        command=["haproxy", "-db", "-f", f"/{_CONFIG}"],
        ports={f"{_INSIDE + index}/tcp": port for index, port in enumerate(outside)},
        files={_CONFIG: config(template["gateway"], published)},
    )
    return [made]


def config(gateway: str, published: Published) -> str:
    """HAProxy's configuration. gateway: whence what comes to loopback arrives; nobody else is let in."""
    leads = [(pool, one) for pool, ports in published.items() for one in ports]
    return GLOBAL + "".join(
        f"""
listen port-{one["host"]}
    bind :{_INSIDE + index}
    tcp-request connection reject unless {{ src {gateway} }}
    server-template {pool} {_MACHINES} {pool_name(pool)}:{one["port"]} check
"""
        for index, (pool, one) in enumerate(leads)
    )

"""How many machines of which types a cluster has, at first and at most. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hashistack.spec import ClusterSpec
from hashistack.spec.pool import Arch


@dataclass(frozen=True)
class Machines:
    """The machines of one pool.

    types: those that the cloud may choose from. path: where the specification names them. zones: those that it names,
    () for the cluster's. first, most: how many there are at first, and at most, with those that a rollout adds; of each
    `on_demand` are not spot.
    """

    pool: str
    path: str
    arch: Arch
    types: tuple[str, ...]
    zones: tuple[str, ...]
    declared: int
    first: int
    most: int
    on_demand: int | None = None

    def split(self, count: int) -> tuple[int, int]:
        """Of so many machines, those on demand and those on spot."""
        steady = count if self.on_demand is None else min(count, self.on_demand)
        return steady, count - steady


def machines(spec: ClusterSpec, reference: Mapping[str, str]) -> tuple[Machines, ...]:
    """Those of each pool. reference: architecture to the machine type of pools that name none."""
    servers = spec.servers
    made = [
        Machines(
            pool="server",
            path="servers",
            arch=servers.arch,
            types=(servers.machine_type or reference[servers.arch],),
            zones=servers.zones or (),
            declared=servers.count,
            first=servers.count + 1,
            most=servers.count + 1,
        )
    ]
    for index, pool in enumerate(spec.clients):
        surge = spec.upgrade_of(pool).max_surge
        made.append(
            Machines(
                pool=pool.name,
                path=f"clients[{index}]",
                arch=pool.arch,
                types=(pool.machine_type or reference[pool.arch], *pool.machine_types),
                zones=pool.zones or (),
                declared=pool.desired,
                first=pool.desired + surge,
                most=pool.max + surge,
                on_demand=pool.on_demand_base if pool.spot else None,
            )
        )
    return tuple(made)


def vcpus(machines: Sequence[Machines], each: Mapping[str, int], *, most: bool) -> tuple[int, int]:
    """vCPUs on demand and on spot; where the cloud may choose, the largest type counts. `each`: type to its vCPUs."""
    on_demand = spot = 0
    for pool in machines:
        largest = max((each.get(type_, 0) for type_ in pool.types), default=0)
        steady, cheap = pool.split(pool.most if most else pool.first)
        on_demand, spot = on_demand + steady * largest, spot + cheap * largest
    return on_demand, spot

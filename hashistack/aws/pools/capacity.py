"""What a cluster needs of an account: how many machines of which types, and what is counted beside them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hashistack.aws.pools import machine_types
from hashistack.cloud.zones import ZONES
from hashistack.spec import ClusterSpec
from hashistack.spec.pool import Arch


@dataclass(frozen=True)
class Machines:
    """The machines of one pool.

    types: those that AWS may choose from. path: where the specification names them. zones: those that it names, ()
    for the cluster's. first, most: how many there are at first, and at most, with those that a rollout adds; of each
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


@dataclass(frozen=True)
class Needs:
    """Everything at once. `zones`: those of the servers and the network, () for the region's first three."""

    machines: tuple[Machines, ...]
    zones: tuple[str, ...]
    vpcs: int
    gateways: int
    balancers: int = 1

    def vcpus(self, each: Mapping[str, int], *, most: bool) -> tuple[int, int]:
        """vCPUs on demand and on spot; where AWS may choose, the largest type counts. `each`: type to its vCPUs."""
        on_demand = spot = 0
        for pool in self.machines:
            largest = max((each.get(type_, 0) for type_ in pool.types), default=0)
            steady, cheap = pool.split(pool.most if most else pool.first)
            on_demand, spot = on_demand + steady * largest, spot + cheap * largest
        return on_demand, spot

    def __str__(self) -> str:
        pools = ", ".join(f"{pool.declared} {pool.pool} ({' or '.join(pool.types)})" for pool in self.machines)
        network = f"a VPC with {self.gateways or 'no'} NAT gateways" if self.vpcs else "in a VPC of yours"
        return f"{pools}; {network}; a private network load balancer"


def needs(spec: ClusterSpec, own_vpc: bool = False) -> Needs:
    """What the specification needs. own_vpc: the user gives a VPC with its subnets, and none is made."""
    servers = spec.servers
    machines = [
        Machines(
            pool="server",
            path="servers",
            arch=servers.arch,
            types=(servers.machine_type or machine_types.REFERENCE[servers.arch],),
            zones=servers.zones or (),
            declared=servers.count,
            first=servers.count + 1,
            most=servers.count + 1,
        )
    ]
    for index, pool in enumerate(spec.clients):
        surge = spec.upgrade_of(pool).max_surge
        machines.append(
            Machines(
                pool=pool.name,
                path=f"clients[{index}]",
                arch=pool.arch,
                types=(pool.machine_type or machine_types.REFERENCE[pool.arch], *pool.machine_types),
                zones=pool.zones or (),
                declared=pool.desired,
                first=pool.desired + surge,
                most=pool.max + surge,
                on_demand=pool.on_demand_base if pool.spot else None,
            )
        )
    zones = servers.zones or ()
    gateways = {"none": 0, "single": 1, "zone": len(zones) or ZONES}[spec.network.nat]
    return Needs(tuple(machines), zones, 0 if own_vpc else 1, 0 if own_vpc else gateways)

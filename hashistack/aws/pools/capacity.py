"""What a cluster needs of an account: how many machines of which types, and what is counted beside them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hashistack.aws.pools import machine_types
from hashistack.cloud.capacity import Machines, machines, vcpus
from hashistack.cloud.zones import ZONES
from hashistack.spec import ClusterSpec


@dataclass(frozen=True)
class Needs:
    """Everything at once. `zones`: those of the servers and the network, () for the region's first three."""

    machines: tuple[Machines, ...]
    zones: tuple[str, ...]
    vpcs: int
    gateways: int
    balancers: int = 1

    def vcpus(self, each: Mapping[str, int], *, most: bool) -> tuple[int, int]:
        """vCPUs on demand and on spot. `each`: type to its vCPUs."""
        return vcpus(self.machines, each, most=most)

    def __str__(self) -> str:
        pools = ", ".join(f"{pool.declared} {pool.pool} ({' or '.join(pool.types)})" for pool in self.machines)
        network = f"a VPC with {self.gateways or 'no'} NAT gateways" if self.vpcs else "in a VPC of yours"
        return f"{pools}; {network}; a private network load balancer"


def needs(spec: ClusterSpec, own_vpc: bool = False) -> Needs:
    """What the specification needs. own_vpc: the user gives a VPC with its subnets, and none is made."""
    zones = spec.servers.zones or ()
    gateways = {"none": 0, "single": 1, "zone": len(zones) or ZONES}[spec.network.nat]
    return Needs(machines(spec, machine_types.REFERENCE), zones, 0 if own_vpc else 1, 0 if own_vpc else gateways)

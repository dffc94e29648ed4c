"""What every such cloud bills for the machines of a specification. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hashistack.cloud.capacity import Machines, machines
from hashistack.ops.cost.estimate import BilledPool, Count
from hashistack.spec import ClusterSpec


def pools(spec: ClusterSpec, reference: Mapping[str, str], disk: Callable[[str], str]) -> tuple[BilledPool, ...]:
    """The machines of each pool.

    reference: architecture to the machine type of pools that name none. disk: machine type to the kind of its disk.
    """
    sizes = (spec.servers.disk_gib, *(pool.disk_gib for pool in spec.clients))
    each = zip(machines(spec, reference), sizes, strict=True)
    return tuple(_billed(of, disk(of.types[0]), gib) for of, gib in each)


def _billed(of: Machines, disk: str, gib: int) -> BilledPool:
    surge = of.first - of.declared
    declared, most, rolling = (Count(*of.split(n)) for n in (of.declared, of.most - surge, of.first))
    added = Count(rolling.on_demand - declared.on_demand, rolling.spot - declared.spot)
    return BilledPool(of.pool, of.types, declared, most, added, disk, gib)

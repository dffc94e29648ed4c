"""Pools as the stack declares them, beside the machines that the platform lists: enough to see what will change."""

from __future__ import annotations

from dataclasses import replace

from hashistack.ops.api.connection import Connection
from hashistack.ops.api.connection import Pool as Declared
from hashistack.ops.rollout.driver import Instance, PoolDriver
from hashistack.ops.rollout.fleet import Fleet, Machine, Pool


def wanted(connection: Connection, driver: PoolDriver, instances: tuple[Instance, ...]) -> tuple[Declared, ...]:
    """The declared pools in their sizes, and those that are declared no more but have machines: none is wanted."""
    declared = {pool.name for pool in connection.pools}
    strays = {one.pool: one.bundle for one in instances if one.pool not in declared}
    pools = (replace(pool, count=driver.size(pool)) for pool in connection.pools)
    return (*pools, *(Declared(name, "client", 0, bundle) for name, bundle in strays.items()))


def pool_of(declared: Declared, machines: tuple[Machine, ...], roll: bool = True) -> Pool:
    """A declared pool with its machines.

    Without `roll`, each machine's own bundle is as good as the declared one. Where they differ, a roll has stopped half
    way or has not begun: what it has too many of is its own business, and only what is missing counts.
    """
    count = declared.count
    if not roll and any(machine.bundle != declared.bundle for machine in machines):
        count = max(count, sum(machine.state not in ("leaving", "terminated") for machine in machines))
        machines = tuple(replace(machine, bundle=declared.bundle) for machine in machines)
    return Pool(declared.name, declared.role, count, declared.bundle, declared.policy, machines)


def listed(connection: Connection, driver: PoolDriver, roll: bool = True) -> Fleet:
    """The fleet as the platform alone lists it, every running machine taken for healthy: enough to see what changes."""
    found = driver.instances()
    return Fleet(
        tuple(
            pool_of(declared, tuple(_of(one) for one in found if one.pool == declared.name), roll)
            for declared in wanted(connection, driver, found)
        )
    )


def _of(instance: Instance) -> Machine:
    return Machine(instance.name, instance.bundle, "healthy" if instance.state == "running" else instance.state)

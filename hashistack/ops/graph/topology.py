"""What a picture of a cluster shows, out of its specification or of what is seen of it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from hashistack.ops.api.connection import Connection
from hashistack.ops.rollout import fleet as seen
from hashistack.spec.versions import SIGNED

if TYPE_CHECKING:
    from hashistack.spec import ClientPool, ClusterSpec

State = Literal["declared", "running", "booting", "healthy", "unhealthy", "leaving", "stopped", "terminated", "missing"]
"""declared: of a specification. running: only the platform was asked. missing: declared, and not there. The others are
those of `rollout.fleet`."""


@dataclass(frozen=True)
class Machine:
    """One machine. name: "" of one that is only declared. zone: "" where the platform has none, or chooses it.

    leads: the products whose leader it is, sorted. work: its allocations of service and batch jobs. outdated: it
    booted from another bundle than the declared one. versions: product to release, of those that it runs and that
    are known.
    """

    name: str = ""
    zone: str = ""
    state: State = "declared"
    leads: tuple[str, ...] = ()
    draining: bool = False
    eligible: bool = True
    outdated: bool = False
    work: int = 0
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def notable(self) -> bool:
        """Whether it differs from the many: it leads, changes, or is not well."""
        usual = self.state in ("declared", "running", "healthy") and self.eligible
        return not usual or self.draining or self.outdated or bool(self.leads)


@dataclass(frozen=True)
class Pool:
    """A pool. count: the machines that are declared. note: what else is declared of its size, "" where nothing."""

    name: str
    role: Literal["server", "client"]
    count: int
    machines: tuple[Machine, ...]
    note: str = ""


@dataclass(frozen=True)
class Topology:
    """A cluster. platform: "" of a specification, which is of none. versions: product to the declared release.

    notes: what the picture can't show, such as an API that does not answer.
    """

    name: str
    platform: str
    datacenter: str
    versions: Mapping[str, str]
    pools: tuple[Pool, ...]
    notes: tuple[str, ...] = ()

    @property
    def zones(self) -> tuple[str, ...]:
        """All zones by name; () where none is known."""
        return tuple(sorted({machine.zone for pool in self.pools for machine in pool.machines} - {""}))

    def as_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {**asdict(self), "zones": list(self.zones)}


def of_spec(spec: ClusterSpec) -> Topology:
    """What a specification declares: machines without names, spread over the zones that it names."""
    servers = Pool("server", "server", spec.servers.count, _spread(spec.servers.count, spec.servers.zones))
    clients = (Pool(p.name, "client", p.desired, _spread(p.desired, p.zones), _note(p)) for p in spec.clients)
    versions: dict[str, str] = {product: spec.versions.of(product) for product in SIGNED}
    return Topology(spec.name, "", spec.datacenter, versions, (servers, *clients))


def _spread(count: int, zones: Sequence[str] | None) -> tuple[Machine, ...]:
    return tuple(Machine(zone=zones[number % len(zones)] if zones else "") for number in range(count))


def _note(pool: ClientPool) -> str:
    size = [f"{pool.min} to {pool.max}"] if pool.min != pool.max else []
    spot = ["all spot" if pool.all_spot else f"spot beyond {pool.on_demand_base}"] if pool.spot else []
    nomads = [f"node pool {pool.node_pool}"] if pool.node_pool != "default" else []
    return ", ".join(size + spot + nomads)


def of_fleet(
    connection: Connection,
    fleet: seen.Fleet,
    zones: Mapping[str, str],
    builds: Mapping[str, Mapping[str, str]],
    silent: str = "",
) -> Topology:
    """What is seen of a cluster.

    Args:
        zones: machine to zone, of those that have one.
        builds: product to machine to the release that it runs.
        silent: why the APIs could not be asked, "" where they were: then the platform alone lists machines.
    """

    def machine(one: seen.Machine, pool: seen.Pool) -> Machine:
        return Machine(
            one.name,
            zones.get(one.name, ""),
            "running" if silent and one.state == "healthy" else one.state,
            tuple(sorted(one.leads)),
            one.draining,
            one.eligible or one.state != "healthy",
            pool.outdated(one),
            one.work,
            {product: machines[one.name] for product, machines in builds.items() if one.name in machines},
        )

    pools = tuple(
        Pool(
            pool.name,
            pool.role,
            pool.count,
            (*(machine(one, pool) for one in pool.machines), *_missing(pool)),
        )
        for pool in fleet.pools
    )
    stale = [f"{name} is gone, and still listed" for name in fleet.stale_members]
    # In one line, whatever an API or a server before it has said.
    said = "".join(letter for letter in " ".join(silent.split()) if letter.isprintable())
    notes = ([f"only the platform was asked: {said}"] if said else []) + stale
    return Topology(
        connection.name, connection.provider, connection.datacenter, connection.versions, pools, tuple(notes)
    )


def _missing(pool: seen.Pool) -> tuple[Machine, ...]:
    """Machines that are declared and not there; those that leave count for none."""
    there = sum(one.state not in ("leaving", "terminated") for one in pool.machines)
    return (Machine(state="missing"),) * (pool.count - there)


@dataclass(frozen=True)
class Cell:
    """A pool's machines in one zone, as they are drawn: some of them by themselves, the others as a number."""

    zone: str
    machines: tuple[Machine, ...]
    more: str = ""


MOST = 6
"""Machines of one pool that are drawn in a zone before the usual ones become a number."""


def cells(pool: Pool, zones: Sequence[str]) -> tuple[Cell, ...]:
    """The pool's machines by zone; those in none come last, where there are any or no zones at all."""
    found = []
    for zone in (*zones, ""):
        mine = [machine for machine in pool.machines if machine.zone == zone]
        if zone or mine or not zones:
            shown = mine if len(mine) <= MOST else [one for one in mine if one.notable][: MOST - 1]
            found.append(Cell(zone, tuple(shown), _summed([one for one in mine if one not in shown], bool(shown))))
    return tuple(found)


def _summed(machines: Sequence[Machine], beside: bool) -> str:
    """`180 healthy, 8 draining`; "" for none. beside: others of the same are drawn."""
    states = Counter("draining" if one.draining else one.state for one in machines)
    parts = [f"{count} {'machines' if state == 'declared' else state}" for state, count in states.most_common()]
    return f"{'and ' if beside else ''}{', '.join(parts)}" if parts else ""


def title(topology: Topology) -> str:
    """The cluster's name, its platform and its datacenter."""
    return " · ".join(filter(None, (topology.name, topology.platform, topology.datacenter)))


def releases(topology: Topology) -> str:
    """The declared releases of the three products."""
    return " · ".join(f"{product} {topology.versions[product]}" for product in SIGNED if product in topology.versions)


def heading(pool: Pool) -> str:
    """A pool's name, its declared number and what else is declared of its size."""
    word = "server" if pool.role == "server" else "client"
    size = f"{pool.count} {word}{'' if pool.count == 1 else 's'}"
    return " · ".join(filter(None, ("" if pool.name == word else pool.name, size, pool.note)))


def told(machine: Machine) -> str:
    """What is said of a machine's state beside its name; "" where there is nothing to say."""
    state: str = "draining" if machine.draining else machine.state
    if state == "healthy":
        state = "ineligible" if not machine.eligible else "outdated" if machine.outdated else ""
    work = f"{machine.work} allocation{'' if machine.work == 1 else 's'}" if machine.draining and machine.work else ""
    return ", ".join(filter(None, ("" if state == "declared" else state, work)))


def others(machine: Machine, topology: Topology) -> str:
    """The releases that a machine runs and that are not the declared ones."""
    declared = topology.versions
    return ", ".join(f"{name} {version}" for name, version in machine.versions.items() if version != declared.get(name))

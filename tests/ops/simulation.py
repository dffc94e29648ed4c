"""A cluster whose machines, products and time are simulated: hours of a rollout pass in milliseconds.

Each fake answers as the real one does where the rollout asks it, and does what it is told to after as long as it takes
there. What is promised to hold all the time is looked at after each change: see `Simulation.invariants`.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, cast

from hashistack.ops.api.attempts import Attempt, parent
from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.connection import Connection, Endpoint, Pool
from hashistack.ops.api.consul import MachineHealth
from hashistack.ops.api.http import ApiError
from hashistack.ops.api.lock import Lock, Locked
from hashistack.ops.api.nodes import Node
from hashistack.ops.api.placed import Placed
from hashistack.ops.api.policy import Policy
from hashistack.ops.api.raft import Peer, Raft
from hashistack.ops.rollout.clock import Clock
from hashistack.ops.rollout.driver import DriverFailed, Instance
from hashistack.ops.rollout.events import Event
from hashistack.ops.rollout.executor import Outcome, Rollout

OLD, NEW = "3f2a" + "0" * 60, "91bc" + "0" * 60
PRODUCTS = ("nomad", "consul", "vault")
EPOCH = 1_700_000_000.0
BOOT, VOTE, LEAVE, MOVE = 15.0, 10.0, 8.0, 4.0
"""Seconds: start to service, service to a server's vote, to leave, and to move an allocation."""
MISSED = 40.0
"""Seconds until who vanished is missed by gossip and heartbeats."""
PATIENCE = 4 * 3600.0
"""No roll of so few machines takes longer."""
LOOPING = 30.0
"""Seconds until Nomad calls unhealthy what does not stay up."""
IDLE_STEP = 5.0
"""How far time moves in one wait while nothing is due."""
Kind = Literal["service", "batch", "system"]


class Killed(BaseException):
    """The process that rolled was killed here: nothing of it is tidied up."""


class SimulatedClock(Clock):
    """Time moves when somebody waits: to the next thing that is due."""

    def __init__(self) -> None:
        self.time = self.most = 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def now(self) -> float:
        return EPOCH + self.time

    def monotonic(self) -> float:
        return self.time

    def wait(self, event: threading.Event, seconds: float) -> bool:
        assert self.time < self.most + PATIENCE, "this never ends"
        if not event.is_set():
            following = self._due[0][0] if self._due else self.time + IDLE_STEP
            self.pass_until(max(self.time + seconds, min(following, self.time + IDLE_STEP)))
        return event.is_set()

    def after(self, seconds: float, happens: Callable[[], None]) -> None:
        heapq.heappush(self._due, (self.time + seconds, next(self._order), happens))

    def pass_until(self, moment: float) -> None:
        while self._due and self._due[0][0] <= moment:
            at, _, happens = heapq.heappop(self._due)
            self.time = max(self.time, at)
            happens()
        self.time = moment


@dataclass
class Box:
    """One machine. serves: it has come up and is well. peer: who still counts it in Raft, and who votes."""

    name: str
    pool: str
    bundle: str
    started: float
    state: Literal["running", "leaving", "stopped", "terminated"] = "running"
    serves: bool = False
    eligible: bool = True
    draining: bool = False


@dataclass
class Work:
    """A job with one group. comes_up: whether an allocation comes up on a machine."""

    name: str
    count: int = 1
    kind: Kind = "service"
    namespace: str = "default"
    comes_up: Callable[[Box], bool] = lambda box: True
    loops: Callable[[Box], bool] = lambda box: False
    """Ends by itself and is started again where it is, on and on."""
    again: bool = True
    """Nomad tries once more after each failure."""
    version: int = 0
    node_pool: str = "default"
    writes: bool = False
    """Whether it writes to a host volume."""


@dataclass
class Simulation:
    """The whole: `Simulation().roll()`. Its parts are public, so that a test breaks what it wants to."""

    servers: int = 3
    clients: int = 3
    wanted_servers: int = 0
    wanted_clients: int = 0
    policy: Policy = field(default_factory=lambda: Policy(min_healthy_time=10, drain_deadline=600))
    boot_seconds: float = 120.0
    leave_seconds: float = 60.0
    boots: Callable[[Box], bool] = lambda box: True
    leaves: Callable[[Box], bool] = lambda box: True
    scaled: int = 0
    """What an autoscaler has made of the clients' pool."""
    ensured: int = 0
    """How often the APIs' address was brought back."""
    jobs: list[Work] = field(default_factory=list)
    bundle: str = NEW
    """The declared one."""
    node_pool: str = "default"
    """Of the clients that are there. The declared one is `default`."""

    def __post_init__(self) -> None:
        self.clock = SimulatedClock()
        self.clock.time = self.clock.most = 10_000.0
        self.boxes: dict[str, Box] = {}
        self.nodes: dict[str, Box] = {}
        """What Nomad lists, by node id; machines that are no more stay until they are purged."""
        self.down: set[str] = set()
        self.voters: dict[str, list[str]] = {product: [] for product in PRODUCTS}
        self.leaders: dict[str, str] = {}
        self.catalog: dict[str, str] = {}
        self.allocations: list[Placed] = []
        self.ever: dict[str, Placed] = {}
        """Allocations of now and of the past, as they were last."""
        self.next: dict[str, str] = {}
        """An allocation's successor after a drain."""
        self.quorum: dict[str, int] = {}
        self.done: list[str] = []
        """Every change that was asked for, in order."""
        self.silent: set[str] = set()
        self.kill_at = 0
        """The number of the change in whose place the rolling process is killed; 0 is never."""
        self.cancelled = threading.Event()
        self.lock_lost = threading.Event()
        self.lock_holder = ""
        self.told: list[Event] = []
        self._numbers = itertools.count(1)
        for pool, count in (("server", self.servers), ("web", self.clients)):
            for _ in range(count):
                self.start(pool, OLD, at_once=True)
        for product, leader in zip(PRODUCTS, itertools.cycle(self.voters["nomad"]), strict=False):
            self.leaders[product] = leader
        for job in self.jobs:
            self.deploy(job)
        self.fails: dict[str, Callable[[], None]] = {}
        """What happens in place of a change, by its verb."""

    # What a test does to it

    def deploy(self, job: Work) -> None:
        """Place what of a job is not placed yet."""
        if job not in self.jobs:
            self.jobs.append(job)
        there = {one.name for one in self.allocations if not one.over and one.job == job.name}
        for index in range(job.count):
            if (name := f"{job.name}.{job.name}[{index}]") not in there:
                self.place(job, name)

    def redeploy(self, job: Work) -> None:
        """Another version: each allocation is placed anew, where there is an eligible machine."""
        job.version += 1
        self.allocations = [one for one in self.allocations if one.job != job.name]
        self.deploy(job)

    def lose(self, name: str) -> None:
        """A machine vanishes: nobody was told."""
        self._vanish(self.boxes.pop(name))

    def stop(self, name: str) -> None:
        """A machine stops, and is still there."""
        self.boxes[name].state = "terminated"
        self._vanish(self.boxes[name])

    def later(self, seconds: float, happens: Callable[[], None]) -> None:
        self.clock.after(seconds, happens)

    # What is asked about it

    def named(self, pool: str, bundle: str = "") -> list[str]:
        return [one.name for one in self.boxes.values() if one.pool == pool and bundle in ("", one.bundle)]

    def serving(self, job: str) -> list[Placed]:
        return [one for one in self.allocations if one.job == job and one.healthy and not one.over]

    def rollout(self, *, roll: bool = True, snapshots: Path | None = None, **options: Any) -> Rollout:
        return Rollout(
            cast(Cluster, self),
            self,
            roll=roll,
            tell=self.told.append,
            snapshots=snapshots,
            cancelled=self.cancelled,
            clock=self.clock,
            lock=self._lock(),
            **options,
        )

    def roll(self, **options: Any) -> Outcome:
        return self.rollout(**options).run()

    def invariants(self) -> None:
        """A roll of what is well never breaks a quorum, and never has fewer clients than its policy allows."""
        if self.servers >= 3:
            for product in PRODUCTS:
                alive = [name for name in self.voters[product] if self._well(name)]
                assert len(alive) > len(self.voters[product]) // 2, f"{product} has lost its quorum"

    # Cluster

    @property
    def connection(self) -> Connection:
        nowhere = Endpoint(("https://127.0.0.1:1",), "")
        pools = (
            Pool("server", "server", self.wanted_servers or self.servers, self.bundle, self.policy),
            Pool("web", "client", self.wanted_clients or self.clients, self.bundle, self.policy),
        )
        texts = ("simulated", "local", "dc1", "global", "", "", "")
        return Connection(*texts, nomad=nowhere, consul=nowhere, vault=nowhere, pools=pools)

    @property
    def nomad(self) -> Nomad:
        return Nomad(self)

    @property
    def consul(self) -> Consul:
        return Consul(self)

    @property
    def vault(self) -> Vault:
        return Vault(self)

    def raft(self, product: str) -> Raft:
        self.answer(product)
        leader = self.leaders.get(product, "")
        peers = tuple(Peer(name, True, name == leader, f"id-of-{name}") for name in self.voters[product])
        return Raft(peers, tuple(name for name in self.voters[product] if not self._well(name)))

    def answer(self, product: str) -> None:
        """Raises ApiError while the product is silent."""
        if product in self.silent:
            raise ApiError(product, "GET", "/v1/x", None, "connection refused")

    # PoolDriver

    def instances(self) -> tuple[Instance, ...]:
        now = self.clock.time
        return tuple(Instance(b.name, b.pool, b.bundle, b.state, now - b.started) for b in self.boxes.values())

    def size(self, pool: Pool) -> int:
        return max(pool.count, self.scaled) if pool.role == "client" else pool.count

    def check(self, pool: str) -> None:
        if "check" in self.fails:
            self.fails["check"]()

    def ensure_api(self) -> None:
        self.ensured += 1

    def grow(self, pool: str, count: int) -> tuple[str, ...]:
        self.change("grow", f"{pool} {count}")
        return tuple(self.start(pool, self.bundle).name for _ in range(count))

    def terminate(self, names: Sequence[str]) -> None:
        for name in names:
            self.change("terminate", name)
            box = self.boxes[name]
            if box.state == "running":
                box.state, box.eligible, box.draining = "leaving", False, box.pool == "web"
                self.move(box)
                if self.leaves(box):
                    self.clock.after(LEAVE / 2, lambda name=name: self._left(name))
                    self.clock.after(LEAVE, lambda name=name: self.boxes.pop(name, None))

    def discard(self, names: Sequence[str]) -> None:
        for name in names:
            self.change("discard", name)
            if box := self.boxes.pop(name, None):
                self._vanish(box)

    def vault_init(self) -> str:
        return ""

    def keep_vault_init(self, document: str) -> None:
        raise AssertionError

    def evidence(self, name: str) -> str:
        return f"the last words of {name}"

    # How it lives

    def change(self, verb: str, what: str) -> None:
        """Somebody asks for a change: it is kept, and may be the one at which the process is killed or refused."""
        if self.kill_at and len(self.done) + 1 == self.kill_at:
            raise Killed
        self.done.append(f"{verb} {what}")
        if verb in self.fails:
            self.fails[verb]()
        self.invariants()

    def start(self, pool: str, bundle: str, at_once: bool = False) -> Box:
        name = f"{pool}-{next(self._numbers)}"
        box = Box(name, pool, bundle, self.clock.time - (1000 if at_once else 0))
        self.boxes[name] = box
        if at_once:
            self._up(name)
            self._votes(name)
        elif self.boots(box):
            self.clock.after(BOOT, lambda: self._up(name))
            self.clock.after(BOOT + VOTE, lambda: self._votes(name))
        return box

    def place(self, job: Work, name: str, takes: Sequence[Box] = ()) -> Placed | None:
        """An allocation on the machine with the fewest; None while there is no machine for it."""
        able = [b for b in self.boxes.values() if b.pool == "web" and self._ready(b) and b.eligible]
        if not able:
            self.clock.after(MOVE, lambda: self._place_again(job, name))
            return None
        load = [one.node for one in self.allocations if not one.over]
        box = min(able, key=lambda b: load.count(b.name))
        number = next(self._numbers)
        made = Placed(
            id=f"allocation-{number}", name=name, node=box.name, namespace=job.namespace, job=job.name, kind=job.kind,
            status="running", over=False, healthy=None, created=self.clock.now(), changed=self.clock.now(),
            version=job.version,
        )  # fmt: skip
        self.allocations.append(made)
        self.ever[made.id] = made
        self.clock.after(MOVE, lambda: self._decide(job, made.id))
        return made

    def update(self, id: str, **changed: Any) -> Placed | None:
        for index, one in enumerate(self.allocations):
            if one.id == id:
                self.ever[id] = self.allocations[index] = replace(one, changed=self.clock.now(), **changed)
                return self.allocations[index]
        return None

    def move(self, box: Box) -> None:
        """A drain that is under way: each allocation is placed elsewhere and ends here once its successor is well."""
        if not box.draining:
            return
        here = [one for one in self.allocations if one.node == box.name and one.moves]
        for one in here:
            job = next(job for job in self.jobs if job.name == one.job)
            if job.kind == "batch":
                continue  # it is waited for
            if one.id not in self.next and (made := self.place(job, one.name)):
                self.next[one.id] = made.id
            heirs = [n for n in self.allocations if n.name == one.name and n.created >= one.created and n is not one]
            # As Nomad does: once its health is decided, either way.
            if any(heir.healthy is not None and not heir.over for heir in heirs):
                self.allocations.remove(one)
        if any(one.node == box.name and one.moves for one in self.allocations):
            self.clock.after(1, lambda: self.move(box))
        else:
            box.draining = False

    def force(self, box: Box) -> None:
        """A drain's deadline: what is left is stopped."""
        if box.draining:
            self.allocations = [one for one in self.allocations if one.node != box.name or not one.moves]

    def _place_again(self, job: Work, name: str) -> None:
        if not any(one.name == name and not one.over for one in self.allocations):
            self.place(job, name)

    def _decide(self, job: Work, id: str) -> None:
        """An allocation has come up, or has failed; then Nomad tries again."""
        one = next((one for one in self.allocations if one.id == id), None)
        if one is None or one.node not in self.boxes:
            return
        box = self.boxes[one.node]
        if job.loops(box):
            self.clock.after(LOOPING, lambda: self.update(id, healthy=False))
            return
        if job.comes_up(box):
            self.update(id, healthy=True if job.kind == "service" else None)
            return
        self.update(id, status="failed", over=True, healthy=False if job.kind == "service" else None, again=job.again)
        if job.again:
            self.clock.after(MOVE, lambda: self.place(job, one.name))

    def _up(self, name: str) -> None:
        if (box := self.boxes.get(name)) and box.state == "running":
            box.serves = True
            self.catalog[name] = box.pool
            if box.pool == "web":
                self.nodes[f"node-of-{name}"] = box

    def _votes(self, name: str) -> None:
        box = self.boxes.get(name)
        if box and box.pool == "server" and box.state == "running" and box.serves:
            for product in PRODUCTS:
                self.voters[product].append(name)
            self._elect()

    def _left(self, name: str) -> None:
        """It has left in good order: nobody lists it any more."""
        for product in PRODUCTS:
            if name in self.voters[product]:
                self.voters[product].remove(name)
        self.catalog.pop(name, None)
        self.nodes.pop(f"node-of-{name}", None)
        self._lose_work(name)
        self._elect()

    def _vanish(self, box: Box) -> None:
        box.serves = False
        self._elect()
        self.clock.after(MISSED, lambda: self._miss(box))

    def _miss(self, box: Box) -> None:
        self.down.add(box.name)
        self._lose_work(box.name)

    def _lose_work(self, name: str) -> None:
        """What still was there is placed elsewhere, where nothing has taken its place yet."""
        lost = [one for one in self.allocations if one.node == name]
        self.allocations = [one for one in self.allocations if one.node != name]
        for one in lost:
            if not one.over:
                self._place_again(next(job for job in self.jobs if job.name == one.job), one.name)

    def _elect(self) -> None:
        for product in PRODUCTS:
            if not self._well(self.leaders.get(product, "")):
                heirs = [name for name in self.voters[product] if self._well(name)]
                self.leaders[product] = heirs[0] if heirs else ""

    def _well(self, name: str) -> bool:
        box = self.boxes.get(name)
        return (
            box is not None
            and box.state != "terminated"
            and box.serves
            and any(name in v for v in self.voters.values())
        )

    def _ready(self, box: Box) -> bool:
        return box.serves and box.state != "terminated"

    def _lock(self) -> type[Lock]:
        simulation = self

        class Simulated:
            lost = simulation.lock_lost

            def __init__(self, nomad: object, purpose: str) -> None:
                pass

            def __enter__(self) -> Simulated:
                if simulation.lock_holder:
                    raise Locked(f"the cluster's machines are being changed: {simulation.lock_holder}")
                simulation.lock_holder = "this one"
                return self

            def __exit__(self, *what: object) -> None:
                simulation.lock_holder = ""

        return cast(type[Lock], Simulated)


class Nomad:
    """What the rollout asks of Nomad."""

    api = None

    def __init__(self, simulation: Simulation) -> None:
        self._all = simulation

    def raft(self) -> Raft:
        return self._all.raft("nomad")

    def nodes(self) -> tuple[Node, ...]:
        self._all.answer("nomad")
        return tuple(
            Node(id, b.name, self._all.node_pool, b.pool,
                 "ready" if b.serves else "down" if b.name in self._all.down else "ready", b.eligible, b.draining)
            for id, b in self._all.nodes.items()
        )  # fmt: skip

    def node_pools(self) -> dict[tuple[str, str], str]:
        self._all.answer("nomad")
        return {(job.namespace, job.name): job.node_pool for job in self._all.jobs}

    def writers(self) -> frozenset[tuple[str, str]]:
        self._all.answer("nomad")
        return frozenset((job.namespace, job.name) for job in self._all.jobs if job.writes)

    def host_volumes(self) -> dict[str, tuple[str, ...]]:
        self._all.answer("nomad")
        return {}

    def placed(self) -> Iterator[Placed]:
        self._all.answer("nomad")
        return iter(tuple(self._all.allocations))

    def successors(self, node: Node) -> frozenset[str]:
        return frozenset(new for old, new in self._all.next.items() if self._all.ever[old].node == node.name)

    def history(self, namespace: str, job: str) -> tuple[Attempt, ...]:
        self._all.answer("nomad")
        found = [
            one for one in self._all.ever.values() if one.namespace == namespace and parent(one.job) == parent(job)
        ]
        return tuple(self._attempt(one) for one in reversed(found))

    def restarted(self) -> Iterator[Attempt]:
        self._all.answer("nomad")
        return (one for one in map(self._attempt, self._all.allocations) if one.restarts)

    def _attempt(self, one: Placed) -> Attempt:
        job, box = next(job for job in self._all.jobs if job.name == one.job), self._all.boxes.get(one.node)
        now = self._all.clock.now()
        restarts = tuple(now - ago for ago in (60, 40, 20)) if box and job.loops(box) else ()
        texts = (one.id, one.name, one.node, one.job, one.kind)
        return Attempt(*texts, one.version, one.status, one.healthy, one.created, restarts)

    def set_eligible(self, node: Node, eligible: bool) -> None:
        self._all.change("open" if eligible else "cordon", node.name)
        self._all.nodes[node.id].eligible = eligible

    def drain(self, node: Node, deadline: float) -> None:
        self._all.change("drain", node.name)
        box = self._all.nodes[node.id]
        box.draining, box.eligible = True, False
        self._all.move(box)
        self._all.clock.after(deadline, lambda: self._all.force(box))

    def undrain(self, node: Node) -> None:
        self._all.change("undrain", node.name)
        box = self._all.nodes[node.id]
        box.draining, box.eligible = False, True

    def purge(self, node: Node) -> None:
        self._all.change("purge", node.name)
        self._all.nodes.pop(node.id, None)

    def forget_server(self, name: str) -> None:
        self._all.change("forget-nomad", name)
        self._all.voters["nomad"].remove(name)

    def transfer_leadership(self, peer: Peer) -> None:
        self._all.change("transfer-nomad", peer.name)
        self._all.leaders["nomad"] = peer.name


class Consul:
    """What the rollout asks of Consul."""

    def __init__(self, simulation: Simulation) -> None:
        self._all = simulation

    def raft(self) -> Raft:
        return self._all.raft("consul")

    def machines(self) -> dict[str, str]:
        self._all.answer("consul")
        return dict(self._all.catalog)

    def machine_health(self) -> tuple[MachineHealth, ...]:
        self._all.answer("consul")
        return tuple(map(self._health, self._all.catalog))

    def set_quorum(self, voters: int) -> None:
        self._all.quorum["consul"] = voters

    def transfer_leadership(self, peer: Peer) -> None:
        self._all.change("transfer-consul", peer.name)
        self._all.leaders["consul"] = peer.name

    def forget(self, name: str) -> None:
        self._all.change("forget-consul", name)
        self._all.catalog.pop(name, None)
        if name in self._all.voters["consul"]:
            self._all.voters["consul"].remove(name)

    def _health(self, name: str) -> MachineHealth:
        box = self._all.boxes.get(name)
        if box is None or not box.serves:
            return MachineHealth(name, "critical" if box or name in self._all.down else "passing", "")
        if box.state == "leaving":
            return MachineHealth(name, "critical", '{"ok":false,"checks":{"nomad":"leaving"}}')
        return MachineHealth(name, "passing", "{}")


class Vault:
    """What the rollout asks of Vault."""

    def __init__(self, simulation: Simulation) -> None:
        self._all = simulation

    def raft(self) -> Raft:
        return self._all.raft("vault")

    def set_quorum(self, servers: int) -> None:
        self._all.quorum["vault"] = servers

    def forget(self, name: str) -> None:
        self._all.change("forget-vault", name)
        self._all.voters["vault"].remove(name)


@contextmanager
def refused(simulation: Simulation, verb: str) -> Iterator[None]:
    """The platform refuses a change."""

    def refuse() -> None:
        raise DriverFailed(f"the platform refuses to {verb}. Next: ask it why")

    simulation.fails[verb] = refuse
    yield
    del simulation.fails[verb]

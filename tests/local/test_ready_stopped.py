"""What LocalReady does about machines that do not run: starts them, or says that all is lost."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from hashistack.local.handlers import ready
from hashistack.local.machines import Machine
from hashistack.provider.handler import BEGAN, UNKNOWN, Context, Props, ResourceFailed

SITE = "shop-1a2b"
POOLS = [{"name": "server", "count": 3, "bundle": "b1"}, {"name": "web", "count": 2, "bundle": "b2"}]
NEWS: Props = {
    "site": SITE,
    "connection": json.dumps({"name": SITE, "pools": POOLS}),
    "rollout": "up",
    "wait": "full",
    "keep_on_failure": False,
}


def machine(name: str, state: str = "exited", created: float = BEGAN) -> Machine:
    return Machine(name, name, name.rpartition("-")[0], 0, state, "b1", int(created), "10.213.0.9")


SERVERS = [machine(f"server-{number}") for number in (1, 2, 3)]
CLIENTS = [machine(f"web-{number}") for number in (1, 2)]


class World:
    """A Docker with these machines, and what was asked of it."""

    def __init__(self) -> None:
        self.there: list[Machine] = []
        self.started: list[str] = []
        self.waited: list[bool] = []
        self.said: list[str] = []

    @property
    def context(self) -> Context:
        return Context(log=lambda severity, text: self.said.append(f"{severity}: {text}"))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    lives = {"exited": "stopped", "created": "terminated", "left": "terminated"}

    def listed(api: object, site: str, pool: str = "") -> list[Machine]:
        assert site == SITE
        return [one for one in world.there if pool in ("", one.pool)]

    def start(client: object, site: str, found: list[Machine]) -> None:
        world.started += [one.name for one in found]

    monkeypatch.setattr(ready, "engine", lambda: SimpleNamespace(api=None))
    monkeypatch.setattr(ready.machines, "listed", listed)
    monkeypatch.setattr(ready.power, "life", lambda client, one: lives.get(one.state, one.state))
    monkeypatch.setattr(ready.power, "start", start)
    monkeypatch.setattr(ready, "_as_declared", lambda news: False)
    monkeypatch.setattr(ready, "_outputs", lambda connection: {})
    monkeypatch.setattr(ready.ReadyHandler, "_wait", lambda self, ctx, news, kept: world.waited.append(kept))
    return world


def _foretold(world: World) -> list[str]:
    """What a preview says of a cluster whose pools have yet to say what they start."""
    diff = ready.ReadyHandler().diff(world.context, SITE, {}, {**NEWS, "started": UNKNOWN})
    assert diff.update == ("connection",)
    return world.said


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ([*SERVERS, *CLIENTS], ["info: 5 stopped machines will be started, with their data"]),
        ([*SERVERS[:2], machine("server-3", "running")], ["info: 2 stopped machines will be started, with their data"]),
        ([machine("server-1", "running"), CLIENTS[0]], ["info: 1 stopped machine will be started, with their data"]),
        ([machine("server-1", "running"), machine("web-1", "left")], []),
    ],
)
def test_a_preview_says_how_many_will_be_started(world: World, there: list[Machine], said: list[str]) -> None:
    world.there = there
    assert _foretold(world) == said


@pytest.mark.parametrize("there", [[], CLIENTS, [machine("server-1", "created")], [machine("server-1", "left")]])
def test_the_loss_of_all_servers_is_no_success(world: World, there: list[Machine]) -> None:
    world.there = there
    assert any("warning: shop-1a2b has no server any more" in text for text in _foretold(world))
    with pytest.raises(ResourceFailed) as failed:
        ready.ReadyHandler().update(world.context, SITE, {}, NEWS)
    for words in ("hashistack up --yes", "hashistack snapshot restore FILE", "hashistack down"):
        assert words in str(failed.value)
    assert f"HASHISTACK_START_ANEW={SITE} pulumi up" in str(failed.value)
    assert (world.started, world.waited) == ([], [])


def test_one_server_that_is_stopped_is_no_loss(world: World) -> None:
    world.there = SERVERS[:1]
    ready.ReadyHandler().update(world.context, SITE, {}, NEWS)
    assert world.waited == [True]


def test_after_a_create_that_failed_the_new_servers_are_started(world: World) -> None:
    """Their pools made them, and did not know that nothing was lost."""
    world.there = [machine(f"server-{number}", "created") for number in (1, 2, 3)]
    ready.ReadyHandler().create(world.context, NEWS)
    assert world.started == ["server-1", "server-2", "server-3"]


@pytest.mark.parametrize(
    ("age", "keep", "kept"), [(0, False, False), (0, True, True), (ready.CLOCKS_SECONDS + 60, False, True)]
)
def test_a_create_that_fails_removes_only_what_this_up_has_made(
    world: World, age: float, keep: bool, kept: bool
) -> None:
    """Whatever the state says: a cluster that was there before may have been in use."""
    world.there = [machine("server-1", "running", BEGAN - age), machine("web-1", "running")]
    ready.ReadyHandler().create(world.context, {**NEWS, "keep_on_failure": keep})
    assert world.waited == [kept]

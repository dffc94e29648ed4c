"""A cluster that is followed: what is told of it, how far each pool is, and how `status --watch` shows that."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from hashistack.cli import watch
from hashistack.cli.output import Output
from hashistack.ops.api.http import ApiError
from hashistack.ops.api.raft import Peer, Raft
from hashistack.ops.rollout.driver import DriverFailed
from hashistack.ops.rollout.event_log import EventLog
from hashistack.ops.rollout.events import Event, MachineEvent, ResultEvent, RolloutEvent, StepEvent
from hashistack.ops.rollout.fleet import Fleet, Machine, Pool
from hashistack.ops.rollout.follow import Follower, Progress
from hashistack.ops.rollout.observer import Observation

BUNDLES = {"server": "s1", "web": "w1"}


def seen(*web: Machine, leader: str = "server-1") -> Observation:
    servers = Pool("server", "server", 1, "s1", machines=(Machine("server-1", "s1"),))
    raft = Raft((Peer(leader, True, True),))
    return Observation(Fleet((servers, Pool("web", "client", 2, "w1", machines=web))), rafts={"nomad": raft})


OLD = (Machine("web-1", "w1"), Machine("web-2", "w1"))
ROLLING = (Machine("web-1", "w1", draining=True), Machine("web-2", "w1"), Machine("web-3", "w2", "booting"))
ROLLED = (Machine("web-3", "w2"), Machine("web-4", "w2"))


def followed(project: Path, looks: Sequence[Observation | Exception]) -> Follower:
    script = iter(looks)

    def observe() -> Observation:
        if isinstance(one := next(script), Exception):
            raise one
        return one

    return Follower(observe, "shop-1f", BUNDLES, project)


def told(events: Sequence[Event]) -> list[str]:
    return [line for event in events for line in watch.lines(event)]


def test_each_change_is_told_once(tmp_path: Path) -> None:
    follower = followed(tmp_path, [seen(*OLD), seen(*OLD), seen(*ROLLING), seen(*ROLLED, leader="server-2")])
    assert told(follower.look()) == [
        "server-1 (server) is voter",
        "web-1 (web) is healthy",
        "web-2 (web) is healthy",
        "server-1 leads nomad",
    ]
    assert follower.look() == []
    assert told(follower.look()) == ["web-1 (web) is draining", "web-3 (web) is booting"]
    assert sorted(told(follower.look())) == [
        "server-2 leads nomad",
        "web-1 (web) is gone",
        "web-2 (web) is gone",
        "web-3 (web) is healthy",
        "web-4 (web) is healthy",
    ]


def test_how_far_a_pool_is_follows_what_the_rollout_declares(tmp_path: Path) -> None:
    follower = followed(tmp_path, [seen(*OLD), seen(*ROLLING), seen(*ROLLED)])
    follower.look()
    assert [one.done for one in follower.progress()] == [True, True]
    # The stack was watched before its `up`: only the rollout says what is declared now.
    EventLog(tmp_path).write(RolloutEvent(1.0, "shop-1f", bundles={"web": "w2"}))
    follower.look()
    assert follower.progress()[1] == Progress("web", 2, 0, {"draining": 1, "healthy": 1, "booting": 1})
    follower.look()
    assert follower.progress()[1] == Progress("web", 2, 2, {})


def test_what_a_rollout_tells_is_read_as_its_file_grows(tmp_path: Path) -> None:
    follower, log = followed(tmp_path, [seen(*OLD)] * 4), EventLog(tmp_path)
    log.write(RolloutEvent(1.0, "shop-1f", ("replace web",)))
    log.write(MachineEvent(2.0, "web-9", "web", "booting"))  # a look of our own sees machines
    log.write(StepEvent(3.0, "drain web-1", "begun"))
    assert told(follower.look())[:3] == ["a rollout begins", "  replace web", "  drain web-1: begun"]
    with log.path.open("a") as half:
        half.write('{"event": "step", "at": 4.0, "text": "drain web-1", "sta')
        half.flush()
        assert follower.look() == []
        half.write('te": "done", "seconds": 8.0}\n{"event": "of a later release"}\nnonsense\n')
    assert told(follower.look()) == ["  drain web-1: done, 8.0 s"]
    log.write(ResultEvent(5.0, False, "web-2 is stuck", 9.0))
    assert told(follower.look()) == ["the rollout has failed: web-2 is stuck"]


def test_another_clusters_rollout_is_not_ours(tmp_path: Path) -> None:
    follower, log = followed(tmp_path, [seen(*OLD)]), EventLog(tmp_path)
    log.write(RolloutEvent(1.0, "other-2e", bundles={"web": "w9"}))
    log.write(StepEvent(3.0, "drain web-1", "begun"))
    assert {type(event).__name__ for event in follower.look()} == {"MachineEvent", "LeaderEvent"}
    assert all(one.done for one in follower.progress())


@pytest.mark.parametrize(
    "error", [ApiError("nomad", "GET", "/v1/status/leader", 500, "no leader"), DriverFailed("no daemon", "start it")]
)
def test_an_election_or_a_platform_that_is_away_ends_nothing(tmp_path: Path, error: Exception) -> None:
    follower = followed(tmp_path, [seen(*OLD), error, seen(*OLD)])
    follower.look()
    assert (follower.look(), follower.look()) == ([], [])
    assert [one.pool for one in follower.progress()] == ["server", "web"]


def test_without_the_platforms_sdk_the_rollouts_own_events_are_left(tmp_path: Path) -> None:
    follower = Follower(None, "shop-1f", BUNDLES, tmp_path)
    EventLog(tmp_path).write(RolloutEvent(1.0, "shop-1f"))
    assert told(follower.look()) == ["a rollout begins"]
    assert follower.progress() == []


STATUS: dict[str, Any] = {
    "cluster": "shop-1f",
    "provider": "local",
    "datacenter": "dc1",
    "healthy": True,
    "machines": [],
    "can_lose": {},
    "certificate_days": 300,
    "snapshot_told": "1 min ago",
    "releases": [],
    "problems": [],
}
LONG = f"web-1: no answer {'x' * 200}"
ILL = {**STATUS, "healthy": False, "problems": [LONG]}


class Over(Exception):
    """The user has seen enough."""


def shown(tmp_path: Path, output: Output, terminal: bool, *, looks: Sequence[dict[str, Any]]) -> str:
    follower = followed(tmp_path, [seen(*OLD), seen(*OLD), seen(*ROLLING), seen(*ROLLED), seen(*ROLLED)])
    EventLog(tmp_path).write(RolloutEvent(1.0, "shop-1f", bundles={"web": "w2"}))
    screen = Console(width=100, file=StringIO(), force_terminal=terminal, color_system=None)
    script, left = iter(looks), [*looks]

    def sleep(seconds: float) -> None:
        assert seconds == watch.SECONDS
        left.pop()
        if not left:
            raise Over

    with pytest.raises(Over):
        watch.follow(lambda: next(script), follower, output, screen, sleep)
    assert isinstance(screen.file, StringIO)
    return screen.file.getvalue()


def test_a_terminal_sees_how_far_each_pool_is_and_the_last_changes(tmp_path: Path) -> None:
    said = shown(tmp_path, Output.TEXT, True, looks=[STATUS, ILL, STATUS])
    assert "web          [....................] 0 of 2 as declared; 1 draining, 1 older, 1 booting" in said
    assert "server       [####################] 1 of 1 as declared" in said
    assert "web-1 (web) is draining" in said
    last = said.rpartition("shop-1f  local  dc1")[2]
    assert "as declared" not in last  # nothing is left to do
    assert "web-4 (web) is healthy" in last


def test_without_a_terminal_it_is_a_line_for_each_change(tmp_path: Path) -> None:
    said = shown(tmp_path, Output.TEXT, False, looks=[STATUS, ILL, ILL, STATUS, STATUS])
    assert said.startswith("shop-1f  local  dc1  healthy")
    changes = [line[10:] for line in said.splitlines() if line[2:3] == ":"]
    assert changes[0] == f"! {LONG}", "a line stays one"
    assert {"web-1 (web) is draining", "web-2 (web) is gone", "the cluster is healthy"} <= {*changes}
    assert len(changes) == len({*changes})


def test_for_programs_it_is_an_object_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown(tmp_path, Output.JSON, False, looks=[STATUS, {**STATUS, "snapshot_told": "2 min ago"}, ILL])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    kinds = [line["event"] for line in lines]
    assert kinds[:2] == ["status", "rollout"]
    assert kinds.count("status") == 2, "what merely grows older is no change"
    assert {
        "event": "machine",
        "at": lines[-1]["at"],
        "machine": "web-3",
        "pool": "web",
        "state": "booting",
    }.items() <= (lines[-1].items())


def test_of_many_changes_the_last_ones_are_shown() -> None:
    recent: Callable[[int], str] = "change {}".format
    screen = Console(width=100, file=StringIO())
    screen.print(watch.picture(STATUS, [], [recent(number) for number in range(watch.KEPT)]))
    assert isinstance(screen.file, StringIO)
    assert "change 0" in screen.file.getvalue()

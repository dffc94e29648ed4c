"""A cluster that is stopped is started as it is, before any lock can be taken; and what is said if that fails."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from hashistack.ops.api.connection import Pool
from hashistack.ops.api.http import ApiError
from hashistack.ops.rollout import stop
from hashistack.ops.rollout.driver import Instance

POOLS = (Pool("server", "server", 3), Pool("web", "client", 2))


class Platform:
    """Machines that do as they are told; it keeps what that was."""

    boot_seconds = 0.0
    leave_seconds = 0.0
    cannot_stop = ""

    def __init__(self, **states: str) -> None:
        self.states = {name.replace("_", "-"): state for name, state in states.items()}
        self.done: list[tuple[str, tuple[str, ...]]] = []

    def instances(self) -> tuple[Instance, ...]:
        return tuple(Instance(n, n.rpartition("-")[0], "b", s) for n, s in self.states.items())  # type: ignore[arg-type]

    def start(self, names: Sequence[str]) -> None:
        self.done.append(("start", tuple(names)))
        self.states.update(dict.fromkeys(names, "running"))

    def stop(self, names: Sequence[str]) -> None:
        self.done.append(("stop", tuple(names)))
        self.states.update(dict.fromkeys(names, "stopped"))

    def ensure_api(self) -> None: ...

    def evidence(self, name: str) -> str:
        return f"{name}: vault is sealed"


def cluster(answers: bool = True) -> Any:
    """A cluster whose Nomad answers, or does not."""

    def call(*said: Any, **given: Any) -> Any:
        if not answers:
            raise ApiError("nomad", "GET", "/v1/status/leader", None, "connection refused")
        return SimpleNamespace(status=200, data={"Lock": {"ID": "1"}})

    nomad = SimpleNamespace(raft=call, api=SimpleNamespace(call=call))
    connection = SimpleNamespace(name="shop", pools=POOLS, machines=lambda role: 3 if role == "server" else 2)
    return SimpleNamespace(nomad=nomad, connection=connection)


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def during(told: list[str]) -> Callable[[str, Callable[[], None]], None]:
    def during(text: str, work: Callable[[], None]) -> None:
        told.append(text)
        work()

    return during


def test_clients_stop_before_the_servers_and_what_is_down_already_is_left_alone(told: list[str], during: Any) -> None:
    platform = Platform(server_1="running", server_2="running", server_3="stopped", web_1="running", web_2="terminated")
    assert stop.stop(cluster(), platform, during) == ("server-1", "server-2", "web-1")
    assert platform.done == [("stop", ("web-1",)), ("stop", ("server-1", "server-2"))]
    assert told == ["stop 1 client", "stop 2 servers"]
    assert stop.stop(cluster(), platform, during) == ()


def test_a_cluster_without_a_leader_can_be_stopped_too(during: Any) -> None:
    platform = Platform(server_1="running")
    assert stop.stop(cluster(answers=False), platform, during) == ("server-1",)


def test_what_is_stopped_is_started_and_what_has_left_is_not(told: list[str], during: Any) -> None:
    platform = Platform(server_1="stopped", server_2="running", server_3="terminated", web_1="stopped", web_2="leaving")
    assert stop.wake(cluster(), platform, during) == ("server-1", "web-1")
    assert platform.done == [("start", ("server-1", "web-1"))]
    assert told == ["start again 2 stopped machines"]
    assert stop.wake(cluster(answers=False), platform, during) == (), "nothing was stopped, so nothing is waited for"


def test_one_that_does_not_answer_after_its_start_is_said_with_the_late_machines(during: Any) -> None:
    platform = Platform(server_1="stopped", server_2="stopped", server_3="stopped")
    with pytest.raises(stop.WakeFailed) as failed:
        stop.wake(cluster(answers=False), platform, during, threading.Event())
    said = str(failed.value).splitlines()
    assert said[0].startswith("3 machines started again, and Nomad does not answer: ")
    assert said[1:4] == [f"server-{number}: vault is sealed" for number in (1, 2, 3)]
    assert said[4:] == ["Nothing was removed.", "Next: mend what it says, then repeat"]


@pytest.mark.parametrize(
    ("states", "left"),
    [
        ({"server_1": "running", "server_2": "stopped"}, None),
        ({"server_1": "running", "server_2": "terminated", "server_3": "terminated"}, 1),
    ],
)
def test_servers_that_are_too_few_are_said_with_the_only_way_out(states: dict[str, str], left: int | None) -> None:
    said = stop.quorum_lost(cluster().connection, Platform(**states))
    if left is None:
        assert said is None
    else:
        assert str(said).startswith(f"{left} of 3 servers are left, which is no quorum")
        # `down` takes the secrets that open the archive: whoever begins with it has lost everything.
        way = str(said).partition("Next: ")[2]
        assert way.startswith(
            "remove the servers that are left, then hashistack up --yes, and hashistack snapshot restore FILE"
        )


def test_without_any_server_up_is_asked() -> None:
    said = stop.quorum_lost(cluster().connection, Platform(web_1="running"))
    assert str(said).startswith("No server is left. Next: hashistack up")


def test_a_machine_that_stops_again_and_again_ends_the_run_and_stays() -> None:
    platform = Platform(server_1="stopped")
    starts = Counter[str]()
    for _ in range(stop.STARTS):
        stop.start_again(platform, ("server-1",), starts)
    with pytest.raises(stop.WakeFailed, match=r"started 3 times and stopped again: server-1\. Nothing was removed"):
        stop.start_again(platform, ("server-1",), starts)
    assert platform.done == [("start", ("server-1",))] * stop.STARTS

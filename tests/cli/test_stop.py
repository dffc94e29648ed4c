"""`stop` and `start`, and what other commands say of a cluster that is stopped."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from hashistack.cli import stopped as drivers
from hashistack.cli.commands import stop as commands
from hashistack.cli.errors import Refusal
from hashistack.cli.output import Output, Show
from hashistack.cli.status import asleep, look, render
from hashistack.ops.api.connection import Pool
from hashistack.ops.api.http import ApiError
from hashistack.ops.readiness.checks import NotReady
from hashistack.ops.rollout.driver import Instance

POOLS = (Pool("server", "server", 1), Pool("web", "client", 1))
CONNECTION: Any = SimpleNamespace(
    name="shop-1a2b", provider="local", datacenter="dc1", pools=POOLS, versions={}, certificate_days=lambda: 300
)


class Platform:
    """One server and one client in these states."""

    def __init__(self, server: str, web: str, cannot_stop: str = "") -> None:
        self.states = {"server-1": server, "web-1": web}
        self.cannot_stop = cannot_stop
        self.done: list[tuple[str, tuple[str, ...]]] = []

    def instances(self) -> tuple[Instance, ...]:
        return tuple(Instance(n, n.rpartition("-")[0], "b", s) for n, s in self.states.items())  # type: ignore[arg-type]

    def start(self, names: Sequence[str]) -> None:
        self.done.append(("start", tuple(names)))

    def stop(self, names: Sequence[str]) -> None:
        self.done.append(("stop", tuple(names)))

    def ensure_api(self) -> None: ...

    def evidence(self, name: str) -> str:
        return f"{name}: vault is sealed"


class Silent:
    """A cluster whose APIs do not answer."""

    def __init__(self, connection: object) -> None:
        def call(*said: object, **given: object) -> None:
            raise ApiError("nomad", "GET", "/v1/status/leader", None, "connection refused")

        self.connection = connection
        self.nomad = SimpleNamespace(api=SimpleNamespace(call=call), deploys=call)

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, *raised: object) -> None: ...


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs one of the commands against a platform; answers what it printed."""

    def run(verb: str, platform: Platform, output: Output = Output.TEXT, ready: bool = True) -> str:
        def wait(cluster: object, checks: object, seconds: float, told: object) -> float:
            if not ready:
                raise NotReady(1, 1, [("1 Nomad servers agree on a leader", "no answer")])
            return 1.0

        monkeypatch.setattr(commands, "Engine", lambda project, say: SimpleNamespace(connection=lambda: CONNECTION))
        monkeypatch.setattr(commands, "driver", lambda connection: platform)
        monkeypatch.setattr(commands, "Cluster", Silent)
        monkeypatch.setattr(commands, "readiness", lambda connection, smoke=True: ())
        monkeypatch.setattr(commands, "wait", wait)
        monkeypatch.setattr(commands, "_has_smoke_job", lambda cluster: False)
        printed = io.StringIO()
        getattr(commands, verb)(None, Show(output, Console(file=printed, width=120)))
        return printed.getvalue()

    return run


def test_stop_stops_what_runs_and_says_how_to_go_on(run: Any) -> None:
    platform = Platform("running", "running")
    said = run("stop", platform)
    assert platform.done == [("stop", ("web-1",)), ("stop", ("server-1",))]
    assert "with all data. Next: hashistack start" in said
    assert "nothing to do: no machine runs" in run("stop", Platform("stopped", "stopped"))


def test_start_starts_what_is_stopped_and_ends_when_it_is_ready(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    platform = Platform("stopped", "running")
    assert "ready in" in run("start", platform)
    assert platform.done == [("start", ("server-1",))]
    assert "nothing to start: the cluster is ready" in run("start", Platform("running", "running"))
    run("start", Platform("stopped", "stopped"), Output.JSON)
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["ok"], last["started"]) == (True, ["server-1", "web-1"])


def test_a_start_that_fails_says_who_is_late_and_that_nothing_is_lost(run: Any) -> None:
    with pytest.raises(Refusal, match=r"(?s)not ready after.*server-1: vault is sealed.*Nothing was removed"):
        run("start", Platform("stopped", "stopped"), ready=False)


def test_without_machines_there_is_nothing_to_start(run: Any) -> None:
    with pytest.raises(Refusal, match="shop-1a2b has no machine that could be started"):
        run("start", Platform("terminated", "terminated"))


@pytest.mark.parametrize("verb", ["stop", "start"])
def test_other_platforms_say_what_to_do_instead(run: Any, verb: str) -> None:
    from hashistack.aws.ops.driver import AwsDriver

    platform = Platform("running", "running", AwsDriver.cannot_stop)
    with pytest.raises(
        Refusal, match=r"can't be stopped and started: on AWS an Auto Scaling group .*no archive of the cluster"
    ):
        run(verb, platform)
    assert platform.done == []


def _shown(status: dict[str, Any]) -> str:
    printed = io.StringIO()
    Console(file=printed, width=160).print(render(status))
    return printed.getvalue()


def test_status_of_a_stopped_cluster_says_so_and_asks_nobody() -> None:
    stopped = [Instance("web-1", "web", "b", "stopped"), Instance("server-1", "server", "b", "stopped")]
    status = asleep(CONNECTION, stopped)
    assert not status["healthy"]
    assert [row["node"] for row in status["machines"]] == ["server-1", "web-1"]
    assert "the cluster is stopped, with its data: 2 machines. Next: hashistack start" in _shown(status)


def test_status_of_a_cluster_without_machines_says_so() -> None:
    assert "the cluster has no machine any more. Next: hashistack up" in _shown(asleep(CONNECTION, []))


def test_status_names_the_one_machine_that_is_stopped() -> None:
    from .test_status import cluster

    seen = look(cluster(1), [Instance("web-1", "web", "b", "stopped")])
    assert not seen["healthy"]
    assert seen["problems"][0].startswith("web-1 is stopped. Next: hashistack start")


@pytest.mark.parametrize(
    ("server", "web", "who"), [("stopped", "stopped", "all machines"), ("stopped", "running", "server-1")]
)
def test_a_command_that_needs_the_apis_says_that_the_cluster_is_stopped(
    monkeypatch: pytest.MonkeyPatch, server: str, web: str, who: str
) -> None:
    monkeypatch.setattr(drivers, "Cluster", Silent)
    monkeypatch.setattr(drivers, "driver", lambda connection: Platform(server, web))
    with (
        pytest.raises(Refusal, match=rf"shop-1a2b does not answer\. Stopped: {who}\. Next: hashistack start"),
        drivers.reached(CONNECTION) as cluster,
    ):
        cluster.nomad.deploys("smoke")


def test_an_api_that_does_not_answer_for_another_reason_says_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drivers, "Cluster", Silent)
    for platform in (Platform("running", "running"), Platform("running", "running", "not here")):
        monkeypatch.setattr(drivers, "driver", lambda connection, platform=platform: platform)
        with pytest.raises(ApiError), drivers.reached(CONNECTION) as cluster:
            cluster.nomad.deploys("smoke")

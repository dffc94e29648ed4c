"""`hashistack scale`: where the number is written, what is refused, and what the plan says of the work."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from hashistack.cli import engine, main
from hashistack.cli.engine import Ended
from hashistack.cli.errors import Refusal
from hashistack.cli.number import differences, line, places
from hashistack.cli.project import Project
from hashistack.ops.api.connection import Connection, Endpoint, Pool
from hashistack.ops.api.placed import Placed
from hashistack.ops.rollout.fleet import Fleet, Machine
from hashistack.ops.rollout.fleet import Pool as Seen
from hashistack.ops.rollout.ignored_jobs import VARIABLE
from hashistack.ops.rollout.observer import Observation
from hashistack.spec import ClusterSpec, SpecError

NOWHERE = Endpoint("https://127.0.0.1:1", "")
TOKEN = "hashistack:index:Specification"
Data = dict[str, Any]


def put(configuration: Data, path: str, value: str) -> None:
    """As `pulumi config set --path` does."""
    *way, last = re.findall(r"[^.\[\]]+", path.removeprefix("shop:"))
    at: Any = configuration
    for key, following in zip(way, [*way[1:], last], strict=True):
        empty: Any = [] if following.isdigit() else {}
        if isinstance(at, list):
            at.extend({} for _ in range(int(key) + 1 - len(at)))
            at = at[int(key)]
        else:
            at = at.setdefault(key, empty)
    at[last] = int(value) if value.isdigit() else value


def example(configuration: Data) -> Data:
    """A program that takes all from its configuration."""
    return {"name": "shop", **configuration.get("cluster", {})}


class Stack:
    """A stack, its program and its cluster; a fake of the engine, as the command uses it."""

    def __init__(self, directory: Path, program: Callable[[Data], Data], **configuration: Any) -> None:
        self.project, self.program = Project(directory, "test"), program
        self.own: Data = copy.deepcopy(configuration)
        self.copies: dict[Path, Data] = {}
        self.state = self.declared(self.own)
        self.did: list[str] = []
        self.placed: tuple[Placed, ...] = ()
        self.scaled: Mapping[str, int] = {}
        self.outdated: set[str] = set()
        self.node_pools: dict[tuple[str, str], str] = {}

    def declared(self, configuration: Data) -> Data:
        spec = ClusterSpec.parse(self.program(copy.deepcopy(configuration)))
        return json.loads(spec.model_dump_json())  # type: ignore[no-any-return]

    # The engine
    def connection(self) -> Connection:
        pools = [Pool("server", "server", self.state["servers"]["count"], "s")]
        pools += [Pool(one["name"], "client", one["desired"], "c") for one in self.state["clients"]]
        names = ("shop-1f2e", "pond", "dc1", "global", "", "", "")
        return Connection(*names, nomad=NOWHERE, consul=NOWHERE, vault=NOWHERE, pools=tuple(pools))

    def unlock(self) -> None: ...

    def specifications(self) -> list[Data]:
        return [self.state]

    def configuration(self) -> Data:
        return {f"shop:{key}": value for key, value in copy.deepcopy(self.own).items()}

    def configure(self, path: str, value: str, file: Path | None = None) -> None:
        put(self.copies.setdefault(file, copy.deepcopy(self.own)) if file else self.own, path, value)
        if not file:
            self.did.append(f"{path}={value}")

    def run(self, verb: str, on_event: Any, on_idle: Any, config_file: Path | None = None) -> Ended:
        assert verb == "preview"
        try:
            spec = self.declared(self.copies[config_file] if config_file else self.own)
        except SpecError as error:
            on_event({"diagnosticEvent": {"severity": "error", "message": str(error), "urn": ""}}, 0.1)
            return Ended(255, "", False)
        inputs = {"spec": json.dumps(spec)}
        step = {"type": TOKEN, "op": "same", "urn": f"urn::a::{TOKEN}::shop", "new": {"inputs": inputs}}
        on_event({"resourcePreEvent": {"metadata": step}}, 0.1)
        return Ended(0, "", False)

    # The cluster
    def look(self, connection: Connection) -> Observation:
        pools = []
        for pool, now in zip(connection.pools, self.connection().pools, strict=True):
            bundle = "before" if pool.name in self.outdated else pool.bundle
            machines = tuple(Machine(f"{pool.name}-{number}", bundle) for number in range(1, now.count + 1))
            count = max(pool.count, self.scaled.get(pool.name, 0))
            pools.append(Seen(pool.name, pool.role, count, pool.bundle, pool.policy, machines))
        return Observation(Fleet(tuple(pools)), placed=self.placed)

    def up(self, project: Project, show: Any) -> None:
        self.state = self.declared(self.own)
        self.did.append("up")


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Stack]:
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")

    def made(program: Callable[[Data], Data] = example, **configuration: Any) -> Stack:
        stack = Stack(tmp_path, program, **configuration)
        nomad = SimpleNamespace(
            writers=lambda: {("default", "db")}, host_volumes=dict, node_pools=lambda: stack.node_pools
        )

        class Cluster:
            def __init__(self, connection: Connection) -> None:
                self.connection, self.nomad = connection, nomad

            def __enter__(self) -> Cluster:
                return self

            def __exit__(self, *error: object) -> None: ...

        monkeypatch.setattr(engine, "Engine", lambda *given: stack)
        monkeypatch.setattr("hashistack.cli.commands.run.up", stack.up)
        monkeypatch.setattr("hashistack.cli.stopped.Cluster", Cluster)
        monkeypatch.setattr("hashistack.platforms.driver", lambda connection: None)
        monkeypatch.setattr(
            "hashistack.ops.rollout.observer.Observer",
            lambda cluster, driver: SimpleNamespace(look=lambda: stack.look(cluster.connection)),
        )
        return stack

    return made


def scale(stack: Stack, *arguments: str) -> Result:
    return CliRunner().invoke(main.app, ["scale", "-C", str(stack.project.directory), *arguments])


def refused(stack: Stack, *arguments: str) -> str:
    """The error's text; nothing was changed."""
    before = copy.deepcopy(stack.own)
    done = scale(stack, *arguments)
    assert isinstance(done.exception, Refusal), done.exception or done.output
    assert (stack.did, stack.own) == ([], before)
    return str(done.exception)


WEB: Data = {"name": "web", "desired": 2}
POOLS: Data = {"clients": [{"name": "batch", "desired": 1}, {**WEB, "min": 1, "max": 6}]}


def test_a_number_is_written_where_the_configuration_holds_it(stack: Callable[..., Stack]) -> None:
    shop = stack(cluster=POOLS)
    done = scale(shop, "web=4")
    assert done.exit_code == 0, done.exception
    assert shop.did == ["shop:cluster.clients[1].desired=4", "up"]
    assert [(one["name"], one["desired"], one["max"]) for one in shop.state["clients"]] == [
        ("batch", 1, 1),
        ("web", 4, 6),
    ]
    assert "web: 2 → 4 declared" in done.output
    assert "web: start 2 new machines" in done.output
    assert "moves" not in done.output


def test_where_nothing_is_said_the_reference_pools_are_written(stack: Callable[..., Stack]) -> None:
    shop = stack()
    assert scale(shop, "server=5", "workers=3").exit_code == 0
    assert shop.own == {"cluster": {"servers": {"count": 5}, "clients": [{"name": "workers", "desired": 3}]}}


def test_a_specification_under_another_key_is_found(stack: Callable[..., Stack]) -> None:
    shop = stack(lambda config: {"name": "shop", **config["stages"]["eu"]}, stages={"eu": {"servers": {}, **POOLS}})
    assert scale(shop, "web=3", "server=5").exit_code == 0
    assert shop.did == ["shop:stages.eu.clients[1].desired=3", "shop:stages.eu.servers.count=5", "up"]


def test_a_dry_run_changes_nothing_and_says_whether_there_is_something_to_do(stack: Callable[..., Stack]) -> None:
    shop = stack(cluster=POOLS)
    done = scale(shop, "web=4", "--dry-run")
    assert (done.exit_code, shop.did) == (1, [])
    assert scale(shop, "web=2", "--dry-run").exit_code == 0
    assert shop.own == {"cluster": POOLS}


def allocation(job: str, node: str, kind: str = "service", number: int = 0) -> Placed:
    return Placed(f"{job}{number}", f"{job}.main[{number}]", node, "default", job, kind, "running", False, True, 0.0)


def test_a_smaller_number_says_what_work_moves_and_whose_data_is_gone(stack: Callable[..., Stack]) -> None:
    shop = stack(cluster={"clients": [{"name": "web", "desired": 3}]})
    everywhere = ((job, kind, n) for n in (1, 2, 3) for job, kind in (("api", "service"), ("logs", "system")))
    shop.placed = (
        *(allocation(job, f"web-{n}", kind, n) for job, kind, n in everywhere),
        *(allocation("db", f"web-{n}", number=n) for n in (1, 2, 3)),
        *(allocation(f"alone{n}", f"web-{n}") for n in (1, 2, 3)),
    )
    done = scale(shop, "web=1", "--dry-run", "-o", "json")
    (plan,) = (told for told in map(json.loads, done.output.splitlines()) if told["event"] == "plan")
    gone = sorted(plan["leaving"])
    assert len({*gone} & {"web-1", "web-2", "web-3"}) == 2
    assert plan["sizes"] == {"web": 1}
    alone = [f"default/alone{name[-1]}" for name in gone]
    assert plan["moving"] == [
        *(f"{job} (1 allocation)" for job in alone),
        *("default/api (2 allocations)", "default/db (2 allocations)"),
    ], "a system job moves nowhere"
    assert (plan["losing"], plan["single"]) == (["default/db"], [f"{job}.main" for job in alone])
    told = scale(shop, "web=1", "--dry-run").output
    assert "work that moves: default/alone" in told
    assert "what is kept on a machine is gone with it, and so are the data of: default/db" in told


@pytest.mark.parametrize("arguments", [("web=3",), ("web=3", "--dry-run")])
def test_what_a_rollout_would_not_begin_for_is_refused_before_anything_changes(
    stack: Callable[..., Stack], monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setenv(VARIABLE, "")
    shop = stack(cluster=POOLS)
    shop.outdated, shop.placed = {"web"}, (allocation("db", "web-1"),)
    text = refused(shop, *arguments)
    assert "what is kept on a machine is gone with it, and so are the data of: default/db" in text
    assert "--ignore-job" in text
    assert scale(shop, *arguments, "--ignore-job", "default/db").exit_code == int("--dry-run" in arguments)


def test_what_autoscaling_has_made_stays_and_is_said(stack: Callable[..., Stack]) -> None:
    shop = stack(cluster=POOLS)
    shop.scaled = {"web": 5}
    assert "web stays at 5: autoscaling made it so" in scale(shop, "web=1", "--dry-run").output


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("server=4", "spec.servers.count: must be 3 or 5 (got 4)"),
        ("web=7", "spec.clients[1].desired: is more than max 6 (got 7)"),
        ("web=0", "spec.clients[1].desired: is less than min 1 (got 0)"),
        ("web=-1", "web=-1: must be POOL=N"),
        ("web", "web: must be POOL=N"),
        ("web=²", "must be POOL=N"),
        ("wbe=3", "has no pool wbe, only server=3, batch=1, web=2"),
    ],
)
def test_what_up_would_refuse_is_refused_before_anything_changes(
    word: str, told: str, stack: Callable[..., Stack]
) -> None:
    assert told in refused(stack(cluster=POOLS), "--", word)


def test_everything_wrong_is_said_at_once(stack: Callable[..., Stack]) -> None:
    text = refused(stack(cluster=POOLS), "web=x", "none=2", "web=2", "web=3")
    assert [one.partition(":")[0] for one in text.splitlines()] == ["web=x", "none=2", "web=3", "Next"]


PROGRAM = """\
import hashistack

pools = (
    hashistack.ClientPool(name="web", desired=2),
    hashistack.ClientPool(name="batch"),
)
spec = {
    "servers": {
        "count": 3,
    },
}
"""


def own(config: Data) -> Data:
    return {"name": "shop", "servers": {"count": 3}, "clients": [WEB, {"name": "batch", "desired": 1}]}


@pytest.mark.parametrize(("word", "number"), [("web=3", 4), ("batch=3", 5), ("server=5", 9)])
def test_a_number_of_the_program_is_named_with_its_line(word: str, number: int, stack: Callable[..., Stack]) -> None:
    shop = stack(own)
    (shop.project.directory / "__main__.py").write_text(PROGRAM)
    text = refused(shop, word)
    assert "the program says how many machines" in text
    assert f"change {shop.project.directory / '__main__.py'}:{number}; then hashistack up" in text


def test_a_list_of_the_program_is_not_replaced_by_one_of_the_configuration(stack: Callable[..., Stack]) -> None:
    shop = stack(
        lambda config: {"name": "shop", "clients": [{**WEB, "drivers": ["exec"]}], **config.get("cluster", {})}
    )
    text = refused(shop, "web=3")
    assert text.startswith("the program says how many machines web has, not the configuration")


def test_what_a_program_adds_to_its_servers_is_not_lost(stack: Callable[..., Stack]) -> None:
    servers = {"count": 3, "disk_gib": 80}
    text = refused(stack(lambda config: {"name": "shop", "servers": servers, **config.get("cluster", {})}), "server=5")
    assert "and the configuration would change more: servers.disk_gib" in text


def test_what_else_the_program_declares_is_for_up(stack: Callable[..., Stack]) -> None:
    shop = stack(cluster=POOLS)
    shop.own["cluster"] = {**POOLS, "snapshots": {"interval": "2h"}}
    assert "the program declares more that no `up` has made: snapshots.interval" in refused(shop, "web=4")
    put(shop.own, "cluster.clients[0].desired", "3")
    assert "no `up` has made: clients[0].desired, clients[0].max, " in refused(shop, "web=4")


def test_a_number_that_stands_twice_is_not_guessed(stack: Callable[..., Stack]) -> None:
    shop = stack(cluster=POOLS, other={"clients": [WEB]})
    assert "shop:cluster.clients[1].desired, shop:other.clients[0].desired" in refused(shop, "web=3")


def test_killed_before_its_up_the_same_command_goes_on(stack: Callable[..., Stack]) -> None:
    shop = stack(cluster=POOLS)
    put(shop.own, "cluster.clients[1].desired", "4")  # it was written, and no more
    assert scale(shop, "web=4").exit_code == 0
    assert shop.did[-1] == "up"
    assert shop.state["clients"][1]["desired"] == 4


def test_a_pools_bounds_may_follow_only_where_they_were_not_given() -> None:
    def dump(**pool: int) -> Data:
        return json.loads(ClusterSpec.parse({"clients": [{"name": "web", **pool}]}).model_dump_json())  # type: ignore[no-any-return]

    assert differences(dump(desired=2), dump(desired=4), {"web": 4}) == []
    assert differences(dump(desired=2, max=9), dump(desired=4, max=9, min=2), {"web": 4}) == []
    assert differences(dump(desired=2, max=9), dump(desired=4, max=8, min=2), {"web": 4}) == ["clients[0].max"]
    assert differences(dump(desired=2), dump(desired=4), {}) == [
        *("clients[0].desired", "clients[0].max", "clients[0].min")
    ]


def test_a_line_is_found_in_calls_and_in_mappings_alone() -> None:
    assert line('x = {"name": "web", "desired": 4}', "web") == 1
    assert line('spec = dict(clients=[\n {"name": "web"}])', "web") == 2
    assert line('Pool(name="web")', "web") is None
    assert line("a.ServerPool(count=3)\n", "server") == 1
    assert [*places({"a": {"servers": 3, "clients": "x"}, "b": ["servers"]}, "server")] == []

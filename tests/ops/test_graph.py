"""`hashistack graph`: what is drawn of a specification and of a cluster, as Mermaid and as SVG."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner, Result

from hashistack import platforms
from hashistack.cli import engine, main
from hashistack.cli.errors import Refusal
from hashistack.ops.api.connection import Connection, Endpoint
from hashistack.ops.api.connection import Pool as Declared
from hashistack.ops.api.http import ApiError
from hashistack.ops.graph.mermaid import mermaid
from hashistack.ops.graph.svg import svg
from hashistack.ops.graph.topology import MOST, Topology, cells, of_fleet, of_spec
from hashistack.ops.rollout.driver import Instance
from hashistack.ops.rollout.fleet import Fleet, Machine, Pool
from hashistack.ops.rollout.observer import Observation, Observer
from hashistack.platforms import PlatformOperations
from hashistack.spec import ClusterSpec, SpecError

ROOT = Path(__file__).parents[2]
SHOP = ROOT / "docs/pictures/shop.yaml"
NOWHERE = Endpoint("https://127.0.0.1:1", "")
CONNECTION = Connection(
    *("shop-1f2e", "pond", "berlin", "global", "", "", ""),
    nomad=NOWHERE,
    consul=NOWHERE,
    vault=NOWHERE,
    pools=(Declared("server", "server", 3, "s2"), Declared("web", "client", 3, "w2")),
    versions={"nomad": "1.11.3", "consul": "1.22.3", "vault": "1.21.2", "cni": "1.8.0"},
)
ROLLING = Fleet(
    (
        Pool(
            *("server", "server", 3, "s2"),
            machines=(
                Machine("server-4", "s2", leads=frozenset({"consul"})),
                Machine("server-5", "s2", leads=frozenset({"vault", "nomad"})),
                Machine("server-6", "s2", "booting"),
                Machine("server-3", "s1", "leaving"),
            ),
        ),
        Pool(
            *("web", "client", 4, "w2"),
            machines=(
                Machine("web-1", "w1", draining=True, eligible=False, work=4),
                Machine("web-2", "w1", eligible=False, work=1),
                Machine("web-3", "w2", "unhealthy"),
            ),
        ),
    ),
    stale_members=("server-2",),
)
ZONES = {"server-3": "pond-1c", "server-4": "pond-1a", "server-5": "pond-1b", "server-6": "pond-1c", "web-1": "pond-1a"}
BUILDS = {"nomad": {"server-3": "1.10.5", "server-4": "1.11.3", "web-1": "1.10.5"}, "consul": {"server-3": "1.21.0"}}
ROLL = of_fleet(CONNECTION, ROLLING, ZONES, BUILDS)


def texts(picture: str) -> list[str]:
    return ["".join(node.itertext()) for node in ElementTree.fromstring(picture).iter() if node.tag.endswith("text")]  # noqa: S314


def test_the_picture_in_the_readme_is_what_the_command_makes() -> None:
    made = CliRunner().invoke(main.app, ["graph", "--spec", str(SHOP), "-o", "svg"])
    shown = re.findall(r"!\[[^]]+\]\((docs/pictures/[^)]+)\)", (ROOT / "README.md").read_text())
    assert "docs/pictures/shop.svg" in shown
    assert made.output == SHOP.with_suffix(".svg").read_text(), "hashistack graph --spec docs/pictures/shop.yaml -o svg"


@pytest.mark.parametrize(("form", "draw"), [("svg", svg), ("mmd", mermaid)])
def test_a_roll_is_drawn(form: str, draw: Callable[[Topology], str], golden: Callable[[str, str], None]) -> None:
    golden(f"graph/roll.{form}", draw(ROLL))


@pytest.mark.parametrize("draw", [svg, mermaid])
def test_zones_pools_versions_leaders_and_drains_are_in_it(draw: Callable[[Topology], str]) -> None:
    drawn = draw(ROLL)
    for said in (
        *("pond-1a", "pond-1b", "pond-1c", "3 servers", "web · 4 clients"),
        *("nomad 1.11.3 · consul 1.22.3 · vault 1.21.2", "nomad 1.10.5, consul 1.21.0"),
        *("leads consul", "leads nomad, vault"),
        *("draining, 4 allocations", "ineligible", "unhealthy", "booting", "leaving", "missing"),
        "server-2 is gone, and still listed",
    ):
        assert said in drawn, said
    assert all(machine.name in drawn for pool in ROLLING.pools for machine in pool.machines)


def test_a_specification_is_spread_over_its_zones() -> None:
    spec = ClusterSpec.parse(
        {
            "servers": {"count": 5, "zones": ["a1", "b1", "c1"]},
            "clients": [{"name": "web", "min": 0, "desired": 1, "max": 9}],
        }
    )
    topology = of_spec(spec)
    assert topology.zones == ("a1", "b1", "c1")
    assert [[len(cell.machines) for cell in cells(pool, topology.zones)] for pool in topology.pools] == [
        [2, 2, 1],
        [0, 0, 0, 1],
    ]
    assert "web · 1 client · 0 to 9" in texts(svg(topology))
    assert topology.as_json()["zones"] == ["a1", "b1", "c1"]


def test_many_machines_are_a_number_and_those_that_differ_are_drawn() -> None:
    many = (*(Machine(f"web-{n}", "w2") for n in range(100)), Machine("web-x", "w2", "unhealthy"))
    fleet = Fleet((Pool("web", "client", 103, "w2", machines=many),))
    topology = of_fleet(CONNECTION, fleet, {}, {})
    (cell,) = cells(topology.pools[0], ())
    assert ([machine.name for machine in cell.machines], cell.more) == (["web-x", "", ""], "and 100 healthy")
    assert len(texts(svg(topology))) < 20
    sick = tuple(replace(one, state="unhealthy") for one in many)
    (cell,) = cells(of_fleet(CONNECTION, Fleet((replace(fleet.pools[0], machines=sick),)), {}, {}).pools[0], ())
    assert (len(cell.machines), cell.more) == (MOST - 1, "and 96 unhealthy, 2 missing")


HOSTILE = '"]<b>&#;`\\'


def test_what_comes_from_outside_breaks_no_picture() -> None:
    fleet = Fleet((Pool(HOSTILE, "client", 1, "b", machines=(Machine(HOSTILE, "b"),)),), stale_members=(HOSTILE,))
    topology = of_fleet(replace(CONNECTION, name=HOSTILE), fleet, {HOSTILE: HOSTILE}, {"nomad": {HOSTILE: HOSTILE}})
    drawn = texts(svg(topology))  # it is XML, and says what it was given
    assert {HOSTILE, f"{HOSTILE} is gone, and still listed"} <= {*drawn}
    title, *lines = mermaid(topology).splitlines()[1:]
    assert json.loads(title.removeprefix("title: ")).startswith(HOSTILE)
    labels = [line for line in lines if '["' in line]
    assert len(labels) == 4
    assert all(re.fullmatch(r'\s*(subgraph )?\w+\["[^"<>&`\\]+(<br>[^"<>&`\\]+)*"\](:::\w+)?', line) for line in labels)


def test_a_picture_needs_nothing_else() -> None:
    tags = {node.tag.rpartition("}")[2] for node in ElementTree.fromstring(svg(ROLL)).iter()}  # noqa: S314
    assert tags == {"svg", "title", "desc", "style", "rect", "text", "g", "circle"}
    assert not re.search(r"url\(|@import|href", svg(ROLL))


class Pond(PlatformOperations):
    extra = "pond"
    component = "hashistack:index:Pond"

    def driver(self, connection: Any) -> Any:
        there = [Instance("server-1", "server", "s2", "running"), Instance("web-1", "web", "w1", "stopped")]
        return SimpleNamespace(instances=lambda: tuple(there), size=lambda pool: pool.count, cannot_stop="")

    def reach(self, connection: Any) -> Mapping[str, Mapping[str, str]]:
        return {name: {"hashistack_zone": zone} for name, zone in ZONES.items()} | {"server-1": {}}


class Opened(SimpleNamespace):
    def __init__(self, connection: Any) -> None:
        builds = {product: SimpleNamespace(builds=lambda p=product: BUILDS[p]) for product in BUILDS}
        super().__init__(connection=connection, **builds)

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *error: object) -> None: ...


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    monkeypatch.setattr(platforms, "PLATFORMS", {"pond": f"{__name__}:Pond"})
    monkeypatch.setattr(engine, "Engine", lambda *given: SimpleNamespace(connection=lambda: CONNECTION))
    monkeypatch.setattr("hashistack.ops.api.cluster.Cluster", Opened)
    return lambda *arguments: CliRunner().invoke(main.app, ["graph", "-C", str(tmp_path), *arguments])


def test_the_cluster_is_drawn_as_it_is(live: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Observer, "look", lambda self: Observation(ROLLING))
    assert live().output == mermaid(ROLL)
    assert live("-o", "svg").output == svg(ROLL)
    data = json.loads(live("-o", "json").output)
    assert data["versions"]["nomad"] == "1.11.3"
    machines = {machine["name"]: machine for pool in data["pools"] for machine in pool["machines"]}
    assert machines["web-1"] == {
        "name": "web-1",
        "zone": "pond-1a",
        "state": "healthy",
        "leads": [],
        "draining": True,
        "eligible": False,
        "outdated": True,
        "work": 4,
        "versions": {"nomad": "1.10.5"},
    }


def test_where_the_apis_are_silent_the_platforms_machines_are_drawn(
    live: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(self: Observer) -> Observation:
        raise ApiError("consul", "GET", "/v1/health", None, "refused\n\x1b[1mby a proxy")

    monkeypatch.setattr(Observer, "look", silent)
    data = json.loads(live("-o", "json").output)
    states = {pool["name"]: [machine["state"] for machine in pool["machines"]] for pool in data["pools"]}
    assert states == {"server": ["running", "missing", "missing"], "web": ["stopped", "missing", "missing"]}
    assert len(data["notes"]) == 1
    assert data["notes"][0].startswith("only the platform was asked: ")
    assert data["notes"][0].isprintable() and data["notes"][0].endswith("refused [1mby a proxy")


@pytest.mark.parametrize(
    ("text", "error", "told"),
    [
        ("nmae: shop", SpecError, 'Did you mean "name"?'),
        ("name: [", Refusal, "is neither YAML nor JSON"),
        (None, Refusal, "No such file"),
        ("- a", SpecError, "must be a mapping"),
    ],
)
def test_a_file_that_is_no_specification_is_refused(
    text: str | None, error: type[Exception], told: str, tmp_path: Path
) -> None:
    file = tmp_path / "cluster.yaml"
    if text is not None:
        file.write_text(text)
    done = CliRunner().invoke(main.app, ["graph", "--spec", str(file)])
    assert (type(done.exception), done.output) == (error, "")
    assert told in str(done.exception)

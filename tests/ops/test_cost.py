"""`hashistack cost`: what is counted, what is unknown, and where each price is from."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from hashistack import platforms
from hashistack.cli import engine, main
from hashistack.ops.api.connection import Connection, Endpoint, Pool
from hashistack.ops.cost.estimate import HOURS, Amount, BilledPool, Count, Estimate, estimate
from hashistack.ops.cost.prices import PriceList, Prices, read
from hashistack.platforms import PlatformMissing, PlatformOperations, operations
from hashistack.spec import ClusterSpec

DOC = (Path(__file__).parents[2] / "docs/commands.md").read_text()
CLOUDS = [name for name in platforms.PLATFORMS if platforms.prices(name)]
OURS: dict[str, Any] = {
    "platform": "pond",
    "region": "north",
    "as_of": "2026-07-30",
    "source": "a test",
    "machines": {"big": {"hour": 0.2, "spot": 0.05}, "small": {"hour": 0.1, "spot": 0.04}, "new": {"hour": 0.3}},
    "disks": {"ssd": 0.08},
}
PRICES = Prices([PriceList(**OURS)], "north")


def pool(**said: Any) -> BilledPool:
    usual = {"name": "web", "types": ("big",), "declared": Count(3), "most": Count(3), "surge": Count(1)}
    return BilledPool(**{**usual, "disk": "ssd", "gib": 50, **said})


def priced(*pools: BilledPool) -> Estimate:
    return estimate(pools, PRICES)


def test_machines_on_demand_and_their_disks() -> None:
    found = priced(pool())
    assert str(found.month) == f"{3 * (0.2 * HOURS + 50 * 0.08):.2f}" == "450.00"
    assert found.pools[0].roll.as_json() == {"low": 0.2055, "high": 0.2055}  # a machine and its disk, for an hour
    assert found.unknown == ()
    assert {of: price.as_of for of, price in found.prices.items()} == {
        "big, an hour": "2026-07-30",
        "a GiB of ssd, a month": "2026-07-30",
    }


def test_a_spot_machine_costs_from_the_lowest_seen_of_its_types_to_the_highest_on_demand() -> None:
    found = priced(pool(types=("small", "big"), declared=Count(1, 2), most=Count(1, 5), surge=Count(0, 1)))
    steady, disks = 0.1 * HOURS, 3 * 4.0
    assert found.month.as_json() == {
        "low": round(steady + 2 * 0.04 * HOURS + disks, 4),
        "high": round(steady + 2 * 0.2 * HOURS + disks, 4),
    }
    most = found.month + Amount(0.04 * HOURS + 4, 0.2 * HOURS + 4) * 3
    assert found.most.as_json() == most.as_json()
    assert str(found.pools[0].roll) == "0.05 to 0.21"


def test_a_spot_price_that_nobody_knows_has_no_lower_end_and_an_upper_one() -> None:
    found = priced(pool(types=("new",), declared=Count(0, 1), most=Count(0, 1), surge=Count(0, 0), gib=0))
    assert found.month == Amount(0.0, 0.3 * HOURS)
    assert found.unknown == ("new as a spot machine, an hour",)


def test_a_price_that_nobody_knows_makes_nothing_up() -> None:
    found = priced(pool(), pool(name="odd", types=("huge",)), pool(name="disk", disk="tape"))
    assert [str(one.month) for one in found.pools] == ["450.00", "at least 12.00", "at least 438.00"]
    assert str(found.month) == "at least 900.00"
    assert found.unknown == ("huge, an hour", "a GiB of tape, a month")
    assert str(priced(pool(types=("huge",), disk="tape")).month) == "unknown"


def test_no_machine_needs_no_price() -> None:
    assert (
        priced(pool(types=("huge",), declared=Count(0), most=Count(0), surge=Count(0), disk="tape")).month == Amount()
    )


@pytest.mark.parametrize("name", CLOUDS)
def test_each_price_that_is_shipped_has_a_source_a_date_and_a_region(name: str) -> None:
    file = platforms.prices(name)
    assert file
    lists = read(file)
    assert lists
    for one in lists:
        assert one.platform == name
        assert one.region
        assert date.fromisoformat(one.as_of) < date.today()
        # A commit or a release, so that the source says tomorrow what it says today.
        assert re.search(r"/blob/[0-9a-f]{40}/|^PyPI: \S+ \d", one.source), one.source
        assert one.machines or one.disks


def reference(name: str) -> ClusterSpec:
    return ClusterSpec.parse({"clients": [{"name": "web", "machine_type": {"gcp": "n2-standard-4"}.get(name)}]})


@pytest.mark.parametrize(("name", "region"), [("aws", "us-east-1"), ("gcp", "europe-west1")])
def test_the_reference_machines_have_a_price(name: str, region: str) -> None:
    bill, file = operations(name).bill(reference(name)), platforms.prices(name)
    assert bill and file
    found = estimate(bill.pools, Prices(read(file), region))
    assert found.unknown == ()
    assert found.month.low == found.month.high


def test_what_a_cloud_bills_for_a_specification() -> None:
    batch = {"name": "batch", "desired": 4, "max": 6, "spot": True, "on_demand_base": 1, "disk_gib": 100}
    spec = ClusterSpec.parse({"upgrade": {"max_surge": 2}, "clients": [{"name": "web", "arch": "arm64"}, batch]})
    for name, types in {"aws": ("m6i.large", "m6g.large"), "gcp": ("n2-standard-2", "c4a-standard-2")}.items():
        bill = operations(name).bill(spec)
        assert bill
        server, web, rest = bill.pools
        assert (server.name, server.types, server.declared, server.surge) == ("server", (types[0],), Count(3), Count(1))
        assert (web.types, web.declared, web.most, web.surge) == ((types[1],), Count(2), Count(2), Count(2))
        assert (rest.declared, rest.most, rest.surge, rest.gib) == (Count(1, 3), Count(1, 5), Count(0, 2), 100)
        assert bill.besides and bill.page.startswith("https://")
    assert web.disk == "hyperdisk-balanced"  # a family that takes no other


class Pond(PlatformOperations):
    component = "hashistack:index:PondCluster"


def test_a_platform_that_says_nothing_of_its_bill_is_not_free() -> None:
    with pytest.raises(PlatformMissing, match="what PondCluster is billed for is not known"):
        Pond().bill(ClusterSpec())


def cost(*arguments: str) -> Result:
    return CliRunner().invoke(main.app, ["cost", *arguments], env={"COLUMNS": "200"})


@pytest.fixture
def spec(tmp_path: Path) -> str:
    (tmp_path / "cluster.yaml").write_text("name: shop\nclients: [{name: web, machine_type: m5.large, desired: 1}]\n")
    return str(tmp_path / "cluster.yaml")


def test_of_a_specification(spec: str) -> None:
    said = cost("--spec", spec, "--platform", "aws", "--region", "us-east-1")
    assert said.exit_code == 0
    assert "server  3 m6i.large" in said.output
    assert re.search(r"in all a month: \d+\.\d\d\n", said.output)
    assert "2026-07-20 https://github.com/" in said.output
    assert "not in it: NAT gateways" in said.output
    data = json.loads(cost("--spec", spec, "--platform", "aws", "--region", "us-east-1", "-o", "json").output)
    assert {price["as_of"] for price in data["prices"]} == {"2026-07-20", "2026-09-06"}
    assert data["month"]["low"] == data["month"]["high"] == sum(one["month"]["low"] for one in data["pools"])


def test_of_a_region_without_prices_it_says_so_and_links(spec: str) -> None:
    said = cost("--spec", spec, "--platform", "aws", "--region", "eu-central-1")
    assert said.exit_code == 0
    assert "in all a month: unknown\n" in said.output
    assert "! unknown in eu-central-1: m6i.large, an hour" in said.output
    assert "See https://aws.amazon.com/ec2/pricing/, and --prices" in said.output
    assert "! prices are known of us-east-1\n" in said.output


def test_prices_of_the_users_own_come_first_in_the_documented_form(spec: str, tmp_path: Path) -> None:
    form = DOC.partition("## What it costs\n")[2].partition("```json\n")[2].partition("```")[0]
    own = tmp_path / "ours.json"
    own.write_text(form)
    (listed,) = read(own)
    arguments = ("--spec", spec, "--platform", listed.platform, "--region", listed.region, "--prices", str(own))
    data = json.loads(cost(*arguments, "-o", "json").output)
    assert data["unknown"] == []
    assert {price["source"] for price in data["prices"]} == {listed.source}


def test_a_faulty_file_of_prices_is_refused_with_all_that_is_wrong(spec: str, tmp_path: Path) -> None:
    own = tmp_path / "ours.json"
    faulty = {**OURS, "as_of": "30.7.", "source": "", "machines": {"big": {"hour": -1}}}
    own.write_text(json.dumps({"lists": [faulty]}))
    asked = ("--spec", spec, "--platform", "aws", "--region", "x", "--prices", str(own))
    said = str(cost(*asked).exception)
    paths = [line.split(": ")[0].removeprefix(f"{own}.lists[0].") for line in said.splitlines()]
    assert paths == ["as_of", "source", "machines.big.hour"]
    for text, wrong in {"{": "is no JSON", "[]": "must be an object"}.items():
        own.write_text(text)
        assert wrong in str(cost(*asked).exception)
    assert "No such file" in str(cost(*asked[:-1], str(tmp_path / "none.json")).exception)


def test_bad_options_are_refused(spec: str) -> None:
    assert "aws bills by region" in str(cost("--spec", spec, "--platform", "aws").exception)
    assert "has no platform azure" in str(cost("--spec", spec, "--platform", "azure").exception)
    for arguments in (["--spec", spec], ["--platform", "aws"]):
        said = cost(*arguments)
        assert said.exit_code == 2
        assert "--platform" in said.output


def test_a_local_cluster_costs_nothing(spec: str) -> None:
    said = cost("--spec", spec, "--platform", "local")
    assert said.output == "shop  local  costs nothing: its machines are on this one\n"
    data = json.loads(cost("--spec", spec, "--platform", "local", "-o", "json").output)
    assert (data["billed"], data["month"]) == (False, {"low": 0.0, "high": 0.0})


def test_of_a_stacks_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    nowhere = Endpoint("https://127.0.0.1:1", "")
    where = Connection(
        *("shop-1f2e", "aws", "dc1", "global", "", "", ""),
        nomad=nowhere,
        consul=nowhere,
        vault=nowhere,
        pools=(Pool("server", "server", 3, "s1", template={"region": "us-east-1"}),),
    )
    specs = [json.loads(ClusterSpec.parse({"name": name}).model_dump_json()) for name in ("other", "shop")]
    found = SimpleNamespace(connection=lambda: where, specifications=lambda: specs)
    monkeypatch.setattr(engine, "Engine", lambda *given: found)
    said = cost("-C", str(tmp_path))
    assert said.output.startswith("shop  aws  us-east-1\n")
    assert cost("-C", str(tmp_path), "--region", "eu-central-1").output.startswith("shop  aws  eu-central-1\n")
    specs.pop()
    assert "0 specifications are those of shop-1f2e" in str(cost("-C", str(tmp_path)).exception)

"""`hashistack inventory`: what Ansible is told, and that the real `ansible-inventory` reads it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from hashistack import platforms
from hashistack.cli import engine, inventory, main
from hashistack.cli.errors import Refusal
from hashistack.ops.api.connection import Pool
from hashistack.ops.api.http import ApiError
from hashistack.ops.rollout.driver import Instance
from hashistack.platforms import PlatformOperations

POOLS = (Pool("server", "server", 1), Pool("web-eu", "client", 2))
INSTANCES = (
    Instance("web-eu-2", "web-eu", "bb", "leaving"),
    Instance("server-1", "server", "aa", "running"),
    Instance("web-eu-1", "web-eu", "bb", "running"),
)
REACH = {
    "server-1": {"ansible_connection": "pond.duck", "ansible_host": "duck-1", "hashistack_zone": "pond-1a"},
    "web-eu-1": {"ansible_connection": "pond.duck", "ansible_host": "duck-2", "hashistack_zone": "pond-1b"},
}
CONSUL = SimpleNamespace(
    addresses=lambda: {"server-1": "10.0.0.1", "web-eu-1": "10.0.0.2", "stranger": "10.0.0.9"},
    builds=lambda: {"server-1": "1.22.3", "web-eu-1": "1.22.3"},
    machine_health=lambda: (
        *(SimpleNamespace(machine="server-1", status="passing"),),
        *(SimpleNamespace(machine="web-eu-1", status="critical"),),
    ),
)


def no_nomad() -> Mapping[str, str]:
    raise ApiError("nomad", "GET", "/v1/nodes", None, "refused")


class Pond(PlatformOperations):
    extra = "pond"
    component = "hashistack:index:Pond"

    def driver(self, connection: Any) -> Any:
        return SimpleNamespace(instances=lambda: INSTANCES)

    def reach(self, connection: Any) -> Mapping[str, Mapping[str, str]]:
        return REACH


class Engine:
    def __init__(self, *given: Any) -> None: ...

    def connection(self) -> Any:
        return SimpleNamespace(name="shop-1f", provider="pond", pools=POOLS)


class Cluster(SimpleNamespace):
    def __init__(self, connection: Any) -> None:
        super().__init__(consul=CONSUL, nomad=SimpleNamespace(builds=no_nomad))

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *error: object) -> None: ...


@pytest.fixture(autouse=True)
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(platforms, "PLATFORMS", {"pond": f"{__name__}:Pond"})
    monkeypatch.setattr(engine, "Engine", Engine)
    monkeypatch.setattr("hashistack.ops.api.cluster.Cluster", Cluster)


def run(*arguments: str) -> Result:
    done = CliRunner().invoke(main.app, ["inventory", "-C", ".", *arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def test_machines_are_in_groups_with_their_variables_in_one_answer() -> None:
    told = json.loads(run("--list").output)
    groups = {name: group["hosts"] for name, group in told.items() if name not in ("_meta", "all")}
    assert groups == {
        "consul_1_22_3": ["server-1", "web-eu-1"],
        "health_critical": ["web-eu-1"],
        "health_passing": ["server-1"],
        "health_unknown": ["web-eu-2"],
        "pool_server": ["server-1"],
        "pool_web_eu": ["web-eu-1", "web-eu-2"],
        "role_client": ["web-eu-1", "web-eu-2"],
        "role_server": ["server-1"],
        "state_leaving": ["web-eu-2"],
        "state_running": ["server-1", "web-eu-1"],
        "zone_pond_1a": ["server-1"],
        "zone_pond_1b": ["web-eu-1"],
    }
    assert told["all"] == {"children": ["ungrouped", *groups]}
    assert told["_meta"]["hostvars"]["server-1"] == {
        "hashistack_pool": "server",
        "hashistack_role": "server",
        "hashistack_state": "running",
        "hashistack_bundle": "aa",
        "hashistack_health": "passing",
        "hashistack_address": "10.0.0.1",
        "hashistack_consul": "1.22.3",
        "hashistack_zone": "pond-1a",
        "ansible_connection": "pond.duck",
        "ansible_host": "duck-1",
    }
    assert told["_meta"]["hostvars"].keys() == {"server-1", "web-eu-1", "web-eu-2"}  # no stranger of the catalog


def test_one_host_alone_and_one_that_is_none() -> None:
    assert json.loads(run("--host", "web-eu-2").output)["hashistack_state"] == "leaving"
    with pytest.raises(Refusal, match=r"shop-1f has no machine web-9, only server-1, web-eu-1, web-eu-2"):
        run("--host", "web-9")
    for wrong in ([], ["--list", "--host", "x"]):
        with pytest.raises(Refusal, match="say one of --list and --host NAME"):
            run(*wrong)


@pytest.mark.parametrize("missing", [(), ("nomad",)])
def test_what_nobody_answers_is_left_out(missing: Sequence[str]) -> None:
    good = SimpleNamespace(builds=lambda: {"server-1": "1.11.3"})
    said = inventory.look(SimpleNamespace(consul=CONSUL, nomad=SimpleNamespace(builds=no_nomad) if missing else good))
    assert said["hashistack_nomad"] == ({} if missing else {"server-1": "1.11.3"})


def test_the_real_ansible_reads_it(tmp_path: Path) -> None:
    answer = tmp_path / "answer.json"
    answer.write_text(run("--list").output)
    script = tmp_path / "inventory"
    script.write_text(f'#!/bin/sh\n[ "$1" = --list ] && exec cat {answer}\n')
    script.chmod(0o755)
    ansible = Path(sys.executable).with_name("ansible-inventory")
    environment = {**os.environ, "ANSIBLE_HOME": str(tmp_path), "ANSIBLE_INVENTORY_UNPARSED_FAILED": "true"}
    for asked, told in (
        (["--host", "server-1"], "duck-1"),
        (["--graph", "pool_web_eu"], "@pool_web_eu:\n  |--web-eu-1\n  |--web-eu-2"),
    ):
        done = subprocess.run(
            [ansible, "-i", script, *asked], capture_output=True, text=True, env=environment, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        assert told in done.stdout
        assert "WARNING" not in done.stderr

"""examples/policy: its rules, and the pack under the real engine with the library that its requirements name."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from hashistack import ClusterSpec
from hashistack.cli.engine import Engine
from hashistack.cli.project import Project

from .test_preflight import account, project  # noqa: F401 (fixtures)

CHECKOUT = Path(__file__).parents[2]
PACK = CHECKOUT / "examples" / "policy"
UV = Path(sys.executable).with_name("uv")
ZONES = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
SPOT = {"name": "batch", "min": 1, "max": 9, "spot": True, "on_demand_base": 1}
PROGRAM = """\
import pulumi
from hashistack import AwsCluster, AwsClusterArgs
config = pulumi.Config()
AwsCluster("shop", AwsClusterArgs(spec=config.require_object("cluster"), protect=config.require_bool("protect")))
"""


@pytest.fixture(scope="module")
def rules() -> ModuleType:
    found = importlib.util.spec_from_file_location("rules", PACK / "rules.py")
    assert found and found.loader
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def spec(**said: Any) -> ClusterSpec:
    return ClusterSpec.parse({"name": "shop", **said})


def test_spot_machines_are_counted_when_all_pools_are_full(rules: ModuleType) -> None:
    on_demand = {"name": "services", "desired": 2, "max": 8}
    assert list(rules.spot_share(spec(clients=[on_demand, SPOT]), 50)) == []  # 8 of 17
    (told,) = rules.spot_share(spec(clients=[on_demand, SPOT]), 40)
    assert told.startswith("8 of 17 client machines may be spot ones (batch); 40 % are allowed. Raise")
    every = {"name": "all", "desired": 1, "spot": True, "all_spot": True}
    assert list(rules.spot_share(spec(clients=[every]), 99))
    assert list(rules.spot_share(spec(), 0)) == []


def test_zones_count_where_they_are_named(rules: ModuleType) -> None:
    assert list(rules.zones(spec(), 3)) == []
    assert list(rules.zones(spec(servers={"zones": ZONES}), 3)) == []
    few = spec(servers={"zones": ZONES[:1]}, clients=[{"name": "web", "zones": ZONES[:2]}])
    assert list(rules.zones(few, 3)) == [
        "servers: only in eu-central-1a. Name at least 3 `zones`, or none.",
        "clients of pool web: only in eu-central-1a, eu-central-1b. Name at least 3 `zones`, or none.",
    ]


def test_releases_are_compared_as_numbers(rules: ModuleType) -> None:
    old = spec(versions={"nomad": "1.9.0"})
    assert list(rules.oldest(old, {"nomad": "1.8.9", "vault": "1.21.0"})) == []
    (told,) = rules.oldest(old, {"nomad": "1.10.0"})
    assert told == "nomad 1.9.0 is older than 1.10.0. Set `versions.nomad`, or run `hashistack upgrade`."


def test_holes_name_the_first_release_without_them_until_they_are_accepted(rules: ModuleType) -> None:
    vault = "CVE-2026-5807", "CVE-2026-12624"
    held = spec(versions={"nomad": "2.0.4", "consul": "2.0.2", "vault": "1.21.2"})
    (told,) = rules.known_holes(held, [])
    assert told.startswith(f"vault 1.21.2 has {', '.join(vault)}. Set `versions.vault` to 2.0.3 or later")
    (told,) = rules.known_holes(held, vault[1:])
    assert "to 2.0.0 or later" in told
    assert list(rules.known_holes(held, vault)) == []


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the pack with an environment of its own, whose protobuf is the policy library's and not ours."""
    place = tmp_path_factory.mktemp("policy")
    made, wheels = place / "policy", place / "wheels"
    shutil.copytree(PACK, made, ignore=shutil.ignore_patterns(".venv", "__pycache__"))
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)]
    subprocess.run(build, cwd=CHECKOUT, check=True, capture_output=True)
    subprocess.run([UV, "venv", "-q", "--python", sys.executable, made / ".venv"], check=True)
    install = [UV, "pip", "install", "-q", "--python", made / ".venv", "--find-links", wheels]
    done = subprocess.run([*install, "-r", made / "requirements.txt"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return made


@pytest.fixture
def preview(project: Project, account: None, pack: Path) -> Callable[..., tuple[int, str]]:  # noqa: F811
    """Previews a cluster on AWS in the stack `prod` under the pack: the exit code, and all that was printed."""
    (project.directory / "__main__.py").write_text(PROGRAM)

    def run(cluster: dict[str, Any], protect: bool, settings: dict[str, Any]) -> tuple[int, str]:
        config = {"shop:cluster": json.dumps(cluster), "shop:protect": json.dumps(protect)}
        (project.directory / "Pulumi.prod.yaml").write_text(json.dumps({"config": config}))
        file = project.directory / "settings.json"
        file.write_text(json.dumps(settings))
        engine = Engine(project, lambda text: None)
        engine.make_stack()
        options = ["--policy-pack", pack, "--policy-pack-config", file, "--non-interactive", "--color", "never"]
        done = subprocess.run(
            [engine._pulumi, "preview", "--stack", "prod", *options],
            cwd=project.directory,
            env=engine.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return done.returncode, done.stdout

    return run


def test_what_breaks_a_rule_stops_the_preview_with_what_to_do(preview: Callable[..., tuple[int, str]]) -> None:
    cluster = {"servers": {"zones": ZONES}, "clients": [{**SPOT, "zones": ZONES[:1]}], "versions": {"nomad": "1.10.5"}}
    code, said = preview(cluster, False, {})
    assert code != 0
    assert "8 of 9 client machines may be spot ones (batch); 50 % are allowed." in said
    assert "clients of pool batch: only in eu-central-1a. Name at least 3 `zones`, or none." in said
    assert "nomad 1.10.5 is older than 1.11.0. Set `versions.nomad`" in said
    assert "shop-artifacts-bucket would not outlive a mistake. Remove `protect=False`" in said
    assert "shop-seal-key would not outlive a mistake." in said
    assert said.count("[mandatory]") == 5


def test_a_good_stack_passes_and_a_run_may_say_other_numbers(preview: Callable[..., tuple[int, str]]) -> None:
    code, said = preview({"clients": [SPOT]}, True, {"spot-share": {"percent": 90}})
    assert code == 0, said
    assert "[mandatory]" not in said
    assert "[advisory]  known-holes" in said

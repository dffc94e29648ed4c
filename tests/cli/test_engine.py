"""The real Pulumi engine, run through our condensing, on a project that exports a connection and waits."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hashistack.cli.commands.run import destroyed
from hashistack.cli.engine import Engine, activated
from hashistack.cli.errors import Refusal
from hashistack.cli.output import Output, Show
from hashistack.cli.project import Project
from hashistack.platforms import specifications

PROGRAM = """\
import json, os, time, pulumi
wait = os.environ.get("WAIT_FOR")
if wait:
    open(wait + ".began", "w").close()
while wait and not os.path.exists(wait):
    time.sleep(0.1)
if os.environ.get("FAIL"):
    raise ValueError("the program's own mistake")
endpoint = {"address": "https://127.0.0.1:1", "servers": [], "token": "a-token"}
pulumi.export("connection", pulumi.Output.secret(json.dumps({
    "format": 1, "name": "x", "provider": "local", "datacenter": "dc1", "region": "global", "ca_pem": "",
    "operator_cert_pem": "", "operator_key_pem": "", "nomad": endpoint, "consul": endpoint, "pools": [],
    "vault": {"address": "https://127.0.0.1:1", "servers": [], "username": "operator", "password": "a-password"}})))
"""


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))
    root = str(Path(__file__).parents[2])
    monkeypatch.setenv("PYTHONPATH", root)
    project = tmp_path / "project"
    project.mkdir()
    (project / "Pulumi.yaml").write_text("name: waits\nruntime: python\n")
    (project / "__main__.py").write_text(textwrap.dedent(PROGRAM))
    return project


def up(directory: Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from hashistack.cli.main import main; main()",
            "up",
            "-o",
            "json",
            "-C",
            str(directory),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def until(condition: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not condition.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, f"{condition} never came"
        time.sleep(0.05)


def test_up_in_a_fresh_directory_then_its_connection_then_down(directory: Path) -> None:
    process = up(directory)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    result = json.loads(out.splitlines()[-1])
    assert (result["event"], result["ok"], result["stack"]) == ("result", True, "test")
    assert "a-token" not in out + err
    engine = Engine(Project(directory, "test"), lambda _: None)
    connection = engine.connection()
    assert engine.resources() == []
    assert (connection.nomad.secret, connection.vault.username) == ("a-token", "operator")
    state = (directory / ".state/.pulumi/stacks/waits/test.json").read_text()
    assert "a-token" not in state


def test_a_stack_without_a_cluster_is_refused_with_the_next_command(directory: Path) -> None:
    with pytest.raises(Refusal, match="Next: hashistack up"):
        Engine(Project(directory, "test"), lambda _: None).connection()


def test_a_dry_run_of_down_tells_what_is_there_and_makes_nothing(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = Project(directory, "test")
    assert not destroyed(project, Show(Output.TEXT))
    assert "has no resources" in capsys.readouterr().out
    assert project.stacks() == []
    engine = Engine(project, lambda _: None)
    engine.make_stack()
    assert not destroyed(project, Show(Output.TEXT))
    given = json.loads(engine._answer("stack", "export", "--stack", "test"))
    urn = "urn:pulumi:test::waits::my:index:Thing::precious"
    given["deployment"]["resources"] = [{"urn": urn, "type": "my:index:Thing", "custom": False}]
    (directory / "state.json").write_text(json.dumps(given))
    engine._answer("stack", "import", "--stack", "test", "--file", "state.json")
    assert destroyed(project, Show(Output.TEXT))
    assert "my:index:Thing precious" in capsys.readouterr().out
    assert engine.resources() == ["my:index:Thing precious"]


def test_a_dry_run_that_can_not_see_the_state_says_so(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never "nothing": a CI would take that for leave to destroy."""
    monkeypatch.setenv("PULUMI_BACKEND_URL", (directory / "not-there").as_uri())
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "x")
    (directory / "not-there").write_text("a file")
    with pytest.raises(Refusal):
        destroyed(Project(directory, "test"), Show(Output.TEXT))


def test_a_failing_program_tells_its_error_and_what_next(directory: Path) -> None:
    process = up(directory, FAIL="1")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "the program's own mistake" in err
    assert "Next: repeat hashistack up -C " in err
    assert "hashistack.cli" not in err, "a traceback of ours"


def test_two_at_once_have_one_clear_loser_and_ctrl_c_leaves_no_lock(directory: Path, tmp_path: Path) -> None:
    go = tmp_path / "go"
    first = up(directory, WAIT_FOR=str(go))
    until(Path(f"{go}.began"), first)
    second = up(directory)
    _, err = second.communicate(timeout=60)
    assert second.returncode == 2
    assert "the stack test is locked by " in err
    first.send_signal(signal.SIGINT)
    _, err = first.communicate(timeout=60)
    assert first.returncode == 130
    assert "Go on: hashistack up" in err
    assert not list((directory / ".state/.pulumi/locks").rglob("*.json"))


def test_the_lock_of_an_engine_that_was_killed_is_removed_and_said(directory: Path, tmp_path: Path) -> None:
    go = tmp_path / "go"
    first = up(directory, WAIT_FOR=str(go))
    until(Path(f"{go}.began"), first)
    (lock,) = (directory / ".state/.pulumi/locks").rglob("*.json")
    os.kill(json.loads(lock.read_text())["pid"], signal.SIGKILL)
    first.communicate(timeout=60)
    assert lock.exists()
    go.touch()
    second = up(directory)
    out, err = second.communicate(timeout=120)
    assert second.returncode == 0, err
    assert "removed the lock that a killed run left" in out


@pytest.mark.parametrize("half", ["", '{"user.cache_con'])
def test_a_file_that_a_killed_engine_was_writing_is_mended(directory: Path, half: str) -> None:
    first = up(directory)
    _, err = first.communicate(timeout=120)
    assert first.returncode == 0, err
    (attributes,) = directory.glob(".state/.pulumi/stacks/waits/*.json.attrs")
    attributes.write_text(half)
    second = up(directory)
    _, err = second.communicate(timeout=120)
    assert second.returncode == 0, err
    json.loads(attributes.read_text())


def test_a_program_runs_beside_the_command_unless_the_active_environment_has_hashistack_too(tmp_path: Path) -> None:
    own = str(Path(sys.executable).parent)
    inside = {"VIRTUAL_ENV": sys.prefix} if sys.prefix != sys.base_prefix else {}
    assert activated({"PATH": "/bin", "A": "1"}) == {"PATH": f"{own}:/bin", "A": "1", **inside}
    active = {"PATH": "/bin", "VIRTUAL_ENV": str(tmp_path)}
    assert activated(active) == {**active, "PATH": f"{own}:/bin", **inside}
    (tmp_path / "lib/python3.12/site-packages/hashistack-0.1.0.dist-info").mkdir(parents=True)
    assert activated(active) == active


SPECIFIED = """\
import pulumi
from hashistack.component.resource import Specification
from hashistack.spec import ClusterSpec

spec = {"name": "shop", **(pulumi.Config().get_object("cluster") or {})}
Specification("shop", ClusterSpec.parse(spec).model_dump_json())
"""


def test_what_other_configuration_would_declare_is_previewed_and_changes_nothing(directory: Path) -> None:
    (directory / "__main__.py").write_text(SPECIFIED)
    engine, told = Engine(Project(directory, "test"), lambda _: None), list[int]()
    engine.make_stack()
    engine.configure("cluster.servers.count", "5")
    assert engine.run("up", lambda event, seconds: None, lambda seconds: None).code == 0
    assert engine.configuration() == {"waits:cluster": {"servers": {"count": 5}}}
    (before,) = engine.specifications()
    assert before["servers"]["count"] == 5
    settings = directory / "Pulumi.test.yaml"
    kept = settings.read_text()
    copied = directory.parent / settings.name
    copied.write_text(kept)
    engine.configure("waits:cluster.servers.count", "3", copied)

    def on_event(event: Mapping[str, Any], seconds: float) -> None:
        step = (event.get("resourcePreEvent") or {}).get("metadata") or {"type": ""}
        if step["type"] in specifications():
            told.append(json.loads(step["new"]["inputs"]["spec"])["servers"]["count"])

    assert engine.run("preview", on_event, lambda seconds: None, copied).code == 0
    assert (told, settings.read_text()) == ([3], kept)

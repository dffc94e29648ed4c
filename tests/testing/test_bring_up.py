"""Projects of test clusters with the real engine; their program makes no machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hashistack.cli.project import Project
from hashistack.errors import HashistackError
from hashistack.spec.problems import SpecError
from hashistack.testing import bring_up
from hashistack.testing.bring_up import HostClusters

PROGRAM = """
import json, os, time
from pathlib import Path
import pulumi

config = pulumi.Config()
if (wait := Path("wait")).exists():
    wait.unlink()
    Path("waiting").write_text(str(os.getpid()))
    time.sleep(3)
spec = config.require_object("cluster")
apis = {api: {"address": "https://127.0.0.1:1", "servers": [], "token": "t", "username": "u", "password": "p"}
        for api in ("nomad", "consul", "vault")}
texts = dict.fromkeys(("ca_pem", "operator_cert_pem", "operator_key_pem"), "none")
pulumi.export("connection", pulumi.Output.secret(json.dumps({
    "format": 1, "name": spec["name"] + "-1a2b", "provider": "local", "datacenter": spec.get("datacenter", "dc1"),
    "region": os.environ.get("HASHISTACK_TTL", ""), "pools": [], **texts, **apis})))
"""


@pytest.fixture(autouse=True)
def template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "template"
    folder.mkdir()
    runtime = {"name": "python", "options": {"virtualenv": sys.prefix}}
    (folder / "Pulumi.yaml").write_text(json.dumps({"name": "${PROJECT}", "description": "d", "runtime": runtime}))
    (folder / "__main__.py").write_text(PROGRAM)
    monkeypatch.setattr(bring_up, "templates", lambda: {"here": folder})
    monkeypatch.setattr(bring_up, "look", lambda cluster: {"healthy": True})
    monkeypatch.setattr(bring_up, "Cluster", Opened)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    # What a user's own stacks are kept by, and must stay without one of ours.
    monkeypatch.setenv("PULUMI_BACKEND_URL", (tmp_path / "elsewhere").as_uri())
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "the user's own")


class Opened:
    def __init__(self, connection: Any) -> None:
        pass

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "state" / "key").mkdir(parents=True)
    return tmp_path / "state" / "key"


def test_a_cluster_is_made_found_and_removed(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clusters = HostClusters(60.0, "4h")
    made = clusters.make(place, {"datacenter": "berlin"}, keep_on_failure=False, harm=False)
    assert (clusters.name(made), made.connection.datacenter, made.connection.region) == ("pytest-1a2b", "berlin", "4h")
    found = clusters.find(place, harm=True)
    assert found is not None
    assert found.connection == made.connection
    assert (place / ".state/passphrase").read_text() in found._of_state()  # what a report must not show
    monkeypatch.setattr(bring_up, "look", lambda cluster: {"healthy": False})
    assert clusters.find(place, harm=True) is None
    # What is there is changed; a text that looks like a number to the engine stays a text.
    again = clusters.make(place, {"datacenter": "5e38"}, keep_on_failure=False, harm=False)
    assert again.connection.datacenter == "5e38"
    clusters.destroy(place)
    assert "gone in" in capsys.readouterr().out
    clusters.destroy(place)  # once more is fine
    assert not (tmp_path / "elsewhere").exists()
    assert os.environ["PULUMI_CONFIG_PASSPHRASE"] == "the user's own"


def test_a_specification_that_is_wrong_makes_nothing(place: Path) -> None:
    with pytest.raises(SpecError, match=r"spec\.servers\.count[\s\S]*spec\.datacentre"):
        HostClusters(60.0, "4h").make(
            place, {"servers": {"count": 2}, "datacentre": "x"}, keep_on_failure=False, harm=False
        )
    assert list(place.iterdir()) == []
    HostClusters(60.0, "4h").destroy(place)


def test_the_stacks_settings_are_written_whole_or_not(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, settings = Project(place, "test"), place / "Pulumi.test.yaml"
    settings.touch()  # as one that was killed while it wrote left it
    bring_up._configure(project, cluster={"name": "shop"})
    salted = json.loads(settings.read_text()) | {"encryptionsalt": "v1:salt"}  # as the engine adds it
    settings.write_text(json.dumps(salted))

    def killed(draft: Path, file: Path) -> Path:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            bring_up._configure(project, cluster={"name": "other"})
    assert json.loads(settings.read_text()) == salted
    bring_up._configure(project, cluster={"name": "other"})
    assert json.loads(settings.read_text()) == salted | {"config": {"pytest:cluster": {"name": "other"}}}


def test_a_program_that_fails_is_told(place: Path) -> None:
    folder = next(iter(bring_up.templates().values()))
    (folder / "__main__.py").write_text("raise RuntimeError('no more machines')\n")
    clusters = HostClusters(60.0, "4h")
    with pytest.raises(HashistackError, match="no more machines"):
        clusters.make(place, {}, keep_on_failure=False, harm=False)
    assert clusters.find(place, harm=False) is None
    clusters.destroy(place)


def test_an_engine_whose_command_was_killed_is_waited_for(place: Path, tmp_path: Path) -> None:
    """A pytest that is killed leaves its engine at work: the next process takes over once that has ended."""
    (place / "wait").touch()
    script = tmp_path / "first.py"
    script.write_text(
        f"""
from pathlib import Path
from hashistack.testing import bring_up
bring_up.templates = lambda: {{"here": Path({str(tmp_path / "template")!r})}}
bring_up.HostClusters(60.0, "4h").make(Path({str(place)!r}), {{}}, keep_on_failure=False, harm=False)
"""
    )
    first = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (place / "waiting").exists():
        assert first.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            first.wait(0.05)
    first.send_signal(signal.SIGKILL)
    first.wait()
    clusters = HostClusters(60.0, "4h")
    assert clusters.make(place, {}, keep_on_failure=False, harm=False).name == "pytest-1a2b"
    clusters.destroy(place)


def test_ctrl_c_ends_the_engine_and_then_the_run(place: Path) -> None:
    (place / "wait").touch()
    with ThreadPoolExecutor(1) as presser:
        pressed = presser.submit(press, place / "waiting")
        with pytest.raises(KeyboardInterrupt):
            HostClusters(60.0, "4h").make(place, {}, keep_on_failure=False, harm=False)
        pressed.result()
    HostClusters(60.0, "4h").destroy(place)


def press(when: Path) -> None:
    deadline = time.monotonic() + 60
    while not when.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGINT)


def test_how_long_a_cluster_may_stay() -> None:
    until = datetime.fromisoformat(HostClusters(1.0, "90m").expires()) - datetime.now(UTC)
    assert timedelta(minutes=89) < until < timedelta(minutes=91)
    with pytest.raises(HashistackError, match="HASHISTACK_TTL"):
        HostClusters(1.0, "soon").expires()

"""`hashistack support`: what the command puts together, and that what it knows is not in it."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from hashistack import platforms
from hashistack.cli import engine, main, status
from hashistack.cli.errors import Refusal
from hashistack.errors import HashistackError
from hashistack.ops.rollout.driver import Instance
from hashistack.ops.support import collect
from hashistack.platforms import PlatformOperations

OF_STATE, OF_STACK, UNSEAL, LOGIN, UNKNOWN = (
    f"{kind}-0123456789" for kind in ("state", "stack", "unseal", "log", "hm")
)
EVERYTHING = " ".join((OF_STATE, OF_STACK, UNSEAL, LOGIN))


class Pond(PlatformOperations):
    extra = "pond"
    component = "hashistack:index:Pond"

    def driver(self, connection: Any) -> Any:
        kept = {"initialised_by": "server-1", "keys": [UNSEAL]}
        machines = [Instance("server-1", "server", "", "running"), Instance("web-1", "web", "", "running")]
        return SimpleNamespace(
            cannot_stop="it is a pond", instances=lambda: machines, vault_init=lambda: json.dumps(kept)
        )

    def logs(self, connection: Any, machine: str) -> Mapping[str, str]:
        if machine == "web-1":
            raise HashistackError("the pond does not answer")
        return {"nomad.log": f"{machine} says {EVERYTHING}\npassword={UNKNOWN}\n"}


class Engine:
    def __init__(self, *given: Any) -> None: ...

    def connection(self) -> Any:
        text = json.dumps({"name": "shop-1f", "nomad": {"token": OF_STACK}})
        return SimpleNamespace(name="shop-1f", provider="pond", secrets=(OF_STACK,), text=lambda: text)

    def secrets(self) -> list[str]:
        return [OF_STATE]


class Cluster(SimpleNamespace):
    def __init__(self, connection: Any) -> None:
        super().__init__(vault=SimpleNamespace(login=lambda: LOGIN))

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *error: object) -> None: ...


@pytest.fixture(autouse=True)
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    (tmp_path / ".hashistack/rollouts").mkdir(parents=True)
    (tmp_path / ".hashistack/rollouts/2026-12-01T00-00-00Z.ndjson").write_text('{"step": "grow"}\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(platforms, "PLATFORMS", {"pond": f"{__name__}:Pond"})
    monkeypatch.setattr(engine, "Engine", Engine)
    monkeypatch.setattr("hashistack.ops.api.cluster.Cluster", Cluster)
    monkeypatch.setattr(status, "look", lambda *given: {"healthy": False, "said": EVERYTHING})
    monkeypatch.setattr(collect, "answers", lambda cluster: {"nomad/raft.json": json.dumps([EVERYTHING])})


def run(*arguments: str) -> Result:
    done = CliRunner().invoke(main.app, ["support", "-C", ".", *arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def test_all_that_helps_is_in_it_and_no_secret_from_anywhere(tmp_path: Path) -> None:
    told = json.loads(run("-o", "json").output)
    assert told["files"] == [
        *("about.json", "connection.json", "machines/server-1/nomad.log", "machines/web-1/error.txt"),
        *("nomad/raft.json", "project/2026-12-01T00-00-00Z.ndjson", "project/Pulumi.yaml", "status.json"),
    ]
    assert told["secrets_known"] == 4
    file = Path(told["file"])
    assert file.parent == tmp_path and file.name.startswith("shop-1f-support-")
    with tarfile.open(file) as archive:
        texts = {member.name.partition("/")[2]: archive.extractfile(member).read().decode() for member in archive}  # type: ignore[union-attr]
    assert sorted(texts) == told["files"]
    for secret in (OF_STATE, OF_STACK, UNSEAL, LOGIN, UNKNOWN):
        assert all(secret not in text for text in texts.values()), secret
    assert "the pond does not answer" in texts["machines/web-1/error.txt"]
    assert "server-1 says" in texts["machines/server-1/nomad.log"]
    assert "hashistack" in json.loads(texts["about.json"])


def test_of_settings_the_specification_and_names_alone(tmp_path: Path) -> None:
    """A value that Pulumi does not encrypt is known to nobody as a secret."""
    plain = "config:\n  shop:database: hunter2222\n  shop:cluster:\n    name: shop\nencryptionsalt: v1:salt\n"
    (tmp_path / "Pulumi.test.yaml").write_text(plain)
    (tmp_path / "Pulumi.other.yaml").write_text(plain)
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nconfig:\n  token:\n    default: hunter2222\n")
    texts = texts_of()
    assert not any("hunter2222" in text or "salt" in text for text in texts.values())
    own = texts["project/Pulumi.test.yaml"]
    assert "shop:database: <struck out>" in own
    assert "name: shop" in own


def test_settings_that_can_not_be_read_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.test.yaml").write_text("config: [hunter2222\n")
    assert texts_of()["project/Pulumi.test.yaml"].startswith("not settings of Pulumi: ")


def texts_of() -> dict[str, str]:
    told = json.loads(run("-o", "json").output)
    with tarfile.open(told["file"]) as archive:
        texts = {member.name.partition("/")[2]: archive.extractfile(member).read().decode() for member in archive}  # type: ignore[union-attr]
    Path(told["file"]).unlink()
    return texts


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "mine.tar.gz").write_text("mine")
    with pytest.raises(Refusal, match=r"mine.tar.gz is there already\. Next: name another file"):
        run("mine.tar.gz")
    assert (tmp_path / "mine.tar.gz").read_text() == "mine"
    with pytest.raises(Refusal, match="is in no directory"):
        run("nowhere/mine.tar.gz")
    assert f"{tmp_path}/new.tar.gz: 8 files. None of 4 known secrets is in it." in run("new.tar.gz").output

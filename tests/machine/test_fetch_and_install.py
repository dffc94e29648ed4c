"""fetch and install: what is on a machine has the digest that was asked for, and comes when its store does."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile

import pytest

from .cases import CASES
from .sandbox import Sandbox

FETCH = "/opt/hashistack/current/bin/fetch"
INSTALL = "/opt/hashistack/current/bin/install"
BIN = "/opt/hashistack/bin"


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def client(machine: Sandbox) -> Sandbox:
    machine.install_bundle(CASES["minimal"].bundle("workers"), "client", "workers")
    return machine


def offer(machine: Sandbox, name: str, data: bytes) -> str:
    machine.write(f"/standin/store/{name}", data)
    return digest(data)


def test_what_has_the_right_digest_is_there(client: Sandbox) -> None:
    data = bytes(range(256)) * 1000
    client.path("/var").mkdir()
    done = client.run(FETCH, "x://store/thing", offer(client, "thing", data), "/var/thing")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert client.path("/var/thing").read_bytes() == data
    assert [path.name for path in client.path("/var").iterdir()] == ["thing"]


def test_a_wrong_digest_is_refused_in_one_line_and_leaves_nothing(client: Sandbox) -> None:
    found = offer(client, "thing", b"not what was asked for")
    client.write("/var/thing", "the one from before")
    done = client.run(FETCH, "x://store/thing", "0" * 64, "/var/thing")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"hashistack: x://store/thing: digest {found}, expected {'0' * 64}: refused\n"
    assert client.tree("/var") == {"thing": "the one from before"}
    assert client.read("/standin/fetched") == "x://store/thing\n", "it is not a fault that heals"


def test_an_unreachable_store_is_tried_again_until_it_answers(client: Sandbox) -> None:
    client.write("/standin/failures", "one\n")
    client.path("/var").mkdir()
    done = client.run(FETCH, "x://store/thing", offer(client, "thing", b"at last"), "/var/thing")
    assert done.returncode == 0, done.stderr
    assert done.stderr == "hashistack: can't fetch x://store/thing yet, again in 1s\n"
    assert client.tree("/var") == {"thing": "at last"}


@pytest.mark.parametrize(
    "shell", ["dash"], indirect=True
)  # busybox has a sleep of its own, for which nothing stands in
def test_the_pauses_grow_and_stay_at_16_seconds(client: Sandbox) -> None:
    client.stand_in("sleep", 'echo "$1" >>/standin/slept')
    client.write("/standin/failures", "one more\n" * 7)
    client.path("/var").mkdir()
    done = client.run(FETCH, "x://store/thing", offer(client, "thing", b"at last"), "/var/thing")
    assert done.returncode == 0, done.stderr
    assert client.read("/standin/slept").split() == ["1", "2", "4", "8", "16", "16", "16"]


def test_a_fetch_that_is_interrupted_leaves_nothing_under_the_name(client: Sandbox) -> None:
    client.bundle_path("bin/platform").write_text('#!/bin/sh\nprintf half >"$3"\nkill -s TERM "$PPID"\nexit 1\n')
    client.path("/var").mkdir()
    done = client.run(FETCH, "x://store/thing", digest(b"half"), "/var/thing")
    assert done.returncode != 0
    assert "thing" not in client.tree("/var")


def manifest(machine: Sandbox, tools: list[dict[str, str]]) -> None:
    known = json.loads(machine.bundle_path("manifest.json").read_text())
    machine.bundle_path("manifest.json").write_text(json.dumps({**known, "tools": tools}))


def tool(machine: Sandbox, name: str, data: bytes, suffix: str = "") -> dict[str, str]:
    return {"name": name, "version": "1", "sha256": offer(machine, name + suffix, data), "url": f"x://s/{name}{suffix}"}


def archive(**programs: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as packed:
        for name, data in programs.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o755
            packed.addfile(member, io.BytesIO(data))
    return out.getvalue()


def test_each_tool_is_installed_under_its_digest_and_may_be_run_by_its_user(client: Sandbox) -> None:
    consul = tool(client, "consul", b"#!/bin/sh\necho consul runs\n")
    cni = tool(client, "cni", archive(bridge=b"#!/bin/sh\necho bridge runs\n", loopback=b"-"), ".tar")
    manifest(client, [consul, cni])
    done = client.run(INSTALL)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "hashistack: installed consul\nhashistack: installed cni\n"
    assert set(client.tree(BIN)) == {
        f"consul/{consul['sha256']}/consul",
        f"cni/{cni['sha256']}/bridge",
        f"cni/{cni['sha256']}/loopback",
    }
    for program in (f"consul/{consul['sha256']}/consul", f"cni/{cni['sha256']}/bridge"):
        ran = client.run("setpriv", "--reuid=501", "--regid=501", "--clear-groups", f"{BIN}/{program}")
        assert ran.stdout == f"{program.split('/')[-1]} runs\n", ran.stderr
        wrote = client.run("setpriv", "--reuid=501", "--regid=501", "--clear-groups", "sh", "-c", f">>{BIN}/{program}")
        assert wrote.returncode != 0


def test_what_is_there_by_its_digest_is_not_fetched_again(client: Sandbox) -> None:
    there, new = tool(client, "consul", b"old friend"), tool(client, "nomad", b"newcomer")
    client.write(f"{BIN}/consul/{there['sha256']}/consul", "as it is")
    manifest(client, [there, new])
    assert client.run(INSTALL).returncode == 0
    assert client.read("/standin/fetched") == "x://s/nomad\n"
    assert client.read(f"{BIN}/consul/{there['sha256']}/consul") == "as it is"
    client.path("/standin/fetched").unlink()
    again = client.run(INSTALL)
    assert (again.returncode, again.stdout) == (0, "")
    assert not client.path("/standin/fetched").exists()


def test_a_new_version_is_installed_beside_the_old_one(client: Sandbox) -> None:
    old = tool(client, "nomad", b"old")
    manifest(client, [old])
    assert client.run(INSTALL).returncode == 0
    new = tool(client, "nomad", b"new")
    manifest(client, [new])
    assert client.run(INSTALL).returncode == 0
    assert client.tree(BIN) == {f"nomad/{old['sha256']}/nomad": "old", f"nomad/{new['sha256']}/nomad": "new"}


def test_a_tool_with_a_wrong_digest_stops_the_boot_and_is_not_there(client: Sandbox) -> None:
    bad = {**tool(client, "nomad", b"tampered with"), "sha256": "1" * 64}
    manifest(client, [bad, tool(client, "vault", b"never reached")])
    done = client.run(INSTALL)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "x://s/nomad: digest" in done.stderr
    assert not client.path(f"{BIN}/nomad/{'1' * 64}").exists()
    assert not client.path(f"{BIN}/vault").exists()


def test_what_an_interrupted_install_left_is_done_anew(client: Sandbox) -> None:
    nomad = tool(client, "nomad", b"whole")
    client.write(f"{BIN}/nomad/{nomad['sha256']}.new/download", "hal")
    client.write(f"{BIN}/nomad/{nomad['sha256']}.new/stray", "?")
    manifest(client, [nomad])
    assert client.run(INSTALL).returncode == 0
    assert client.tree(BIN) == {f"nomad/{nomad['sha256']}/nomad": "whole"}

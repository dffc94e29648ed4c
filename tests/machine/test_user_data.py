"""User data: from a bare machine to the bundle's boot, or to one clear line and everything as it was."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from hashistack.machine.bundle import Bundle
from hashistack.machine.user_data import user_data
from hashistack.spec.policy import UpgradePolicy

from .cases import CASES, POOLS, STARTS
from .conftest import Start, wait_for
from .documents import DOCUMENTS
from .sandbox import ADDRESS, CURL, Sandbox

HOME = "/opt/hashistack"
SCRIPT = "/etc/hashistack/user-data"
BOOT = b"""#!/bin/sh
. /etc/hashistack/metadata
printf '%s booted %s %s %s\\n' "$HS_BUNDLE" "$HS_CLUSTER" "$HS_ROLE" "$HS_POOL"
"""
FIRST = Bundle({"bin/boot": BOOT, "conf/x": b"first"})
SECOND = Bundle({"bin/boot": BOOT, "conf/x": b"second"})
SHELLCHECK = Path(sys.executable).with_name("shellcheck")


def url(bundle: Bundle) -> str:
    return f"file:///opt/hashistack/artifacts/{bundle.sha256}.tar.gz"


def offer(machine: Sandbox, bundle: Bundle, archive: bytes | None = None) -> None:
    machine.write(url(bundle).removeprefix("file://"), bundle.archive if archive is None else archive)


def give(machine: Sandbox, bundle: Bundle, cluster: str = "x") -> None:
    """The user data of a machine of this bundle."""
    text = user_data(
        start=STARTS["local"],
        cluster=cluster,
        role="client",
        pool="workers",
        bundle_url=url(bundle),
        bundle_sha256=bundle.sha256,
        servers=3,
        upgrade=UpgradePolicy(drain_deadline="1h30m"),
    )
    machine.write(SCRIPT, text, 0o755)


def run(machine: Sandbox) -> subprocess.CompletedProcess[str]:
    return machine.run("sh", SCRIPT)


def in_force(machine: Sandbox) -> str:
    return str(machine.path(f"{HOME}/current").readlink())


@pytest.fixture
def booted(machine: Sandbox) -> Sandbox:
    """A machine that runs from the first bundle, and then gets user data for the second."""
    offer(machine, FIRST)
    give(machine, FIRST)
    assert run(machine).returncode == 0
    give(machine, SECOND)
    return machine


def assert_as_it_was(machine: Sandbox) -> None:
    assert in_force(machine) == f"{HOME}/bundles/{FIRST.sha256}"
    assert machine.read(f"{HOME}/current/conf/x") == "first"
    told = machine.read("/etc/hashistack/metadata")
    for line in (f"HS_BUNDLE={FIRST.sha256}", "HS_SERVERS=3", "HS_DRAIN_DEADLINE=5400", "HS_KILL_TIMEOUT=30"):
        assert f"{line}\n" in told
    assert not machine.path(f"{HOME}/bundles/{SECOND.sha256}").exists()


def test_a_bare_machine_boots_from_its_bundle(machine: Sandbox) -> None:
    offer(machine, FIRST)
    give(machine, FIRST)
    done = run(machine)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{FIRST.sha256} booted x client workers\n"
    assert machine.tree(f"{HOME}/bundles") == {
        f"{FIRST.sha256}/{path}": contents.decode() for path, contents in FIRST.files.items()
    }
    assert in_force(machine) == f"{HOME}/bundles/{FIRST.sha256}"


def test_a_restart_needs_no_store(booted: Sandbox) -> None:
    give(booted, FIRST)
    booted.path(url(FIRST).removeprefix("file://")).unlink()
    done = run(booted)
    assert (done.returncode, done.stdout) == (0, f"{FIRST.sha256} booted x client workers\n")


def test_another_bundle_takes_over_and_the_old_one_stays(booted: Sandbox) -> None:
    offer(booted, SECOND)
    done = run(booted)
    assert (done.returncode, done.stdout) == (0, f"{SECOND.sha256} booted x client workers\n")
    assert booted.read(f"{HOME}/current/conf/x") == "second"
    assert booted.read(f"{HOME}/bundles/{FIRST.sha256}/conf/x") == "first"


@pytest.mark.parametrize("fault", ["another bundle", "cut short", "one bit", "empty", "not a tarball"])
def test_a_wrong_digest_is_one_line_and_the_last_good_bundle_stays(booted: Sandbox, fault: str) -> None:
    archive, flipped = SECOND.archive, bytearray(SECOND.tarball)
    flipped[600] ^= 1
    served = {
        "another bundle": FIRST.archive,
        "cut short": archive[: len(archive) // 2],
        "one bit": gzip.compress(bytes(flipped)),
        "empty": b"",
        "not a tarball": b"<html>502 Bad Gateway</html>",
    }[fault]
    offer(booted, SECOND, served)
    done = run(booted)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"hashistack: bundle {url(SECOND)}: digest ")
    assert done.stderr.endswith(f", expected {SECOND.sha256}: refused, this machine stays as it was\n")
    assert_as_it_was(booted)
    # And it is no obstacle to the right one.
    offer(booted, SECOND)
    assert run(booted).returncode == 0
    assert booted.read(f"{HOME}/current/conf/x") == "second"
    assert {path.name for path in booted.path(f"{HOME}/bundles").iterdir()} == {FIRST.sha256, SECOND.sha256}


def test_a_bare_machine_with_a_wrong_bundle_boots_nothing(machine: Sandbox) -> None:
    offer(machine, FIRST, SECOND.archive)
    give(machine, FIRST)
    assert run(machine).returncode == 1
    assert not machine.path(f"{HOME}/current").is_symlink()
    assert not machine.path("/etc/hashistack/metadata").exists()


def test_an_unreachable_store_is_tried_again_until_it_answers(booted: Sandbox, start: Start) -> None:
    process = start("sh", SCRIPT)
    wait_for(lambda: f"hashistack: can't fetch {url(SECOND)} yet, again in 1s" in booted.said())
    assert_as_it_was(booted)
    offer(booted, SECOND)
    assert process.wait(timeout=90) == 0
    assert booted.said()[-1] == f"{SECOND.sha256} booted x client workers"


def test_what_an_interrupted_attempt_left_is_not_taken_for_a_bundle(booted: Sandbox) -> None:
    booted.write(f"{HOME}/bundles/.new/bin/boot", "#!/bin/sh\necho the wrong one\n", 0o755)
    booted.write(f"{HOME}/bundles/.new/conf/stray", "of another bundle")
    booted.write(f"{HOME}/bundles/.new.tar", "half a tar")
    offer(booted, SECOND)
    done = run(booted)
    assert (done.returncode, done.stdout) == (0, f"{SECOND.sha256} booted x client workers\n")
    assert set(booted.tree(f"{HOME}/current/")) == set(SECOND.files)


def test_an_interrupted_unpacking_changes_nothing(booted: Sandbox, start: Start) -> None:
    offer(booted, SECOND)
    # A tar that never ends: the machine is switched off while it unpacks.
    if booted.shell == "busybox":
        booted.write(SCRIPT, booted.read(SCRIPT).replace("  tar -xf", "  /usr/local/sbin/tar -xf"), 0o755)
    booted.stand_in("tar", 'mkdir -p "$4/bin"; echo unpacking >"$4/bin/boot"; exec sleep 60')
    process = start("sh", SCRIPT)
    wait_for(lambda: "unpacking\n" in booted.tree(f"{HOME}/bundles").values())
    process.kill()
    process.wait()
    assert_as_it_was(booted)


@pytest.mark.parametrize("cluster", ["$(touch /tmp/ran)", "`touch /tmp/ran`", "'; touch /tmp/ran; '", "a b $HOME"])
def test_a_name_is_data_even_if_no_specification_had_refused_it(machine: Sandbox, cluster: str) -> None:
    offer(machine, FIRST)
    give(machine, FIRST, cluster)
    assert run(machine).stdout == f"{FIRST.sha256} booted {cluster} client workers\n"
    assert not machine.path("/tmp/ran").exists()


def test_a_server_boots_from_its_real_bundle_and_platform(machine: Sandbox) -> None:
    """All of the boot but the services themselves: everything that `runsvdir` then finds is in place."""
    case = CASES["minimal"]
    bundle = case.bundle("server")
    machine.name = "server-1"
    offer(machine, bundle)
    machine.write("/platform/secrets/server", json.dumps(DOCUMENTS["server"]), 0o600)
    for tool in ("consul", "nomad", "vault"):
        digest = {"consul": "c", "nomad": "a", "vault": "e"}[tool] * 64
        machine.write(f"{HOME}/bin/{tool}/{digest}/{tool}", "#!/bin/sh\n", 0o755)
    machine.write(SCRIPT, case.user_data("server", bundle.sha256), 0o755)
    for _ in range(2):  # and again at a restart
        done = run(machine)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"hashistack: server machine booted from bundle {bundle.sha256}\n"
        assert machine.read("/etc/resolv.conf") == f"nameserver {ADDRESS}\noptions timeout:1 attempts:3\n"
        facts = json.loads(machine.read("/run/hashistack/facts.json"))
        assert (facts["servers"], facts["quorum"]) == (3, 2)
        services = machine.tree("/etc/service")
        for path, script in bundle.files.items():
            if path.startswith("sv/"):
                assert services[f"{path.removeprefix('sv/')}/run"] == script.decode()
                assert services[f"{path.removeprefix('sv/')}/log/run"] == bundle.files["bin/log"].decode()
        assert "bootstrap/finish" in services
        for path in services:
            assert machine.path(f"/etc/service/{path}").stat().st_mode & 0o100
        assert '"node_name":"server-1"' in machine.read("/run/hashistack/consul/consul.json")
        assert machine.path("/run/hashistack/secrets.json").stat().st_mode & 0o077 == 0
    assert not [path for path, text in machine.tree("/etc").items() if "the-secret" in text]
    assert not [path for path, text in machine.tree("/opt").items() if "the-secret" in text]
    assert not [path for path, text in machine.tree("/var").items() if "the-secret" in text]


@pytest.mark.parametrize(
    ("leader", "data", "expected"),
    [('"10.9.8.6:4647"', False, 0), ('"10.9.8.6:4647"', True, 3), ('""', False, 3), (None, False, 3)],
    ids=["joins", "restarts", "election", "first"],
)
def test_a_new_server_of_a_cluster_that_lives_expects_nobody(
    machine: Sandbox, leader: str | None, data: bool, expected: int
) -> None:
    bundle = CASES["minimal"].bundle("server")
    machine.install_bundle(bundle, "server", "server")
    machine.write("/standin/identity", json.dumps({"id": "i-1", "name": "s-1", "ip": ADDRESS, "zone": "z"}))
    machine.write("/standin/peers", f"10.9.8.6\n{ADDRESS}\n")
    machine.write("/standin/secrets/server", json.dumps(DOCUMENTS["server"]), 0o600)
    for tool, letter in (("consul", "c"), ("nomad", "a"), ("vault", "e")):
        machine.write(f"{HOME}/bin/{tool}/{letter * 64}/{tool}", "#!/bin/sh\n", 0o755)
    machine.stand_in("curl", CURL)
    if leader:
        machine.answer("localhost:4646/v1/status/leader", leader)
    if data:
        machine.path("/var/lib/hashistack/nomad/server/raft").mkdir(parents=True)
    done = machine.run(f"{HOME}/current/bin/boot")
    assert done.returncode == 0, done.stderr
    rendered = json.loads(machine.read("/run/hashistack/nomad/nomad.json"))
    assert rendered["server"]["bootstrap_expect"] == expected
    assert json.loads(machine.read("/run/hashistack/consul/consul.json"))["bootstrap_expect"] == expected


@pytest.mark.parametrize(("case", "pool"), POOLS)
def test_generated_scripts_are_shellcheck_clean(case: str, pool: str, tmp_path: Path) -> None:
    scripts = {"user-data": CASES[case].user_data(pool, "0" * 64)}
    services = {path: data for path, data in CASES[case].bundle(pool).files.items() if path.startswith("sv/")}
    scripts |= {path.replace("/", "-"): data.decode() for path, data in services.items()}
    for name, text in scripts.items():
        (tmp_path / name).write_text(text)
    command = [str(SHELLCHECK), "--norc", "--exclude=SC3045", *sorted(scripts)]  # `ulimit -c`: both shells have it
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout

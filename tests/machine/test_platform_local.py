"""platform-local: the verbs that every platform has, as containers have them."""

from __future__ import annotations

import json
import os
from importlib.resources import files

import pytest

from . import claims
from .conftest import Start, wait_for
from .sandbox import ADDRESS, Sandbox

PLATFORM = "/platform/bin"
SECRETS = "/platform/secrets"


@pytest.fixture
def container(machine: Sandbox) -> Sandbox:
    machine.write(PLATFORM, (files("hashistack.machine") / "node/platform/platform-local").read_bytes(), 0o755)
    machine.path(SECRETS).mkdir()
    return machine


def test_identity_is_the_containers(container: Sandbox) -> None:
    container.name = "workers-7"
    done = container.run(PLATFORM, "identity")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"id": "workers-7", "name": "workers-7", "ip": ADDRESS, "zone": "local"}


def test_peers_are_what_the_networks_names_say_each_once(container: Sandbox) -> None:
    container.write("/etc/hosts", "10.0.0.2 servers.hashistack.internal\n10.0.0.3 servers.hashistack.internal\n")
    assert container.run(PLATFORM, "peers").stdout == "10.0.0.2\n10.0.0.3\n"


def test_a_name_that_does_not_resolve_is_a_failure(container: Sandbox) -> None:
    done = container.run(PLATFORM, "peers")
    assert (done.returncode, done.stdout) == (1, "")


DOCUMENT = '{"a": "it\'s\\n\\"$x\\" \\\\"}\n\n'


def test_what_was_stored_is_read_byte_for_byte_and_nobody_elses(container: Sandbox) -> None:
    assert container.run(PLATFORM, "store", "vault-init", stdin=DOCUMENT).returncode == 0
    done = container.run(PLATFORM, "secret", "vault-init")
    assert (done.returncode, done.stdout) == (0, DOCUMENT)
    assert container.path(f"{SECRETS}/vault-init").stat().st_mode & 0o777 == 0o600
    assert set(container.tree(SECRETS)) == {"vault-init"}


def test_storing_again_replaces(container: Sandbox) -> None:
    for text in ("one", "two"):
        container.run(PLATFORM, "store", "name", stdin=text)
    assert container.tree(SECRETS) == {"name": "two"}


def test_what_introduces_a_pool_is_for_its_machines(container: Sandbox) -> None:
    container.path("/platform/introductions").mkdir()
    container.write("/etc/hashistack/metadata", "HS_POOL=web\n")
    assert container.run(PLATFORM, "introduction").returncode == 1
    for pool, text in (("web", "first"), ("web", "second"), ("batch", "another")):
        assert container.run(PLATFORM, "introduce", pool, stdin=text).returncode == 0
    assert container.run(PLATFORM, "introduction").stdout == "second"
    assert container.tree("/platform/introductions") == {"web": "second", "batch": "another"}
    assert container.path("/platform/introductions/web").stat().st_mode & 0o777 == 0o600


def test_the_pools_are_what_up_says(container: Sandbox) -> None:
    container.write(f"{SECRETS}/client-pools", "web default\n")
    assert container.run(PLATFORM, "client-pools").stdout == "web default\n"


def test_the_newest_archives_are_kept_as_the_directorys_owner_and_what_others_put_there(container: Sandbox) -> None:
    place = container.path("/platform/snapshots")
    place.mkdir()
    os.chown(place, 1234, 1234)
    container.write("/etc/hashistack/metadata", "HS_SNAPSHOTS='/home/me/my snapshots'\n")
    for name in ("mine.tar", *(f"scheduled-2026-01-0{day}T00-00-00Z.tar" for day in (1, 2, 3))):
        container.write(f"/platform/snapshots/{name}", "older")
    container.write("/tmp/archive", "new")
    name = "scheduled-2026-01-04T00-00-00Z.tar"
    done = container.run(PLATFORM, "keep", "/tmp/archive", name, "2")
    assert done.stdout == f"/home/me/my snapshots/{name}\n"
    assert sorted(container.tree("/platform/snapshots")) == ["mine.tar", "scheduled-2026-01-03T00-00-00Z.tar", name]
    kept = (place / name).stat()
    assert (kept.st_uid, kept.st_mode & 0o777) == (1234, 0o600)


def test_a_document_that_is_not_there_is_a_failure(container: Sandbox) -> None:
    done = container.run(PLATFORM, "secret", "server")
    assert done.returncode == 3, "which a store that is away is not"
    assert done.stdout == ""


RACE = """
rm -rf /tmp/gate /tmp/ready; mkfifo /tmp/gate; mkdir /tmp/ready
exec 3<>/tmp/gate
for racer in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  # Reading ends when nobody has the gate open for writing any more: all start at once.
  {
    exec 4</tmp/gate 3>&-
    : >/tmp/ready/$racer
    read -r _ <&4 || :
    echo "$racer" | /platform/bin claim cup && echo "$racer"
  } &
done
until [ "$(ls /tmp/ready | wc -l)" = 20 ]; do sleep 0.05; done
exec 3>&-
wait
"""


def test_of_twenty_who_claim_a_name_one_gets_it(container: Sandbox) -> None:
    for _ in range(3):
        done = container.run("sh", "-c", RACE)
        winners = done.stdout.split()
        assert len(winners) == 1, done
        assert container.tree(SECRETS) == {"cup": f"{winners[0]}\n"}
        container.path(f"{SECRETS}/cup").unlink()


def test_a_claim_on_what_is_there_fails_and_changes_nothing(container: Sandbox) -> None:
    container.run(PLATFORM, "store", "cup", stdin="mine")
    assert container.run(PLATFORM, "claim", "cup", stdin="yours").returncode == 1
    assert container.tree(SECRETS) == {"cup": "mine"}


def test_a_generation_of_a_name_is_claimed_once_and_is_what_is_read(container: Sandbox) -> None:
    claims.count_once_a_generation(container, PLATFORM)


@pytest.mark.parametrize("verb", ["store", "claim"])
def test_what_a_machine_has_half_written_bears_its_name(container: Sandbox, start: Start, verb: str) -> None:
    """The store is shared, and each machine counts its processes from 1."""
    container.name = "server-2"
    start("sh", "-c", f"{{ echo half; exec sleep 60; }} | {PLATFORM} {verb} cup")
    wait_for(lambda: "half\n" in container.tree(SECRETS).values())
    (name,) = container.tree(SECRETS)
    assert name.startswith(".cup.server-2.")


def test_what_is_mounted_is_fetched_and_anything_else_is_refused(container: Sandbox) -> None:
    container.write("/mnt/a file", "contents")
    assert container.run(PLATFORM, "fetch", "file:///mnt/a file", "/tmp/there").returncode == 0
    assert container.read("/tmp/there") == "contents"
    assert container.run(PLATFORM, "fetch", "file:///mnt/nothing", "/tmp/other").returncode != 0
    done = container.run(PLATFORM, "fetch", "s3://bucket/key", "/tmp/other")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "platform-local: can't fetch s3://bucket/key: only file:// is known here\n"
    assert not container.path("/tmp/other").exists()


def test_a_machine_is_taken_away_when_it_is_marked(container: Sandbox) -> None:
    assert container.run(PLATFORM, "terminating").returncode == 1
    for limit in ("", "1795501240\n"):
        container.write("/platform/terminating", limit)
        done = container.run(PLATFORM, "terminating")
        assert (done.returncode, done.stdout, done.stderr) == (0, limit, "")
    assert container.run(PLATFORM, "let_go").returncode == 0


def test_nobody_waits_for_a_container_to_arrive(container: Sandbox) -> None:
    done = container.run(PLATFORM, "arrived")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_whoever_waits_for_it_is_told(container: Sandbox, start: Start) -> None:
    container.run("mkfifo", "/platform/wake")
    waiting = start(PLATFORM, "await_terminating")
    container.run("sleep", "0.3")
    assert waiting.poll() is None
    container.run("sh", "-c", "echo >/platform/wake")
    assert waiting.wait(timeout=30) == 0


def test_whoever_comes_after_the_mark_does_not_wait(container: Sandbox) -> None:
    container.run("mkfifo", "/platform/wake")
    container.write("/platform/terminating", "")
    done = container.run(PLATFORM, "await_terminating")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_server_needs_no_preparation(container: Sandbox) -> None:
    container.metadata("server", "server", "0" * 64)
    done = container.run(PLATFORM, "prepare")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("verb", ["", "reboot", "Secret", "--help"])
def test_an_unknown_verb_is_named(container: Sandbox, verb: str) -> None:
    done = container.run(PLATFORM, verb)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"platform-local: unknown verb {verb}\n"

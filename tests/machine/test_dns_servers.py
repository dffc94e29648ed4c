"""dns-servers: unbound's stub zone names this machine's own agent and the servers that there are now."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .cases import CASES
from .conftest import Start, wait_for
from .documents import DOCUMENTS
from .sandbox import CURL, USERS, Sandbox

PROGRAM = "/opt/hashistack/current/bin/dns-servers"
STUB = "/run/hashistack/unbound/stub.conf"
HEALTHY = (
    "127.0.0.1:8500/v1/health/service/hashistack?passing&filter=Service.Meta.pool%3D%3D%22server%22"
    "&stale&wait=10s&index=1"
)
OWN = "stub-zone:\n  name: consul.\n  stub-no-cache: yes\n  stub-addr: 127.0.0.1@8600\n"
CONTROL = """\
echo "$*" >>/standin/control
case $* in *local_datas)
  [ -f /proc/self/fd/0 ] || echo "it may have to wait for its input" >>/standin/control
  cat >/standin/peers-data
  ;;
esac
[ ! -e /standin/unbound-is-down ]"""
PEERS = "peers.hashistack.internal"


def stub(*addresses: str) -> str:
    """What an unbound that starts reads: whom to ask, and the servers under the name by which agents join."""
    asked = "".join(f"  stub-addr: {address}@8600\n" for address in addresses)
    return f"{OWN}{asked}server:\n" + "".join(f'  local-data: "{PEERS} 5 IN A {address}"\n' for address in addresses)


def healthy(*addresses: str) -> str:
    # As Consul writes it: a service has an address too, and a name for one.
    service = {"ID": "hashistack", "Service": "hashistack", "Address": "10.0.0.99", "TaggedAddresses": {}}
    return json.dumps(
        [{"Node": {"ID": "1", "Node": f"server-{a}", "Address": a}, "Service": service} for a in addresses],
        separators=(",", ":"),
    )


@pytest.fixture(params=["server", "client"])
def rendered(machine: Sandbox, request: pytest.FixtureRequest) -> Sandbox:
    role: str = request.param
    pool = {"server": "server", "client": "workers"}[role]
    machine.install_bundle(CASES["minimal"].bundle(pool), role, pool)
    machine.facts(DOCUMENTS[role])
    machine.write(STUB, OWN)
    machine.write("/standin/peers", "")
    machine.stand_in("curl", CURL)
    machine.stand_in("sleep", "exec /usr/bin/sleep 0.1")
    machine.stand_in("unbound-control", CONTROL)
    return machine


def told(machine: Sandbox) -> int:
    """How often unbound was told."""
    return sum("stub_add" in line for line in log(machine, "control"))


def log(machine: Sandbox, name: str) -> list[str]:
    file = machine.path(f"/standin/{name}")
    return file.read_text().splitlines() if file.exists() else []


def test_the_first_stub_is_what_the_bundle_has(rendered: Sandbox) -> None:
    assert rendered.bundle_path("stub.conf").read_text() == OWN


def test_it_follows_consul_and_before_consul_the_platform(rendered: Sandbox, start: Start) -> None:
    """10.9.8.7 is this machine: its own agent is asked on loopback."""
    rendered.write("/standin/peers", "10.9.8.9\n10.9.8.7\n10.9.8.8\n")
    start(PROGRAM)
    wait_for(lambda: told(rendered) == 1)
    assert rendered.read(STUB) == stub("10.9.8.8", "10.9.8.9")
    assert rendered.path(STUB).stat().st_uid == USERS["unbound"]
    rendered.answer(HEALTHY, healthy("10.9.8.70", "10.9.8.7", "10.9.8.8"))
    wait_for(lambda: told(rendered) == 2)
    assert rendered.read(STUB) == stub("10.9.8.70", "10.9.8.8")
    # Never a reload: it drops the questions that are under way.
    control = "-c /run/hashistack/unbound/unbound.conf"
    named = [f"{control} local_data_remove {PEERS}", f"{control} local_datas"]
    wait_for(lambda: len(log(rendered, "control")) == 6)
    assert [line.strip() for line in log(rendered, "control")] == [
        f"{control} stub_add consul. 127.0.0.1@8600 10.9.8.8@8600 10.9.8.9@8600",
        *named,
        f"{control} stub_add consul. 127.0.0.1@8600 10.9.8.70@8600 10.9.8.8@8600",
        *named,
    ]
    wait_for(lambda: log(rendered, "peers-data") == [f"{PEERS} 5 IN A {ip}" for ip in ("10.9.8.70", "10.9.8.8")])
    them = ("10.9.8.8 10.9.8.9", "10.9.8.70 10.9.8.8")
    said = [f"hashistack: consul. is asked of this machine and {servers}" for servers in them]
    wait_for(lambda: rendered.said() == said)
    assert "the-secret" not in "".join(log(rendered, "asked"))
    # Then it waits for the list to change, by a question that Consul answers when it does.
    rendered.write("/standin/index", "7")
    wait_for(lambda: any("&stale&wait=10s&index=7" in asked for asked in log(rendered, "asked")))


def test_nothing_is_done_while_nothing_changes(rendered: Sandbox, start: Start) -> None:
    rendered.write("/standin/peers", "10.9.8.8\n10.9.8.9\n")
    start(PROGRAM)
    wait_for(lambda: told(rendered) == 1)
    written = rendered.path(STUB).stat().st_ino
    rendered.write("/standin/peers", "10.9.8.9\n10.9.8.8\n")  # another order is no change
    asked = len(log(rendered, "asked"))
    wait_for(lambda: len(log(rendered, "asked")) >= asked + 2)
    assert told(rendered) == 1
    assert rendered.path(STUB).stat().st_ino == written


@pytest.mark.parametrize("answer", [("Permission denied", 403), ("[]", 200), ("no leader", 500), (None, 0)])
def test_without_an_answer_the_servers_known_so_far_are_asked(
    rendered: Sandbox, start: Start, answer: tuple[str | None, int]
) -> None:
    rendered.write("/standin/peers", "10.9.8.8\n")
    start(PROGRAM)
    wait_for(lambda: told(rendered) == 1)
    text, code = answer
    if text is not None:
        rendered.answer(HEALTHY, text, code)
    rendered.write("/standin/peers", "")
    asked = len(log(rendered, "asked"))
    wait_for(lambda: len(log(rendered, "asked")) >= asked + 2)
    assert rendered.read(STUB) == stub("10.9.8.8")


def test_with_no_healthy_server_for_a_moment_the_last_ones_are_asked(rendered: Sandbox, start: Start) -> None:
    rendered.write("/standin/peers", "10.9.8.9\n")
    rendered.answer(HEALTHY, healthy("10.9.8.8"))
    start(PROGRAM)
    wait_for(lambda: told(rendered) == 1)
    rendered.answer(HEALTHY, "[]")
    asked = len(log(rendered, "asked"))
    wait_for(lambda: len(log(rendered, "asked")) >= asked + 2, 25)
    assert rendered.read(STUB) == stub("10.9.8.8")


def test_an_unbound_that_was_down_is_told_again(rendered: Sandbox, start: Start) -> None:
    rendered.write("/standin/unbound-is-down", "")
    rendered.write("/standin/peers", "10.9.8.8\n")
    start(PROGRAM)
    wait_for(lambda: told(rendered) >= 2)
    rendered.path("/standin/unbound-is-down").unlink()
    wait_for(lambda: rendered.said() == ["hashistack: consul. is asked of this machine and 10.9.8.8"])
    assert rendered.read(STUB) == stub("10.9.8.8")


def test_unbound_never_sees_half_a_file(rendered: Sandbox, start: Start, tmp_path: Path) -> None:
    before = rendered.path(STUB).stat().st_ino
    rendered.write("/standin/peers", "10.9.8.8\n")
    start(PROGRAM)
    wait_for(lambda: told(rendered) == 1)
    assert rendered.path(STUB).stat().st_ino != before, "it was written in place"
    assert set(rendered.tree("/run/hashistack/unbound")) == {"stub.conf"}

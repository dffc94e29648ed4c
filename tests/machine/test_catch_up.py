"""catch-up: a Consul server that still reads its log answers nobody, and everybody as soon as it has read it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from hashistack.toolchain import resolve

from .cases import CASES
from .conftest import Start, wait_for
from .documents import SERVER
from .sandbox import ADDRESS, CURL, Sandbox
from .test_real_programs import document

BIN = "/opt/hashistack/current/bin"
BEHIND = "/run/hashistack/consul-behind"
RAFT = "127.0.0.1:8500/v1/operator/raft/configuration"
SELF = "127.0.0.1:8500/v1/agent/self"
LIMITS = {"limits": {"request_limits": {"mode": "enforcing", "read_rate": 0, "write_rate": 0}}}
RUN = ("/bin/sh", "-c", f"{BIN}/catch-up && exec sleep 1000")
"""As the service does: what comes second stands for Consul."""


def servers(leads: bool = True, last: int = 500) -> str:
    """Raft's configuration as Consul tells it, the leader in the middle."""
    found = [
        {"ID": at, "Address": f"10.9.8.{at}:8300", "Leader": leads and at == "2", "Voter": True, "LastIndex": index}
        for at, index in (("1", last - 100), ("2", last), ("3", last - 200))
    ]
    return json.dumps({"Servers": found, "Index": 0}, separators=(",", ":"))


def read(index: int, committed: int = 9999, state: str = "Follower") -> str:
    """What the agent says of itself."""
    raft = {"applied_index": str(index), "commit_index": str(committed), "last_log_index": "9999", "state": state}
    return json.dumps({"Config": {}, "Stats": {"raft": raft}}, separators=(",", ":"))


@pytest.fixture
def server(machine: Sandbox) -> Sandbox:
    machine.install_bundle(CASES["minimal"].bundle("server"), "server", "server")
    machine.facts(SERVER, expect=0)
    machine.stand_in("curl", CURL)
    machine.stand_in("sv", f'ls {BEHIND} >>/standin/left; echo "$*" >>/standin/sv')
    return machine


def limits(machine: Sandbox) -> Path:
    return machine.path(f"{BEHIND}/limits.json")


def asked(machine: Sandbox) -> int:
    file = machine.path("/standin/asked")
    return file.read_text().count("agent/self") if file.exists() else 0


def pass_by(machine: Sandbox, looks: int = 3) -> None:
    before = asked(machine)
    wait_for(lambda: asked(machine) >= before + looks)


def test_a_server_that_joins_answers_nobody_until_it_has_read_what_the_leader_had(
    server: Sandbox, start: Start
) -> None:
    start(*RUN)
    pass_by(server)  # Consul has not started yet
    assert json.loads(limits(server).read_text()) == LIMITS
    assert limits(server).stat().st_mode & 0o777 == 0o644
    assert limits(server).parent.stat().st_mode & 0o777 == 0o755, "Consul runs as a user of its own"
    server.answer(SELF, read(499))
    for nobody_knows in ("", servers(leads=False), servers(last=0)):
        server.answer(RAFT, nobody_knows, 200 if nobody_knows else 500)
        pass_by(server)
        assert limits(server).exists()
    server.answer(RAFT, servers())
    pass_by(server)
    assert limits(server).exists(), "one entry is missing"
    server.answer(SELF, read(500))
    wait_for(server.path("/standin/sv").exists)
    assert not limits(server).exists()
    assert server.read("/standin/sv") == "hup /etc/service/consul\n"
    assert server.read("/standin/left") == "", "it is gone before Consul reads its configuration again"
    wait_for(lambda: server.said() == ["hashistack: Consul has read the log up to 500: it answers everybody now"])


def test_a_server_with_a_log_of_its_own_reads_it_again(server: Sandbox, start: Start) -> None:
    server.facts(SERVER, expect=3)
    server.path("/var/lib/hashistack/consul/raft").mkdir(parents=True)
    start(*RUN)
    wait_for(limits(server).exists)


def test_a_server_that_leads_reads_what_was_agreed_on(server: Sandbox, start: Start) -> None:
    server.answer(RAFT, servers(last=0))  # autopilot does not know of it yet
    server.answer(SELF, read(499, 500, "Leader"))
    start(*RUN)
    pass_by(server)
    assert limits(server).exists()
    server.answer(SELF, read(500, 500, "Leader"))
    wait_for(server.path("/standin/sv").exists)
    assert not limits(server).exists()


def test_the_first_servers_of_a_cluster_answer_at_once(server: Sandbox) -> None:
    server.facts(SERVER, expect=3)
    server.write(f"{BEHIND}/limits.json", "{}")
    assert server.run(f"{BIN}/catch-up").returncode == 0
    assert not limits(server).exists()
    assert asked(server) == 0


def test_it_ends_with_its_consul(server: Sandbox, start: Start) -> None:
    server.write("/standin/consul", f"{BIN}/catch-up && exec sleep 1\n")
    # As runit, which goes on.
    start("/bin/sh", "-c", "sh /standin/consul; touch /standin/ended; exec sleep 1000")
    wait_for(server.path("/standin/ended").exists)

    def quiet() -> bool:
        before = asked(server)
        time.sleep(0.5)
        return asked(server) == before

    wait_for(quiet)
    assert limits(server).exists()


def test_health_says_so(server: Sandbox) -> None:
    server.stand_in("getent", "exit 0")
    server.answer(RAFT, json.dumps({"Servers": [{"Address": f"{ADDRESS}:8300", "Voter": True}]}, separators=(",", ":")))
    for written, state in ((True, "still reading the log"), (False, "voter")):
        if written:
            server.write(f"{BEHIND}/limits.json", "{}")
        else:
            limits(server).unlink()
        said = json.loads(server.run(f"{BIN}/health").stdout)
        assert said["checks"]["consul"] == state


@pytest.mark.parametrize("shell", ["dash"], indirect=True)  # Consul is the one under test
def test_the_real_consul_refuses_until_it_has_read_its_log(machine: Sandbox, start: Start) -> None:
    """Alone, and twice: at first it makes a cluster, and then it finds a log."""
    machine.install_bundle(CASES["minimal"].bundle("server"), "server", "server")
    secrets = document("minimal", "server")
    machine.facts(secrets, servers=1, quorum=1, expect=1)
    tool = resolve("consul", CASES["minimal"].spec.versions.consul)
    machine.mounts[tool.path.parent] = "/tool"
    assert machine.run(f"{BIN}/render").returncode == 0
    (run,) = [line for line in machine.read(f"{BIN}/../sv/consul").splitlines() if line.startswith("exec chpst")]
    arguments = run.partition(" agent ")[2]
    machine.stand_in("sv", 'kill -HUP "$(cat /standin/pid)"')
    machine.write(
        "/standin/consul",
        f"{BIN}/catch-up && echo $$ >/standin/pid && exec /tool/consul agent {arguments} >/standin/log\n",
    )
    # What an agent would be told: once a round, until it is an answer.
    asks = (
        f"curl -s -o /dev/null -w '%{{http_code}}\\n' -H 'X-Consul-Token: {secrets['consul_management']}' "
        "http://127.0.0.1:8500/v1/kv/none?recurse"
    )
    machine.write(
        "/standin/life",
        f"sh /standin/consul & i=0; while [ $i -lt 200 ]; do i=$((i + 1)); code=$({asks})\n"
        "echo $code >>/standin/codes\n"
        "[ $code != 404 ] || break; sleep 0.05; done; kill -9 $(cat /standin/pid)\n",
    )
    for behind in (False, True):
        machine.write("/standin/codes", "")
        done = machine.run("/bin/sh", "/standin/life", timeout=100)
        codes = machine.read("/standin/codes").split()
        assert codes[-1:] == ["404"], (codes, done, machine.read("/standin/log")[-2000:])
        assert set(codes) - {"000"} == {"429", "404"} if behind else "429" not in codes

"""A tunnel over stand-in programs that forward for real: how it opens, heals and ends, and who finds it."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from hashistack.errors import HashistackError
from hashistack.ops.api import port_forward, tunnel
from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.connection import Connection
from hashistack.ops.api.port_forward import NoSession, Program, forward

from ..box.sessions import Programs
from ..cluster.project import until
from .conftest import Pki, free_ports
from .test_balanced import answering

SECONDS = 120


class Front:
    """A platform's part: sessions through `machines` to a server here, whose port the declared address has."""

    remedy = "look at the agent"

    def __init__(self, programs: Programs, machines: Sequence[str] = ("one", "two", "three")) -> None:
        self.programs, self.found = programs, list(machines)
        self.broken = ""

    def machines(self) -> Sequence[str]:
        if self.broken:
            raise HashistackError(self.broken, "log in")
        return self.found

    def program(self, machine: str, address: str, port: int) -> Program:
        where = f"host=127.0.0.1,portNumber={address.rpartition(':')[2]},localPortNumber={port}"
        command = (str(self.programs.directory / "aws"), "ssm", "start-session", "--target", machine)
        return Program((*command, "--parameters", where), dict(os.environ))


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    return Programs.of_aws(tmp_path / "bin")


@pytest.fixture
def front(programs: Programs) -> Front:
    return Front(programs)


@pytest.fixture
def hidden(pki: Pki, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Connection]:
    """A cluster whose APIs answer behind addresses that lead nowhere from here."""
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    monkeypatch.delenv(tunnel.VIA, raising=False)
    monkeypatch.setattr(port_forward, "PROBE_SECONDS", 0.2)
    with ExitStack() as ending:
        ports = [ending.enter_context(answering(pki, 200)).rpartition(":")[2] for _ in tunnel.PRODUCTS]
        apis = {
            product: {"address": f"https://internal.elb.invalid:{port}", "servers": [], "token": "t", **_login}
            for product, port in zip(tunnel.PRODUCTS, ports, strict=True)
        }
        yield Connection.parse({**_texts(pki), **apis, "pools": []})


_login = {"username": "operator", "password": "p"}


def _texts(pki: Pki) -> dict[str, object]:
    pem = {"ca_pem": pki.ca_pem, "operator_cert_pem": pki.cert_pem, "operator_key_pem": pki.key_pem}
    return {"format": 1, "name": "prod-1a2b", "provider": "aws", "datacenter": "dc1", "region": "global", **pem}


@contextmanager
def running(connection: Connection, front: Front) -> Iterator[tuple[Mapping[str, str], list[str]]]:
    """A tunnel in a thread, once it is open: the addresses, and what it tells."""
    told: list[str] = []
    here: dict[str, str] = {}
    opened, failed = threading.Event(), list[BaseException]()
    loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = []

    def tell(ends: Mapping[str, str]) -> None:
        here.update(ends)
        opened.set()

    async def main() -> None:
        task = asyncio.ensure_future(forward(connection, front, tell, told.append))
        loops.append((asyncio.get_running_loop(), task))
        await asyncio.wait([task])
        if not task.cancelled() and (error := task.exception()):
            failed.append(error)
        opened.set()

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    try:
        assert opened.wait(SECONDS)
        if failed:
            raise failed[0]
        yield here, told
    finally:
        loop, task = loops[0]
        loop.call_soon_threadsafe(task.cancel) if thread.is_alive() else None
        thread.join(SECONDS)
    assert not thread.is_alive()


def ask(connection: Connection) -> None:
    """Each product once, by the way that every command takes."""
    with Cluster(connection) as cluster:
        for api in (cluster.nomad.api, cluster.consul.api, cluster.vault.api):
            api.call("GET", "/v1/status", seconds=SECONDS)


def nothing_left(programs: Programs) -> Callable[[], bool]:
    return lambda: not programs.held()


def test_every_command_finds_an_open_tunnel_and_none_that_is_over(hidden: Connection, front: Front) -> None:
    with running(hidden, front) as (here, told):
        assert [*here] == ["nomad", "consul", "vault"]
        assert {product: tunnel.address(hidden, product) for product in here} == here
        ask(hidden)
        assert "look what `hashistack tunnel` says" in tunnel.remedy(hidden.name, [here["nomad"]])
    assert tunnel.address(hidden, "nomad") == hidden.nomad.address
    assert front.programs.held() == []
    assert [one["event"] for one in front.programs.sessions].count("ended") == 3, "each was ended as by Ctrl-C"
    assert told == []


def test_it_listens_at_the_apis_own_ports_where_these_are_free(hidden: Connection, front: Front) -> None:
    with running(hidden, front) as (here, _):  # the server behind it has the port already
        assert here["nomad"].rpartition(":")[2] != hidden.nomad.address.rpartition(":")[2]
    (port,) = free_ports(1)
    nomad = replace(hidden.nomad, address=f"https://internal.elb.invalid:{port}")
    real = hidden.nomad.address

    class Elsewhere(Front):
        def program(self, machine: str, address: str, port: int) -> Program:
            return super().program(machine, real if address == nomad.address else address, port)

    moved = replace(hidden, nomad=nomad)
    with running(moved, Elsewhere(front.programs)) as (here, _):
        assert here["nomad"] == f"https://127.0.0.1:{port}"
        ask(moved)


def test_a_session_that_is_killed_is_opened_again_through_another_machine(hidden: Connection, front: Front) -> None:
    with running(hidden, front) as (here, told):
        (first,) = (one for one in front.programs.held() if one["port"] == hidden.nomad.address.rpartition(":")[2])
        assert first["machine"] == "one"
        os.kill(first["pid"], signal.SIGKILL)
        ask(hidden)  # at the same address: a connection waits for the next session
        assert tunnel.address(hidden, "nomad") == here["nomad"]
        assert [one.partition(" (")[0] for one in told] == ["nomad: the session through one ended"]
        assert sorted(one["machine"] for one in front.programs.held()) == ["one", "one", "two"]


def test_a_session_that_says_nothing_any_more_is_opened_again(
    hidden: Connection, front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port_forward, "HANDSHAKE_SECONDS", 0.5)
    with running(hidden, front) as (_, told):
        (first,) = (one for one in front.programs.held() if one["port"] == hidden.vault.address.rpartition(":")[2])
        os.kill(first["pid"], signal.SIGSTOP)
        noticed = "vault: the session through one ended (nobody answers); another one is opened"
        until(lambda: noticed in told, SECONDS, lambda: f"{told}")
        monkeypatch.setattr(port_forward, "HANDSHAKE_SECONDS", 5.0)
        ask(hidden)
        until(lambda: first["pid"] not in [one["pid"] for one in front.programs.held()], SECONDS, "it is ended")


def test_a_machine_without_an_agent_is_passed_over(hidden: Connection, front: Front) -> None:
    front.programs.refuse("one", "An error occurred (TargetNotConnected): one is not connected.")
    with running(hidden, front) as (_, told):
        ask(hidden)
        assert {one["machine"] for one in front.programs.held()} == {"two"}
        assert told == []


def test_where_no_machine_leads_there_it_says_what_each_said(hidden: Connection, front: Front) -> None:
    for machine in front.found:
        front.programs.refuse(machine, f"An error occurred (TargetNotConnected): {machine} is not connected.")
    with pytest.raises(NoSession) as refused, running(hidden, front):
        pass
    first, *others = str(refused.value).splitlines()
    assert first.startswith("no session leads to ")
    said = [f"  {one}: An error occurred (TargetNotConnected): {one} is not connected." for one in front.found]
    assert others == [*said, "Next: look at the agent"]
    assert tunnel.address(hidden, "nomad") == hidden.nomad.address
    until(nothing_left(front.programs), SECONDS, "nothing is left")


def test_without_a_server_or_a_login_it_says_so(hidden: Connection, front: Front) -> None:
    front.found = []
    with pytest.raises(NoSession, match="no server runs"), running(hidden, front):
        pass
    front.broken = "the AWS credentials have expired"
    with (
        pytest.raises(HashistackError, match=r"^the AWS credentials have expired\. Next: log in"),
        running(hidden, front),
    ):
        pass


def test_what_fails_while_it_is_open_is_told_and_tried_again(
    hidden: Connection, front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port_forward, "PAUSES", (0.05, 0.1))
    with running(hidden, front) as (_, told):
        front.broken = "the AWS credentials have expired"
        for one in front.programs.held():
            os.kill(one["pid"], signal.SIGKILL)
        until(lambda: len(told) >= 9, SECONDS, lambda: f"{told}")  # of each: it ended, and two tries
        front.broken = ""
        ask(hidden)
        assert len([one for one in told if "expired" in one]) == 6, "no line a try for ever"


def test_who_is_no_server_of_the_cluster_gets_nothing(hidden: Connection, front: Front) -> None:
    front.found = ["one"]
    with pytest.raises(NoSession, match="no server of this cluster"), running(replace(hidden, region="else"), front):
        pass


def test_a_second_tunnel_is_refused_and_one_that_was_killed_is_none(hidden: Connection, front: Front) -> None:
    with running(hidden, front) as (here, _):
        with pytest.raises(tunnel.TunnelOpen, match=f"is open already, at {here['nomad']}"), running(hidden, front):
            pass
        with pytest.raises(tunnel.TunnelOpen), tunnel.announced(hidden.name, {}):
            pass
        ask(hidden)
    with running(hidden, front):  # the file of the first is there still
        ask(hidden)


COMMAND = """
import sys
from pathlib import Path
from types import SimpleNamespace
root, place, bin = sys.argv[1:]
sys.path.insert(0, root)
from hashistack import platforms
from hashistack.cli import engine
from hashistack.cli.commands import tunnel
from hashistack.cli.main import main
from hashistack.ops.api.connection import Connection
from tests.box.sessions import Programs
from tests.ops.test_port_forward import Front
connection = Connection.parse(Path(place).read_text())
engine.Engine = lambda *given: SimpleNamespace(connection=lambda: connection)
platforms.forwarder = lambda connection: Front(Programs(Path(bin)))
tunnel.named_project = lambda *given: SimpleNamespace(option=" -C shop")
sys.argv = ["hashistack", "tunnel"]
main()
"""
"""The command, of a stack and a platform that are here."""


@pytest.mark.parametrize(("by", "code"), [(signal.SIGINT, 0), (signal.SIGKILL, -signal.SIGKILL)])
def test_nothing_is_left_of_a_command_that_is_ended(
    hidden: Connection, front: Front, tmp_path: Path, by: signal.Signals, code: int
) -> None:
    """Not even by SIGKILL, which nobody can handle: neither the CLI nor its plugin."""
    (tmp_path / "connection.json").write_text(hidden.text())
    given = (Path(__file__).parents[2], tmp_path / "connection.json", front.programs.directory)
    command = [sys.executable, "-c", COMMAND, *map(str, given)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            said = [process.stdout.readline() for _ in range(5)]
            here = tunnel.opened(hidden.name)
            addresses = [here[getattr(hidden, product).address] for product in tunnel.PRODUCTS]
            assert said == [
                *(f"{product:<7} {one}\n" for product, one in zip(tunnel.PRODUCTS, addresses, strict=True)),
                "Other hashistack commands of yours take this way by themselves. Ctrl-C closes it.\n",
                'Other programs: eval "$(hashistack env -C shop)" in another shell.\n',
            ]
            ask(hidden)
            assert len(front.programs.held()) == 3
            process.send_signal(by)
            assert process.wait(SECONDS) == code
        finally:
            process.kill()
    until(nothing_left(front.programs), SECONDS, lambda: f"{front.programs.held()}")
    assert [one["event"] for one in front.programs.sessions].count("ended") == 3
    assert tunnel.opened(hidden.name) == {}


def test_who_cancels_while_a_session_ends_waits_for_that(
    hidden: Connection, front: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port_forward, "OPEN_SECONDS", 0.5)
    asked, running = tmp_path / "asked", tmp_path / "running"
    script = f"trap 'echo >>{asked}' INT; echo $$ >>{running}; while :; do sleep 0.1; done"

    class Stubborn(Front):
        def program(self, machine: str, address: str, port: int) -> Program:
            return Program(("sh", "-c", script), dict(os.environ))

    async def cancelled() -> None:
        task = asyncio.ensure_future(forward(hidden, Stubborn(front.programs), lambda _: None, lambda _: None))
        async with asyncio.timeout(SECONDS):
            while not asked.exists():
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(cancelled())
    alive = [Path(f"/proc/{one}/fd") for one in running.read_text().split()]
    until(lambda: not any(one.exists() for one in alive), SECONDS, "they are gone")
    # asyncio's own threads hold what waits for a program that still runs.
    until(lambda: not any("waitpid" in one.name for one in threading.enumerate()), SECONDS, "nobody waits")
    gc.collect()  # warns of what was left open


def test_a_program_that_does_not_end_is_killed(tmp_path: Path) -> None:
    """Beside it what it has started: the whole group."""
    stubborn = "trap '' INT; sleep 1000 & echo $!; wait"
    tether = Path(port_forward.__file__).with_name("tether.py")
    command = [sys.executable, "-I", str(tether), "sh", "-c", stubborn]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdin and process.stdout
        child = int(process.stdout.readline())
        process.stdin.close()
        assert process.wait(SECONDS) == -signal.SIGKILL
    until(lambda: not Path(f"/proc/{child}/fd").exists(), SECONDS, "it is gone")

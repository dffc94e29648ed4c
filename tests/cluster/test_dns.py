"""Names resolve while the local Consul agent, a server or an upstream is away: 0 of 1,000 look-ups fail."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from docker.models.containers import Container

from bench.dns_message import A, answers, question

from .datacenter import Datacenter, Machine
from .project import until

LOOKUPS = 1000
KILLS = 3
BEFORE = 100
"""Look-ups before anything is disturbed."""

# By the libc, with its retries, as every program on the machine would ask. {name} may hold $i: a name never asked for.
_LOOP = """\
now() {{ read -r up rest </proc/uptime; up=${{up%.*}}${{up#*.}}; }}
i=0 slowest=0
while [ $i -lt {lookups} ] || [ ! -e /run/test-is-over ]; do
  i=$((i + 1))
  now; began=$up
  getent ahostsv4 "{name}" >/dev/null || {{ {again}; }} || echo "failed: $i"
  now; [ $((up - began)) -le $slowest ] || slowest=$((up - began))
  [ $i != {before} ] || echo begin
  sleep 0.005
done
echo "slowest: $slowest"
echo "asked: $i"
"""

_UPSTREAM = """\
server:
  interface: 0.0.0.0
  access-control: 0.0.0.0/0 allow
  do-daemonize: no
  use-syslog: no
  logfile: ""
  pidfile: ""
  chroot: ""
  username: ""
  directory: "/"
  local-zone: "upstream.example." redirect
  local-data: "upstream.example. 60 A 192.0.2.7"
"""


@dataclass(frozen=True)
class Asked:
    """How a run of look-ups went; the slowest took so many seconds."""

    total: int
    failed: list[int]
    slowest: float


def ask(machine: Machine, name: str, disturb: Callable[[], None], again: float = 0) -> Asked:
    """At least 1,000 look-ups of `name` on `machine`, and as many as it takes until `disturb` has ended.

    again: one that fails is tried again after so many seconds, up to four times; 0 for not at all.
    """
    once = f'{{ echo "again: $i"; sleep {again}; getent ahostsv4 "{name}" >/dev/null; }}'
    retry = " || ".join([once] * 4) if again else "false"
    machine.sh("rm -f /run/test-is-over /run/test-asked")
    script = _LOOP.format(lookups=LOOKUPS, before=BEFORE, name=name, again=retry)
    machine.container.exec_run(["sh", "-c", f"{{ {script} }} >/run/test-asked 2>&1"], detach=True)
    told = ""

    def tells(what: str) -> bool:
        nonlocal told
        told = machine.run("cat /run/test-asked")[1]
        return what in told

    try:
        until(lambda: tells("begin"), 60, f"{machine.name} looks {name} up")
        disturb()
    finally:
        machine.sh("touch /run/test-is-over")
    until(lambda: tells("asked"), 300, f"{machine.name} looks {name} up {LOOKUPS} times")
    failed = [int(found) for found in re.findall(r"failed: (\d+)", told)]
    slowest = int(re.findall(r"slowest: (\d+)", told)[0]) / 100
    asked = Asked(int(told.rpartition("asked: ")[2]), failed, slowest)
    print(f"{asked.total} look-ups of {name}, the slowest took {asked.slowest:.2f} s, {len(failed)} failed")
    print(f"{told.count('again')} were tried again")
    return asked


@pytest.fixture
def away(datacenter: Datacenter) -> Machine:
    """A client that does not run the smoke job: its agent's loss is not the service's."""
    jobs = datacenter.nomad("/v1/job/smoke/allocations")
    busy = {allocation["NodeName"] for allocation in jobs if allocation["ClientStatus"] == "running"}
    return next(machine for machine in datacenter.clients if machine.name not in busy)


@pytest.fixture
def resolvers(datacenter: Datacenter) -> Iterator[list[Container]]:
    """The two upstreams of the session's cluster, as containers in its network."""
    machine = datacenter.clients[0]
    made = []
    network = datacenter.client.networks.get(datacenter.site)
    try:
        for address in datacenter.project.configuration()["cluster"]["dns"]["upstreams"]:
            container = datacenter.client.containers.create(
                machine.container.image,
                ["-c", f"printf '%s' '{_UPSTREAM}' >/unbound.conf; exec unbound -d -c /unbound.conf"],
                entrypoint="sh",
                name=f"{datacenter.site}-upstream-{address}",
                network_mode="none",
            )
            made.append(container)
            datacenter.client.networks.get("none").disconnect(container)
            network.connect(container, ipv4_address=address)
            container.start()
        addresses = datacenter.project.configuration()["cluster"]["dns"]["upstreams"]
        until(lambda: all(map(_answers, addresses)), 60, "both upstreams answer")
        until(lambda: machine.run("getent ahostsv4 first.upstream.example")[0] == 0, 60, "the machine knows it")
        yield made
    finally:
        for container in made:
            container.remove(force=True, v=True)


def _answers(upstream: str) -> bool:
    with socket.socket(type=socket.SOCK_DGRAM) as asking:
        asking.settimeout(1)
        try:
            asking.connect((upstream, 53))
            asking.send(question(1, "first.upstream.example", A))
            return bool(answers(asking.recv(512))[1])
        except OSError:
            return False


def test_without_the_local_consul_agent(datacenter: Datacenter, away: Machine) -> None:
    def stop() -> None:
        away.sh("sv -w 60 down /etc/service/consul")
        assert away.get("http://127.0.0.1:8500/v1/status/leader")[0] == 0

    try:
        asked = ask(away, "smoke.service.consul", stop)
    finally:
        away.sh("sv up /etc/service/consul")
    assert not asked.failed
    assert asked.total >= LOOKUPS
    datacenter.healthy()


def test_without_one_server_and_vault_opens_when_it_is_back(datacenter: Datacenter, away: Machine) -> None:
    server = datacenter.servers[0]
    before = datacenter.consul(f"/v1/catalog/node/{server.name}")["Node"]["ID"]
    address = datacenter.declared.vault.servers[int(server.container.labels["hashistack.slot"])]
    try:
        asked = ask(away, "smoke.service.consul", lambda: server.container.stop(timeout=20))
    finally:
        server.container.start()
    assert not asked.failed
    assert asked.total >= LOOKUPS
    assert datacenter.healthy()["can_lose"] == {"nomad": 1, "consul": 1, "vault": 1}
    with datacenter.http() as http:
        assert http.get(address + "/v1/sys/seal-status").json()["sealed"] is False
    assert datacenter.consul(f"/v1/catalog/node/{server.name}")["Node"]["ID"] == before


def test_without_one_upstream(datacenter: Datacenter, resolvers: list[Container], away: Machine) -> None:
    asked = ask(away, "n$i.upstream.example", lambda: resolvers[0].kill())
    assert not asked.failed
    assert asked.total >= LOOKUPS


def test_f19_while_unbound_is_killed_no_look_up_fails_for_good(datacenter: Datacenter, away: Machine) -> None:
    def pid() -> str:
        return away.run("pgrep -o -x unbound")[1].strip()

    def settled() -> bool:
        """For a service that ends in its first second, the supervisor waits for another one."""
        said = away.sh("sv status /etc/service/unbound")
        return said.startswith("run:") and int(said.partition(") ")[2].partition("s")[0]) >= 2

    def kill() -> None:
        for _ in range(KILLS):
            until(settled, 30, "unbound runs")
            killed = pid()
            away.sh(f"kill -9 {killed} || ! kill -0 {killed}")
            until(lambda killed=killed: pid() not in ("", killed), 30, "a restart")

    # glibc asks a port three times at once where nobody listens, and gives up: for as long as unbound takes to start, a
    # program has to ask again. musl waits by itself.
    asked = ask(away, "smoke.service.consul", kill, again=0.5)
    assert not asked.failed
    assert asked.total >= LOOKUPS
    datacenter.healthy()


def test_f20_with_one_of_the_servers_silent(datacenter: Datacenter, away: Machine) -> None:
    # Its answers, since who sends what is dropped on his own machine is told so.
    rule = f"INPUT -p udp -s {datacenter.servers[0].ip} --sport 8600 -j DROP"
    drop = f"iptables -w -C {rule} 2>/dev/null || iptables -w -I {rule}"
    try:
        asked = ask(away, "smoke.service.consul", lambda: away.sh(drop))
        dropped = away.sh("iptables -w -L INPUT -v -n -x | grep 'spt:8600'").split()[0]
    finally:
        away.sh(f"while iptables -w -D {rule} 2>/dev/null; do :; done")
    print(f"{dropped} packets dropped")
    assert int(dropped) > 0
    assert not asked.failed
    assert asked.total >= LOOKUPS

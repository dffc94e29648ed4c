"""The real DHCP clients beside a machine's resolver: leases that last a second, renewed ten times, and a reboot.

A client is up before user data is, has read its configuration by then, and so would learn nothing from it any more: on
the official images of Alpine, that is, until the first renewal, half an hour later.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest

from .conftest import Start, wait_for
from .sandbox import ADDRESS, Sandbox
from .test_any_image import imaged, provision

RENEWALS = 10
OWN = f"nameserver {ADDRESS}\noptions timeout:1 attempts:3\n"

CLIENTS = {
    "dhcpcd": ("dhcpcd -B -4 -A {interface}", ("/etc/dhcpcd.conf",)),
    "dhclient": (
        "dhclient -d -pf /run/dhclient.pid -lf /var/dhclient.leases {interface}",
        ("/etc/dhcp/dhclient.conf", "/etc/dhcp/dhclient-enter-hooks.d/debug"),
    ),
    "udhcpc": ("busybox udhcpc -f -i {interface}", ("/etc/udhcpc/default.script",)),
}
"""How each runs in the foreground, and what its package has under /etc."""

SERVER = """
ip link add {interface} type veth peer name {peer}
ip link set {interface} up
unshare --net sh -c '
  until ip link show {peer} >/dev/null 2>&1; do sleep 0.05; done
  ip addr add 10.53.0.1/24 dev {peer}
  ip link set {peer} up
  exec busybox udhcpd -f -I 10.53.0.1 /tmp/udhcpd.conf >/tmp/dhcp.log 2>&1' &
server=$!
until [ "$(readlink /proc/$server/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
ip link set {peer} netns $server
while :; do
  rm -f /tmp/stop /tmp/renew
  {client} &
  client=$!
  until [ -e /tmp/stop ]; do
    {told}
    sleep 0.3
  done
  kill -9 $client
  wait $client
  echo >/tmp/stopped
done
"""


TOLD = "[ {name} != udhcpc ] || [ ! -e /tmp/renew ] || kill -USR1 $client"
"""udhcpc alone does not go by the time that the server gives, but renews when it is told to."""

UDHCPD = """
interface vpc1
start 10.53.0.50
end 10.53.0.90
lease_file /tmp/leases
option subnet 255.255.255.0
option dns 10.53.0.2
option lease 20
option 0x3a 00000001
"""
"""20 s is the least that dhcpcd takes; option 58 says that it is to be renewed after one."""


@pytest.mark.parametrize(("client", "shell"), [("dhcpcd", "busybox"), ("dhclient", "dash"), ("udhcpc", "dash")])
def test_the_resolver_stays_ours_when_a_lease_is_renewed_and_after_a_reboot(
    machine: Sandbox, start: Start, client: str
) -> None:
    command = _imaged(machine, client, UDHCPD)
    command, told = command.format(interface="vpc0"), TOLD.format(name=client)
    start("sh", "-c", SERVER.format(interface="vpc0", peer="vpc1", client=command, told=told))
    resolvers = machine.path("/etc/resolv.conf")
    _renewals(machine, 1)
    assert "nameserver 10.53.0.2" in resolvers.read_text()  # so it does write the file
    provision(machine)
    _renewals(machine, 1)  # a script that began before has ended
    machine.write("/etc/resolv.conf", OWN)  # as `boot` does
    _renewals(machine, RENEWALS, lambda: _is_own(machine))
    machine.write("/tmp/stop", "")
    wait_for(machine.path("/tmp/stopped").exists)
    machine.path("/tmp/stopped").unlink()
    _renewals(machine, 1, lambda: _is_own(machine))


@pytest.mark.parametrize(("client", "shell"), [("dhcpcd", "busybox"), ("udhcpc", "dash")])
def test_a_smoke_run_has_a_lease_renewed(machine: Sandbox, start: Start, client: str) -> None:
    """By the probe's own function; of itself this client would do so after five minutes."""
    probe = files("hashistack.aws.smoke").joinpath("probe").read_text()
    renew = re.search(r"^renew\(\) \{\n.*?^\}\n", probe, re.MULTILINE | re.DOTALL)
    assert renew
    machine.write("/tmp/renew.sh", f"{renew[0]}renew\n")
    command = _imaged(machine, client, UDHCPD.replace("option lease 20\noption 0x3a 00000001\n", "option lease 600\n"))
    # As on Alpine: by its own name.
    command = command.replace("busybox udhcpc", "/tmp/udhcpc").format(interface="vpc0")
    machine.path("/tmp/udhcpc").symlink_to(shutil.which("busybox") or "busybox")
    told = "[ ! -e /tmp/renew ] || { rm /tmp/renew && sh /tmp/renew.sh; }"
    start("sh", "-c", SERVER.format(interface="vpc0", peer="vpc1", client=command, told=told))
    wait_for(lambda: _acknowledged(machine) == 1)
    machine.write("/tmp/renew", "")
    wait_for(lambda: _acknowledged(machine) == 2)


def _imaged(machine: Sandbox, client: str, server: str) -> str:
    """A machine with the files of a client, and of a server; the client's command."""
    for program in (client, "busybox"):
        assert shutil.which(program), f"{program} is missing: see scripts/setup test"
    imaged(machine, "server")
    command, its_files = CLIENTS[client]
    for file in its_files:
        source = Path(file)
        machine.write(file, source.read_text(), source.stat().st_mode)
    machine.write("/etc/fstab", "")
    machine.write("/tmp/udhcpd.conf", server)
    machine.write("/tmp/leases", "")
    for directory in ("/var/lib/dhcpcd", "/run/dhcpcd"):
        machine.path(directory).mkdir(parents=True)
    return command


def _is_own(machine: Sandbox) -> None:
    assert machine.read("/etc/resolv.conf") == OWN, "\n".join(machine.said()[-20:])


def _renewals(machine: Sandbox, count: int, holds: Callable[[], None] = lambda: None) -> None:
    """A lease, and so many renewals of it, through which something holds."""
    before = _acknowledged(machine)

    def given(times: int) -> bool:
        holds()
        return _acknowledged(machine) >= before + times

    wait_for(lambda: given(1))
    machine.write("/tmp/renew", "")
    wait_for(lambda: given(1 + count), seconds=60)


def _acknowledged(machine: Sandbox) -> int:
    """How often the server has given the lease, or given it again."""
    log = machine.path("/tmp/dhcp.log")
    return log.read_text().count("sending ACK to") if log.exists() else 0

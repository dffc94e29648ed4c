"""A cluster that is stopped, as a laptop's reboot stops it, is the same cluster when it is started again."""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from hashistack.local import labels
from hashistack.local.handlers.network import NetworkHandler
from hashistack.provider.handler import Context

from .conftest import free_subnet
from .datacenter import Datacenter, Machine


def _written(datacenter: Datacenter, value: str) -> None:
    datacenter.vendor("consul", "kv", "put", "stopped/key", value)
    datacenter.vendor("nomad", "var", "put", "-force", "stopped/variable", f"value={value}")
    datacenter.vendor("vault", "kv", "put", "kv/default/stopped", f"value={value}")


def _read(datacenter: Datacenter) -> list[str]:
    variable = json.loads(datacenter.vendor("nomad", "var", "get", "-out=json", "stopped/variable"))
    return [
        datacenter.vendor("consul", "kv", "get", "stopped/key").strip(),
        variable["Items"]["value"],
        datacenter.vendor("vault", "kv", "get", "-field=value", "kv/default/stopped"),
    ]


def _identity(datacenter: Datacenter) -> dict[str, tuple[str | None, str]]:
    """Each machine's container and address: both stay for as long as the machine exists."""
    return {one.name: (one.container.id, _address(one)) for one in datacenter.machines()}


def _address(machine: Machine) -> str:
    network = next(iter(machine.container.attrs["NetworkSettings"]["Networks"].values()))
    return str(network["IPAMConfig"]["IPv4Address"])


def _running(datacenter: Datacenter) -> int:
    return sum(one.container.status == "running" for one in datacenter.machines())


@contextmanager
def _listening(port: int) -> Iterator[None]:
    """Another program on a loopback port."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        yield


def _stopped(datacenter: Datacenter, before: dict[str, tuple[str | None, str]]) -> None:
    """Stops it, and sees what is said and what is kept; all but one machine run again in the end."""
    said = datacenter.project.run("stop")
    assert "with all data. Next: hashistack start" in said
    assert _running(datacenter) == 0

    # It says that it is stopped, and how to start it.
    assert datacenter.status()["problems"] == [
        "the cluster is stopped, with its data: 5 machines. Next: hashistack start"
    ]
    assert "Stopped: all machines. Next: hashistack start" in datacenter.project.run("env", code=2)

    # Nothing of it runs, the proxy before its servers neither.
    assert datacenter.client.containers.list(filters=labels.of(datacenter.site)) == []

    # Its ports are its own, though nobody listens there, and even Docker has forgotten its network.
    cidr = free_subnet(datacenter.client)
    (network,) = datacenter.client.networks.list(filters=labels.of(datacenter.site))
    base = int(network.attrs["Labels"][labels.PORT_BASE])
    network.remove()
    other = f"other-{secrets.token_hex(4)}"
    inputs = {"site": other, "labels": {labels.SITE: other}, "cidr": cidr}
    id, made = NetworkHandler().create(Context(), inputs)
    NetworkHandler().delete(Context(), id, {**inputs, **made})
    assert made["port_base"] != base

    # A port that somebody has taken is one clear error: nothing is lost, and the others run.
    port = int(datacenter.servers[0].container.attrs["HostConfig"]["PortBindings"]["8200/tcp"][0]["HostPort"])
    with _listening(port):
        said = datacenter.project.run("up", code=2)
    assert f"its port {port} on loopback is taken by another program" in said
    assert "Nothing was removed" in said
    assert _identity(datacenter).keys() == before.keys()


def test_a_stopped_cluster_comes_back_with_its_data_and_gives_nothing_away_meanwhile(datacenter: Datacenter) -> None:
    datacenter.healthy()
    _written(datacenter, "kept")
    before = _identity(datacenter)
    try:
        _stopped(datacenter, before)
    finally:
        said = datacenter.project.run("up")  # also where the test has failed: others use the cluster too
    assert "start again 1 stopped machine" in said
    assert _identity(datacenter) == before
    datacenter.log_in_again()
    datacenter.healthy()
    assert _read(datacenter) == ["kept"] * 3
    assert "nothing to change" in datacenter.project.run("up")


def test_one_server_that_is_stopped_is_started_by_heal_and_not_replaced(datacenter: Datacenter) -> None:
    datacenter.healthy()
    before = _identity(datacenter)
    datacenter.servers[1].container.stop(timeout=30)
    said = datacenter.project.run("heal")
    assert "start again 1 stopped machine" in said
    assert _identity(datacenter) == before
    datacenter.healthy()

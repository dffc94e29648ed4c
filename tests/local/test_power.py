"""Machines that are stopped: which of them are started again, and what Docker may put in the way."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest

from hashistack.local import power
from hashistack.local.machines import Machine
from hashistack.provider.handler import ResourceFailed

SITE = "shop-1a2b"


def machine(name: str = "server-1", state: str = "exited") -> Machine:
    return Machine(name, name, name.rpartition("-")[0], 0, state, "b" * 64, 1, "10.213.0.7")


class Api:
    """A Docker with one network and machines in it, which refuses to start what `refused` names."""

    def __init__(
        self, policy: str = "unless-stopped", restarts: int = 0, told: bool = False, network: str = "n1"
    ) -> None:
        self.policy, self.restarts, self.told, self.network = policy, restarts, told, network
        self.refused: dict[str, str] = {}
        self.done: list[tuple[Any, ...]] = []

    def inspect_container(self, container: str) -> dict[str, Any]:
        endpoint = {"NetworkID": self.network, "IPAMConfig": {"IPv4Address": "10.213.0.7"}}
        return {
            "HostConfig": {"RestartPolicy": {"Name": self.policy}},
            "RestartCount": self.restarts,
            "Config": {"Labels": {"hashistack.role": "server" if container.startswith("server") else "client"}},
            "NetworkSettings": {"Networks": {SITE: endpoint} if self.network else {}},
        }

    def inspect_network(self, name: str) -> dict[str, Any]:
        assert name == SITE
        return {"Id": "n1"}

    def get_archive(self, container: str, path: str) -> None:
        if not self.told:
            raise docker.errors.NotFound("no")

    def start(self, container: str) -> None:
        if said := self.refused.get(container):
            raise docker.errors.APIError("no", explanation=said)
        self.done.append(("start", container))

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **given: self.done.append((name, *args, *given.items()))


def client(api: Api) -> Any:
    return SimpleNamespace(api=api)


@pytest.mark.parametrize(
    ("state", "docker_says", "life"),
    [
        ("running", {}, "running"),
        ("restarting", {}, "running"),
        ("running", {"policy": "no"}, "leaving"),
        ("running", {"restarts": 1}, "running"),
        ("running", {"restarts": 1, "told": True}, "terminated"),
        ("exited", {}, "stopped"),
        ("paused", {}, "stopped"),
        ("exited", {"policy": "no"}, "terminated"),
        ("exited", {"told": True}, "terminated"),
        ("created", {}, "terminated"),
        ("dead", {}, "terminated"),
        ("removing", {}, "terminated"),
    ],
)
def test_a_machine_that_nobody_told_to_go_is_stopped_and_no_more(
    state: str, docker_says: dict[str, Any], life: str
) -> None:
    assert power.life(client(Api(**docker_says)), machine(state=state)) == life


def test_one_that_was_removed_meanwhile_is_gone() -> None:
    def inspect(container: str) -> None:
        raise docker.errors.NotFound("no such container")

    gone = SimpleNamespace(api=SimpleNamespace(inspect_container=inspect))
    assert power.life(gone, machine()) == "terminated"  # type: ignore[arg-type]
    assert power.alive(gone, [machine()]) == []  # type: ignore[arg-type]


def test_stopped_machines_are_started_as_they_are() -> None:
    api = Api()
    power.start(client(api), SITE, [machine("server-1"), machine("web-1")])
    assert sorted(api.done) == [("start", "server-1"), ("start", "web-1")]


def test_one_that_is_paused_goes_on() -> None:
    api = Api()
    power.start(client(api), SITE, [machine(state="paused")])
    assert api.done == [("unpause", "server-1")]


def test_where_the_network_was_made_anew_they_come_back_under_their_addresses() -> None:
    api = Api(network="n0")
    power.start(client(api), SITE, [machine()])
    names = ["server-1.hashistack.internal", "servers.hashistack.internal", "slot-0.hashistack.internal"]
    assert api.done == [
        ("disconnect_container_from_network", "server-1", SITE, ("force", True)),
        ("connect_container_to_network", "server-1", "n1", ("ipv4_address", "10.213.0.7"), ("aliases", names)),
        ("start", "server-1"),
    ]


def test_one_that_a_killed_start_left_without_a_network_gets_it_back() -> None:
    api = Api(network="")
    power.start(client(api), SITE, [machine("web-1")])
    (connect, start) = api.done
    assert connect[:3] == ("connect_container_to_network", "web-1", "n1")
    assert connect[4] == ("aliases", ["web-1.hashistack.internal", "web.pool.hashistack.internal"])
    assert start == ("start", "web-1")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "driver failed programming external connectivity on endpoint x: Error starting userland proxy: listen tcp4 "
            "127.0.0.1:24000: bind: address already in use",
            "its port 24000 on loopback is taken by another program",
        ),
        ("Bind for 127.0.0.1:24000 failed: port is already allocated", "its port 24000 on loopback is taken"),
        ("Address already in use", "its address 10.213.0.7 is taken by another container"),
        ("no space left on device", "Docker says: no space left on device"),
    ],
)
def test_what_is_in_the_way_is_said_for_each_and_the_others_start(said: str, told: str) -> None:
    api = Api()
    api.refused = {"server-1": said, "server-2": said}
    with pytest.raises(ResourceFailed) as failed:
        power.start(client(api), SITE, [machine("server-1"), machine("server-2"), machine("server-3")])
    first, second, kept, after = str(failed.value).splitlines()
    assert first.startswith(f"machine server-1 can't start: {told}")
    assert second.startswith(f"machine server-2 can't start: {told}")
    assert (kept, after) == ("Nothing was removed.", "Next: mend that, then repeat")
    assert api.done == [("start", "server-3")]


def test_machines_are_stopped_with_time_for_their_services() -> None:
    api = Api()
    power.stop(client(api), [machine(state="running"), machine("web-1", "paused")])
    timeout = ("timeout", power.STOP_SECONDS)
    assert sorted(api.done) == [
        ("stop", "server-1", timeout),
        ("stop", "web-1", timeout),
        ("unpause", "web-1"),
    ]

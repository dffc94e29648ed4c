"""Machines that are there: where each is in its life, stopped, and started again with what it holds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Literal

from hashistack.local import labels, machines
from hashistack.local.machines import STAY, Machine
from hashistack.provider.handler import ResourceFailed

if TYPE_CHECKING:
    import docker

Life = Literal["running", "leaving", "stopped", "terminated"]
"""As a rollout sees it: `ops.rollout.driver.Instance`."""

STOP_SECONDS = 60
"""For a machine's services to end; see `node/boot/shutdown`. Docker kills what is left then, and Raft stands that."""


def taken_away(client: docker.DockerClient, container: str) -> bool:
    """Whether the machine was told that it is being taken away (see `node/platform/platform-local`)."""
    from docker.errors import NotFound

    try:
        client.api.get_archive(container, "/platform/terminating")
    except NotFound:
        return False
    return True


def life(client: docker.DockerClient, machine: Machine) -> Life:
    """Where a machine is in its life. One that never ran holds nothing, and is as good as terminated."""
    from docker.errors import NotFound

    if not machine.started:
        return "terminated"
    try:
        details = client.api.inspect_container(machine.id)
        told = details["HostConfig"]["RestartPolicy"]["Name"] == STAY["Name"]
        if not machine.running:
            return "terminated" if told or taken_away(client, machine.id) else "stopped"
        if details["RestartCount"] and taken_away(client, machine.id):
            return "terminated"  # it has left, and Docker started it again: it idles
    except NotFound:
        return "terminated"
    return "leaving" if told else "running"


def alive(client: docker.DockerClient, found: Sequence[Machine]) -> list[Machine]:
    """Those of the machines that hold what they had: they run, or are stopped and can be started again."""
    return [machine for machine in found if life(client, machine) != "terminated"]


def start(client: docker.DockerClient, site: str, found: Sequence[Machine]) -> None:
    """Starts machines that are there, side by side: with their data, under their names and addresses.

    Raises:
        ResourceFailed: Docker refused some of them; the text has a line for each, with what to do.
    """
    with ThreadPoolExecutor(max(1, len(found))) as pool:
        told = [text for text in pool.map(lambda machine: _start(client, site, machine), found) if text]
    if told:
        raise ResourceFailed("\n".join([*told, "Nothing was removed."]), "mend that, then repeat")


def stop(client: docker.DockerClient, found: Sequence[Machine]) -> None:
    """Stops machines side by side, as `docker stop` does: services end in order, and nothing leaves the cluster.

    They stay stopped until somebody starts them, also when the host starts again. Raises ResourceFailed.
    """
    from docker.errors import APIError, NotFound

    def end(machine: Machine) -> str:
        try:
            if machine.state == "paused":
                client.api.unpause(machine.id)
            client.api.stop(machine.id, timeout=STOP_SECONDS)
        except NotFound:
            return ""
        except APIError as error:
            return f"machine {machine.name}: Docker says: {error.explanation}"
        return ""

    with ThreadPoolExecutor(max(1, len(found))) as pool:
        told = [text for text in pool.map(end, found) if text]
    if told:
        raise ResourceFailed("\n".join(told), "repeat")


def _start(client: docker.DockerClient, site: str, machine: Machine) -> str:
    """Starts one machine; answers "", or what is in the way and what to do about it."""
    from docker.errors import APIError, NotFound

    try:
        if machine.state == "paused":
            client.api.unpause(machine.id)
            return ""
        _attach(client, site, machine)
        client.api.start(machine.id)
    except NotFound as error:
        if "network" in str(error.explanation):
            return f"machine {machine.name} can't start: its network is gone, and `hashistack up` makes it again"
        return f"machine {machine.name} can't start: Docker says: {error.explanation}"
    except APIError as error:
        said = str(error.explanation)
        if taken := re.search(r"127\.0\.0\.1:(\d+)", said):
            return (
                f"machine {machine.name} can't start: its port {taken[1]} on loopback is taken by another program "
                f"(`ss -ltnp 'sport = :{taken[1]}'` says which): end that"
            )
        if "ddress already in use" in said:
            return (
                f"machine {machine.name} can't start: its address {machine.address} is taken by another container "
                f"(`docker network inspect {site}` says which): remove that"
            )
        return f"machine {machine.name} can't start: Docker says: {said}"
    return ""


def _attach(client: docker.DockerClient, site: str, machine: Machine) -> None:
    """Puts a stopped machine back into the cluster's network where that was made anew, under its own address."""
    details = client.api.inspect_container(machine.id)
    network = client.api.inspect_network(site)["Id"]
    endpoint = details["NetworkSettings"]["Networks"].get(site)
    if endpoint and endpoint["NetworkID"] == network:
        return
    if endpoint:
        client.api.disconnect_container_from_network(machine.id, site, force=True)
    role = details["Config"]["Labels"][labels.ROLE]
    names = machines.aliases(machine.name, role, machine.pool, machine.slot)
    client.api.connect_container_to_network(machine.id, network, ipv4_address=machine.address, aliases=names)

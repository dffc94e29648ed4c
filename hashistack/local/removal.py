"""How containers, networks and volumes go. What is gone already is fine; what is somebody else's stays."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

from hashistack.local import labels
from hashistack.local.docker_client import DockerFailed
from hashistack.provider.handler import Props

if TYPE_CHECKING:
    import docker

_GONE_SECONDS = 60
_TRIES = 3
"""For a network into which somebody puts containers while it goes."""


def sweep(client: docker.DockerClient, site: str, warn: Callable[[str], None]) -> None:
    """Removes every container, network and volume of ``site``."""
    sweep_machines(client, site)
    for network in client.api.networks(filters=labels.of(site)):
        remove_network(client, network["Id"], warn)


def sweep_machines(client: docker.DockerClient, site: str) -> None:
    """Removes every container and volume of ``site``: its machines with all their data."""
    remove_containers(client, client.api.containers(all=True, filters=labels.of(site)))
    for volume in client.api.volumes(filters=labels.of(site))["Volumes"] or []:
        remove_volume(client, volume["Name"])


def remove_containers(client: docker.DockerClient, containers: list[Props]) -> None:
    """Removes containers with their anonymous volumes, side by side, without waiting for them to stop."""
    from docker.errors import APIError, NotFound

    def remove(container: Props) -> None:
        try:
            client.api.remove_container(container["Id"], v=True, force=True)
        except NotFound:
            pass
        except APIError as error:
            if error.status_code != 409:
                raise
            # Somebody else is removing it at this moment, and its volumes and network are in use until it is gone.
            with suppress(NotFound):
                client.api.wait(container["Id"], timeout=_GONE_SECONDS, condition="removed")

    if containers:
        with ThreadPoolExecutor(len(containers)) as pool:
            list(pool.map(remove, containers))


def remove_network(client: docker.DockerClient, network: str, warn: Callable[[str], None]) -> None:
    """Removes a cluster's network, whose machines are gone. What a user has put into it is taken off it, and named.

    Such a container loses an address in a network that ends, and nothing else: it runs on with all its data. Without
    this Docker would refuse the removal, now and each time.
    """
    from docker.errors import APIError, NotFound

    for attempt in range(_TRIES):
        with suppress(NotFound):
            found = client.api.inspect_network(network)
            for id, foreign in (found.get("Containers") or {}).items():
                name = foreign.get("Name") or id[:12]
                # By name too: Docker lists an endpoint that a crash left as `ep-…`, and no container has that id.
                with suppress(NotFound):
                    client.api.disconnect_container_from_network(
                        name if id.startswith("ep-") else id, network, force=True
                    )
                    warn(f"container {name} is not of this cluster: it was disconnected from network {found['Name']}")
            try:
                client.api.remove_network(network)
            except APIError as error:
                if error.status_code != 403 or attempt == _TRIES - 1:
                    raise
                continue
        return


def remove_volume(client: docker.DockerClient, name: str) -> None:
    """Removes a volume. Raises DockerFailed, with their names, where containers of somebody else mount it."""
    from docker.errors import APIError, NotFound

    try:
        client.api.remove_volume(name, force=True)
    except NotFound:
        return
    except APIError as error:
        if error.status_code != 409:
            raise
        users = client.api.containers(all=True, filters={"volume": name})
        names = sorted((user["Names"] or [user["Id"][:12]])[0].lstrip("/") for user in users)
        raise DockerFailed(
            f"volume {name} is mounted by {', '.join(names) or 'a container'}, which is not of this cluster",
            f"docker rm -f {' '.join(names) or 'CONTAINER'}, then repeat",
        ) from error

"""What of local clusters is on this Docker host, found by labels: the command line has no state of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hashistack.local import labels
from hashistack.local.docker_client import asking, engine
from hashistack.platforms import Running

if TYPE_CHECKING:
    import docker

_PATIENCE = 10  # seconds that Docker may take for an answer


def clusters() -> list[Running]:
    """The clusters on this Docker host, by their containers' labels. Raises `DockerFailed`."""
    sites: dict[str, Running] = {}
    with _docker() as client:
        for container in client.api.containers(all=True, filters={"label": labels.SITE}):
            said: Mapping[str, str] = container["Labels"]
            stack = said.get(labels.STACK, "").rpartition("/")[2]
            site = said[labels.SITE]
            sites[site] = Running(site, said.get(labels.NAME, site), Path(said.get(labels.PROJECT, ".")), stack)
    return [sites[site] for site in sorted(sites)]


def left(directory: Path, stack: str, sites: Sequence[str] = ()) -> list[str]:
    """Containers, networks and volumes that carry the labels of a project and stack (`project/stack`), or of sites.

    The labels keep the directory in which the cluster was made; the site is known wherever its project is now.

    Raises `DockerFailed`.
    """
    mine = {"label": [f"{labels.PROJECT}={directory}", f"{labels.STACK}={stack}"]}
    return list(dict.fromkeys(one for filters in (mine, *map(labels.of, sites)) for one in _labelled(filters)))


def _labelled(filters: dict[str, list[str]]) -> list[str]:
    with _docker() as client:
        containers = client.api.containers(all=True, filters=filters)
        networks = client.api.networks(filters=filters)
        volumes = client.api.volumes(filters=filters)["Volumes"] or ()
    return [
        # One that is on its way out has no name any more.
        *(f"container {(found['Names'] or [found['Id'][:12]])[0].lstrip('/')}" for found in containers),
        *(f"network {found['Name']}" for found in networks),
        *(f"volume {found['Name']}" for found in volumes),
    ]


@contextmanager
def _docker() -> Iterator[docker.DockerClient]:
    with asking():
        yield engine(_PATIENCE)

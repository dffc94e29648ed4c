"""What of local clusters is on this Docker host, found by labels: the command line has no state of its own."""

from __future__ import annotations

from collections import Counter
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
    """The clusters on this Docker host, by the labels of all that is theirs. Raises `DockerFailed`."""
    filters = {"label": labels.SITE}
    with _docker() as client:
        containers = client.api.containers(all=True, filters=filters)
        others = [*client.api.networks(filters=filters), *(client.api.volumes(filters=filters)["Volumes"] or ())]
    # A container's labels may be its image's, and so anybody's; those of networks and volumes are of their making.
    containers, others = (
        [one for one in found if labels.is_site(one["Labels"][labels.SITE])] for found in (containers, others)
    )
    machines = [one for one in containers if labels.POOL in one["Labels"]]
    count = Counter(one["Labels"][labels.SITE] for one in machines)
    up = Counter(one["Labels"][labels.SITE] for one in machines if one["State"] in ("running", "restarting"))
    made = {one["Labels"][labels.SITE]: one["Labels"] for one in others}
    sites = {one["Labels"][labels.SITE]: {**one["Labels"], **dict.fromkeys(labels.TENURE, "")} for one in containers}
    sites |= made
    return [_cluster(site, sites[site], count[site], up[site]) for site in sorted(sites)]


def _cluster(site: str, said: Mapping[str, str], machines: int, up: int) -> Running:
    return Running(
        site,
        said.get(labels.NAME, site),
        Path(said.get(labels.PROJECT, ".")),
        said.get(labels.STACK, "").rpartition("/")[2],
        machines,
        up,
        created=said.get(labels.CREATED, ""),
        expires=said.get(labels.EXPIRES, ""),
        owner=said.get(labels.OWNER, ""),
        run=said.get(labels.RUN, ""),
    )


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

"""LocalSite: a cluster's place on this machine's Docker. The first resource made and the last one removed."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hashistack.component.specification import SpecificationHandler
from hashistack.local import labels
from hashistack.local.listing import silent
from hashistack.provider.handler import Context, Props, ResourceFailed

if TYPE_CHECKING:
    import docker

_GONE_SECONDS = 60


class SiteHandler(SpecificationHandler):
    """Gives the cluster an id of its own; on delete, sweeps whatever carries that id as a label.

    Nothing is made in Docker before this resource is in Pulumi's state, so that an `up` killed anywhere leaves
    nothing that a later `destroy` would not find.

    Refuses a change of the specification that no `up` can make, before anything else has changed.

    Inputs: name, spec (JSON text), project. Outputs: site (the id), labels (for everything of it).
    """

    def preview(self, ctx: Context, olds: Props | None, news: Props) -> Props:
        # Or a preview would have everything else replaced, which a site that may be another one means.
        return {"site": olds["site"], "labels": olds["labels"]} if olds else {}

    def update(self, ctx: Context, id: str, olds: Props, news: Props) -> Props:
        return {"site": olds["site"], "labels": olds["labels"]}

    def create(self, ctx: Context, news: Props) -> tuple[str, Props]:
        # Imported here: every `up` loads this module, and few make a site.
        from hashistack.local.preflight import run as preflight

        if missing := [result for result in preflight(engine()) if result.ok is False]:
            raise ResourceFailed("\n".join(f"{r.sentence}: {r.detail}. {r.remedy}".strip() for r in missing))
        site = f"{news['name']}-{secrets.token_hex(2)}"
        marks = {
            labels.SITE: site,
            labels.NAME: news["name"],
            labels.PROJECT: news["project"],
            labels.STACK: f"{ctx.project}/{ctx.stack}",
            labels.CREATED: datetime.now(UTC).isoformat(timespec="seconds"),
        }
        return site, {"site": site, "labels": marks}

    def delete(self, ctx: Context, id: str, olds: Props) -> None:
        sweep(engine(), id)


def engine() -> docker.DockerClient:
    """A client for the Docker that the user's environment names. Raises ResourceFailed with what to do.

    The one place where a handler first imports the SDK: an `up` without changes needs none (`listing`), and two
    threads that first import it by two of its modules get it half made.
    """
    import docker

    try:
        client = docker.from_env(timeout=120)
        client.ping()
    except Exception as error:  # the SDK raises its own, requests' and the socket's
        raise silent(error) from error
    return client


def sweep(client: docker.DockerClient, site: str) -> None:
    """Removes every container, network and volume of ``site``; what is gone already is fine."""
    sweep_machines(client, site)
    for network in client.api.networks(filters=labels.of(site)):
        client.api.remove_network(network["Id"])


def sweep_machines(client: docker.DockerClient, site: str) -> None:
    """Removes every container and volume of ``site``: its machines with all their data."""
    remove_containers(client, client.api.containers(all=True, filters=labels.of(site)))
    for volume in client.api.volumes(filters=labels.of(site))["Volumes"] or []:
        client.api.remove_volume(volume["Name"], force=True)


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

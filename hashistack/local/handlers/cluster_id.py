"""LocalSite: a cluster's place on this machine's Docker. The first resource made and the last one removed."""

from __future__ import annotations

import json
import os
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hashistack.component.specification import SpecificationHandler
from hashistack.component.tenure import is_over, tenure
from hashistack.errors import HashistackError
from hashistack.local import labels
from hashistack.local.docker_client import DockerHandler, engine
from hashistack.local.ranges import taken
from hashistack.local.removal import sweep
from hashistack.provider.handler import Context, Diff, Props, ResourceFailed

if TYPE_CHECKING:
    import docker


class SiteHandler(DockerHandler, SpecificationHandler):
    """Gives the cluster an id of its own; on delete, sweeps whatever carries that id as a label.

    Nothing is made in Docker before this resource is in Pulumi's state, so that an `up` killed anywhere leaves
    nothing that a later `destroy` would not find.

    Refuses a change of the specification that no `up` can make, before anything else has changed.

    Inputs: name, spec (JSON text), project. Outputs: site (the id), labels (for everything of it).
    """

    def diff(self, ctx: Context, id: str, olds: Props, news: Props) -> Diff:
        _mind_its_end(ctx, olds["site"], olds["labels"].get(labels.EXPIRES, ""))
        return super().diff(ctx, id, olds, news)

    def preview(self, ctx: Context, olds: Props | None, news: Props) -> Props:
        # Or a preview would have everything else replaced, which a site that may be another one means.
        if olds:
            _refuse_taken(news, olds["site"])
            self.tell(ctx, olds, news)
            return {"site": olds["site"], "labels": olds["labels"]}
        _refuse_unfit()
        _refuse_taken(news)
        self.tell(ctx, None, news)
        return {}

    def update(self, ctx: Context, id: str, olds: Props, news: Props) -> Props:
        _refuse_taken(news, olds["site"])
        self.tell(ctx, olds, news)
        return {"site": olds["site"], "labels": olds["labels"]}

    def create(self, ctx: Context, news: Props) -> tuple[str, Props]:
        _refuse_unfit()
        stack = f"{ctx.project}/{ctx.stack}"
        if other := _same(engine(), {labels.NAME: news["name"], labels.PROJECT: news["project"], labels.STACK: stack}):
            # To Pulumi, a resource of another name is a new one, and the old one is deleted after it.
            raise ResourceFailed(
                f"this stack has the cluster {other} already, and another one of the same name would take its place",
                "keep the component's name in the program (or give it Pulumi's `aliases`). Where the stack's state was "
                f"lost, remove what is left: docker rm -fv $(docker ps -aqf label={labels.SITE}={other})",
            )
        _refuse_taken(news)
        now = datetime.now(UTC)
        try:
            said = tenure(os.environ, now)
        except HashistackError as error:
            raise ResourceFailed(error.what, error.remedy) from None
        self.tell(ctx, None, news)
        site = f"{news['name']}-{secrets.token_hex(2)}"
        marks = {
            labels.SITE: site,
            labels.NAME: news["name"],
            labels.PROJECT: news["project"],
            labels.STACK: stack,
            labels.CREATED: now.isoformat(timespec="seconds"),
        }
        told = {labels.EXPIRES: said.expires, labels.OWNER: said.owner, labels.RUN: said.run}
        marks |= {label: text for label, text in told.items() if text}
        return site, {"site": site, "labels": marks}

    def delete(self, ctx: Context, id: str, olds: Props) -> None:
        sweep(engine(), id, ctx.warn)


def _mind_its_end(ctx: Context, site: str, expires: str) -> None:
    """Warns of a cluster whose time is over. Raises ResourceFailed for one that is removed: new machines would carry
    its label, and the next `hashistack gc` would remove them with their data."""
    if not is_over(expires, datetime.now(UTC)):
        return
    if engine().api.containers(all=True, filters=labels.of(site)):
        ctx.warn(f"the time of {site} was over at {expires}: `hashistack gc --yes` removes it with all its data")
        return
    raise ResourceFailed(
        f"the time of {site} was over at {expires}, and it is removed", "hashistack down --yes, then a new `up`"
    )


def _refuse_unfit() -> None:
    """Raises ResourceFailed with everything that this machine lacks for a cluster."""
    # Imported here: every `up` loads this module, and few make a site.
    from hashistack.local.preflight import run as preflight

    if missing := [found for found in preflight(engine()) if found.ok is False]:
        raise ResourceFailed("\n".join(map(str, missing)))


def _refuse_taken(news: Props, site: str = "") -> None:
    """Raises ResourceFailed with each port to be published that another has; ``site``: the cluster's own, if any."""
    from hashistack.spec import ClusterSpec

    published = [one.host for pool in ClusterSpec.parse(json.loads(news["spec"])).clients for one in pool.publish]
    if published and (found := list(taken(engine().api, published, site))):
        lines = [f"port {port} of 127.0.0.1 can't be published: it belongs to {holder}" for port, holder in found]
        raise ResourceFailed("\n".join(lines), "give another `host` in the pool's `publish`, or end what has the port")


def _same(client: docker.DockerClient, marks: dict[str, str]) -> str:
    """The site of a cluster with machines that carry these labels, "" when there is none."""
    filters = {"label": [f"{name}={value}" for name, value in marks.items()]}
    found = client.api.containers(all=True, filters=filters)
    return str(found[0]["Labels"][labels.SITE]) if found else ""

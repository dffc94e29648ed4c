"""A resource whose whole world is one file, with every way to fail that a handler has."""

from __future__ import annotations

import errno
import json
import os
import time
from pathlib import Path
from typing import Any

from hashistack.provider.handler import Context, Diff, Failure, Handler, Props, ResourceFailed, changed


class ProbeHandler(Handler):
    """Inputs: world (directory), value, mode?, kind?. Outputs: hidden, echo, length. One file is one resource."""

    secret = frozenset({"hidden"})

    def check(self, news: Props) -> list[Failure]:
        value = news.get("value")
        if isinstance(value, dict) and value.get("count") == 4:
            return [Failure("value.count", "must be 3 or 5, not 4")]
        return []

    def diff(self, ctx: Context, id: str, olds: Props, news: Props) -> Diff:
        return Diff(
            update=changed(olds, news, among=("mode", "value")),
            replace=changed(olds, news, among=("kind", "world")),
            delete_before_replace=True,
        )

    def preview(self, ctx: Context, olds: Props | None, news: Props) -> Props:
        return {"length": len(str(news["value"]))}

    def create(self, ctx: Context, news: Props) -> tuple[str, Props]:
        path = Path(news["world"], ctx.name)
        match news.get("mode"):
            case "fails":
                raise ResourceFailed(f"machine {ctx.name} did not start: no space left. Free some and run `up` again.")
            case "fills the disk":
                raise OSError(errno.ENOSPC, "No space left on device", "/var/full")
            case "has a bug":
                raise ZeroDivisionError("by accident")
            case "fails in part":
                path.write_text("half")
                raise ResourceFailed("made, but never ready", id=str(path), props={"hidden": "half"})
            case "waits for the others":
                path.write_text("here")
                _wait(lambda: len(list(path.parent.iterdir())) >= 6, ctx)
            case "waits to be cancelled":
                path.write_text("waiting")
                ctx.progress("waiting since a while")
                ctx.info("this line stays")
                ctx.cancelled.wait(60)
                path.write_text("cancelled")
                raise ResourceFailed("cancelled", id=str(path))
            case "waits for the engine's death":
                path.write_text(str(os.getppid()))
                ctx.cancelled.wait(60)
                path.write_text("let go")
        return str(path), self._write(path, news)

    def read(self, ctx: Context, id: str, olds: Props) -> tuple[str, Props] | None:
        path = Path(id)
        if not path.exists():
            return None
        return id, {**olds, "value": json.loads(path.read_text())}

    def update(self, ctx: Context, id: str, olds: Props, news: Props) -> Props:
        if news.get("mode") == "fails in part":
            raise ResourceFailed("still not ready", id=id, props={"hidden": olds["hidden"]})
        return self._write(Path(id), news)

    def delete(self, ctx: Context, id: str, olds: Props) -> None:
        Path(id).unlink(missing_ok=True)

    def _write(self, path: Path, news: Props) -> Props:
        path.write_text(json.dumps(news["value"]))
        return {"hidden": f"hidden {news['value']}", "echo": news["value"], "length": len(str(news["value"]))}


def _wait(condition: Any, ctx: Context) -> None:
    until = time.monotonic() + 20
    while not condition():
        if time.monotonic() > until:
            raise ResourceFailed(f"{ctx.name}: the others were not made at the same time")
        ctx.cancelled.wait(0.02)


def __getattr__(name: str) -> Any:
    # The program's side: the plugin must not need the Pulumi SDK.
    if name != "Probe":
        raise AttributeError(name)
    from hashistack.provider.resource import HashistackResource

    class Probe(HashistackResource):
        resource_type = "hashistack:index:Probe"
        outputs = ("hidden", "echo", "length")

        def __init__(self, name: str, opts: Any = None, **props: Any) -> None:
            super().__init__(name, props, opts)

    return Probe

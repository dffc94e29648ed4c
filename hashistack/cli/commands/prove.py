"""`hashistack toolchain prove`: a release on a cluster of its own, new and by an upgrade, and what came of it."""

from __future__ import annotations

import json
import platform
import re
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from hashistack.cli.commands import rollout
from hashistack.cli.commands.run import down, up
from hashistack.cli.engine import Engine
from hashistack.cli.errors import Refusal
from hashistack.cli.output import Show
from hashistack.cli.project import Project
from hashistack.spec.catalog import RELEASES, Product
from hashistack.spec.versions import SIGNED, known, parse, path, release
from hashistack.toolchain import host_arch, resolve
from hashistack.version import VERSION

STACK: Final = "prove"
"""The stack in which the cluster is made, beside those that the project has."""


def release_of(word: str) -> tuple[Product, str]:
    """`nomad=2.0.4`, or `nomad` for the newest of the catalog. Raises Refusal."""
    product, sign, version = word.partition("=")
    if product not in SIGNED or (sign and not re.fullmatch(r"\d+\.\d+\.\d+", version)):
        raise Refusal(f"{word}: must be PRODUCT=VERSION, with {', '.join(SIGNED)}. E.g. nomad={known('nomad')[0]}")
    return product, version or known(product)[0]


def before(product: Product, version: str) -> str | None:
    """The newest proven release from which an upgrade leads to a version; None: none does."""
    proven = [one.version for one in RELEASES if one.product == product and one.proven]
    return next((old for old in proven if parse(old) < parse(version) and path(product, old, version)), None)


def prove(project: Project, show: Show, product: Product, version: str, file: Path) -> None:
    """Make clusters with a release, upgrade one to it, and write down how it went; nothing is left of them.

    The project's program must take its versions from the configuration `cluster.versions`, as examples/test-cluster.

    Raises:
        Refusal: the release did not do, and its cluster is left to be looked at; or there is one of an earlier run.
        ToolError: nobody has the release.
    """
    ours = Project(project.directory, STACK)
    engine, steps, begun = Engine(ours, show.say), list[dict[str, Any]](), STACK in ours.stacks()
    if begun and engine.connections():
        raise Refusal(
            f"{ours.directory} has a cluster in its stack {STACK}, of a run that failed or was killed",
            f"hashistack down{ours.option}, then this again",
        )

    def step(what: str, do: Callable[[], object]) -> None:
        show.say(f"{what} …")
        started = time.monotonic()
        do()
        steps.append({"what": what, "seconds": round(time.monotonic() - started, 1)})

    def made(release: str) -> None:
        engine.configure(f"cluster.versions.{product}", release)
        up(ours, show)
        if (got := engine.connection().versions.get(product)) != release:
            raise Refusal(f"the program declares {product} {got}: it takes no versions from `cluster.versions`")

    arch = host_arch()
    facts = release(product, version)
    digest = facts.sha256.get(arch) if facts else None
    step(f"{product} {version} for {arch}", lambda: resolve(product, version, arch, show.say, sha256=digest))
    engine.make_stack()
    if not begun:  # what a killed run has made keeps its name
        engine.configure("cluster.name", f"prove{secrets.token_hex(2)}")
    step(f"a new cluster with {product} {version} is ready", lambda: made(version))
    step("it is destroyed, and nothing is left", lambda: down(ours, show))
    if old := before(product, version):
        step(f"a new cluster with {product} {old} is ready", lambda: made(old))
        hops = " and ".join(path(product, old, version))
        step(f"it is upgraded to {hops}", lambda: rollout.upgrade(ours, show, {product: version}))
        step("it is destroyed, and nothing is left", lambda: down(ours, show))
    engine.remove_stack()
    written = {
        "product": product,
        "version": version,
        "at": f"{datetime.now(UTC):%Y-%m-%d}",
        "hashistack": VERSION,
        "host": f"{platform.system()} {arch}",
        "steps": steps,
    }
    file.write_text(json.dumps(written, indent=2) + "\n")
    line = {"version": version, "released": facts.released if facts else "", "proven": True}
    if facts and facts.sha256:
        line["sha256"] = dict(facts.sha256)
    text = f"proven: {product} {version}, written to {file}. In hashistack/spec/catalog.json:\n  {json.dumps(line)}"
    show.result({"ok": True, **written, "file": str(file)}, text)

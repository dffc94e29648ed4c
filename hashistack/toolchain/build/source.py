"""Building a tool from the public Go modules that its recipe pins."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from hashistack.toolchain import cache, running
from hashistack.toolchain.build import compilers, recipe, thinning
from hashistack.toolchain.build.recipe import Recipe
from hashistack.toolchain.ticker import Ticker
from hashistack.toolchain.tool import Tool, Unavailable, Wanted

_ROOMY: Final = 8 << 30  # bytes of memory from which on the Go compiler's heap may grow freely: a fifth faster
_TAGS: Final = ("netgo", "osusergo")
"""Nomad needs them, so that a static program asks the C library for nothing. The others need none and get them too:
what two tools have in common is then compiled once."""


def build(wanted: Wanted, ticker: Ticker) -> Tool:
    """Compile a static program (for "cni" all plugins) and cache it; the cache's lock must be held.

    Every module is checked against the recipe's go.sum. Raises Unavailable when there is no recipe or no
    compiler, or the build fails; DigestRefused when another digest is pinned.
    """
    plan = recipe.load(wanted.name, wanted.version)
    go = compilers.go(plan.go, ticker)
    environment = _environment(plan, wanted.arch, ticker)
    ticker.doing("compiling from source (minutes)")
    staged = cache.staging(wanted)
    module = staged / ".module"
    module.mkdir()
    log = _log("build", wanted)
    try:
        _lay_out(plan, go, module, environment, log)
        running.run([go, "build", *_arguments(plan, staged / wanted.name)], log, cwd=module, env=environment)
    except running.Failed as error:
        raise Unavailable(str(error).rstrip()) from None
    shutil.rmtree(module)
    place, without = f"recipe {wanted.name}-{wanted.version}", plan.settings.without
    return cache.keep(wanted, staged, cache.Origin("source build", place, without=without))


def download(wanted: Wanted) -> None:
    """Bring the compilers and modules of a build, as far as they can be had: the build says what is wrong."""
    with Ticker(wanted.label, None) as ticker, suppress(Unavailable, running.Failed, OSError):
        plan = recipe.load(wanted.name, wanted.version)
        go, environment = compilers.go(plan.go, ticker), _environment(plan, wanted.arch, ticker)
        log = _log("modules", wanted)
        with tempfile.TemporaryDirectory() as directory:
            module = Path(directory)
            _lay_out(plan, go, module, environment, log)
            running.run([go, "list", "-deps", _tags(plan), *plan.packages], log, cwd=module, env=environment)


def _lay_out(plan: Recipe, go: str, module: Path, environment: Mapping[str, str], log: Path) -> None:
    for name, text in plan.files.items():
        (module / name).write_text(text)
    if plan.settings.thin:
        thinning.thin(go, module, environment, log)


def _log(what: str, wanted: Wanted) -> Path:
    return cache.root() / "logs" / f"{what}-{wanted.name}-{wanted.version}-{wanted.arch}.log"


def _arguments(plan: Recipe, output: Path) -> list[str]:
    linker = ["-s", "-w", plan.settings.ldflags.format(version=plan.version)]
    if plan.settings.cgo:
        linker += ["-linkmode", "external", "-extldflags", "'-static -s'"]
    return [
        "-trimpath",
        "-buildvcs=false",
        _tags(plan),
        f"-ldflags={' '.join(linker)}",
        "-o",
        str(output),
        *plan.packages,
    ]


def _tags(plan: Recipe) -> str:
    return f"-tags={','.join((*_TAGS, *plan.settings.tags))}"


def _environment(plan: Recipe, arch: str, ticker: Ticker) -> dict[str, str]:
    """The user's own, for proxies and module caches, with everything that decides what is built set by us."""
    environment = {
        **os.environ,
        "GOFLAGS": "-mod=readonly",  # go.mod and go.sum are the last word
        "GOWORK": "off",
        "GOTOOLCHAIN": "local",
        "GOOS": "linux",
        "GOARCH": arch,
        "GOAMD64": "v1",
        "GOARM64": "v8.0",
        "GOEXPERIMENT": "",
        "CGO_ENABLED": "0",
    }
    environment.pop("GOROOT", None)
    if os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >= _ROOMY:
        environment["GOGC"] = "800"
    if plan.settings.cgo:
        environment |= {
            "CGO_ENABLED": "1",
            "CGO_CFLAGS": "-O2 -g0",
            "CC": compilers.c(arch, ticker),
            "ZIG_GLOBAL_CACHE_DIR": str(cache.root() / "compilers" / "zig"),
        }
    return environment

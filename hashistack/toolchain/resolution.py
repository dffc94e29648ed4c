"""The order in which a tool is looked for: PATH, cache, mirror, official release, source."""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from hashistack.toolchain import cache, on_path
from hashistack.toolchain.build import recipe
from hashistack.toolchain.pulumi_python import shim
from hashistack.toolchain.ticker import Ticker
from hashistack.toolchain.tool import Progress, Tool, ToolError, Unavailable, Wanted

_MIRROR: Final = "HASHISTACK_MIRROR"


def resolve(
    name: str,
    version: str,
    arch: str = "amd64",
    progress: Progress | None = None,
    *,
    sha256: str | None = None,
    static: bool = False,
    build: bool = True,
) -> Tool:
    """A pinned tool for linux, from the first of PATH (pulumi only), cache, mirror, official release, source.

    name: "pulumi", "nomad", "consul", "vault" or "cni". version: "1.11.3". arch: "amd64" or "arm64".
    progress: called with one short line every two seconds while anything takes time, from another thread too.
    sha256: accept only this digest, of the published archive or of the executable.
    static: accept only executables that need no C library (the vendor's Nomad needs glibc; Alpine has none).
    build: whether one that no other source has is built, which takes minutes.

    A cached tool is found in milliseconds, without hashing and without asking a mirror. Two processes never
    fetch or build the same tool at once. Raises DigestRefused for a wrong digest, SignatureRefused for checksums that
    the vendor did not sign, ToolError when none has it.
    """
    wanted = Wanted(name, version, arch, sha256, static)
    tried: list[str] = []
    if name == "pulumi":
        try:
            return on_path.pulumi(wanted)
        except Unavailable as reason:
            tried.append(f"PATH: {reason}")
    if found := _cached(wanted):
        return found
    tried.append(f"cache ({cache.root()}): not there")
    with _work_on(wanted, progress) as ticker:
        if found := _cached(wanted):  # another process brought it while we waited
            return found
        for title, source in _sources()[: None if build else -1]:
            try:
                return _ready(source(wanted, ticker))
            except Unavailable as reason:
                tried.append(f"{title}: {reason}")
    raise ToolError(*_unavailable(wanted, tried))


def build(name: str, version: str, arch: str = "amd64", progress: Progress | None = None) -> Tool:
    """Build a tool from source even when another source has it; from then on it is the cache's first choice.

    Raises ToolError when there is no recipe for that version or the build fails.
    """
    wanted = Wanted(name, version, arch, static=True)
    with _work_on(wanted, progress) as ticker:
        try:
            return _ready(_from_source(wanted, ticker))
        except Unavailable as reason:
            raise ToolError(f"{wanted.label} was not built: {reason}") from None


@contextlib.contextmanager
def meanwhile(tools: Sequence[Wanted]) -> Iterator[None]:
    """Fetch these in the background, in their order; what has to be built gets what its build needs from elsewhere.

    Whoever resolves one of them waits for what is under way, and says what is wrong. The end waits for nothing.
    """
    over = threading.Event()

    def fetch() -> None:
        for wanted in tools:
            if over.is_set():
                return
            try:
                resolve(
                    wanted.name, wanted.version, wanted.arch, sha256=wanted.sha256, static=wanted.static, build=False
                )
            except ToolError:
                from hashistack.toolchain.build import source

                source.download(wanted)

    threading.Thread(target=fetch, daemon=True).start()
    try:
        yield
    finally:
        over.set()


@contextlib.contextmanager
def _work_on(wanted: Wanted, progress: Progress | None) -> Iterator[Ticker]:
    """Progress and the tool's lock while it is got; a cache that can't be written is a ToolError."""
    try:
        with Ticker(wanted.label, progress) as ticker, cache.lock(wanted, ticker):
            yield ticker
    except OSError as error:
        raise ToolError(
            f"{wanted.label}: the cache {cache.root()} cannot be written: {error}",
            "make room there, or set HASHISTACK_CACHE to a directory that can be written",
        ) from None


def _sources() -> list[tuple[str, Callable[[Wanted, Ticker], Tool]]]:
    return [("mirror", _from_mirror), ("official release", _from_vendor), ("source build", _from_source)]


# httpx and the build are imported where they are first needed: a cached look-up pays for neither


def _from_mirror(wanted: Wanted, ticker: Ticker) -> Tool:
    from hashistack.toolchain import release

    mirror = os.environ.get(_MIRROR, "").rstrip("/")
    if not mirror:
        raise Unavailable(f"{_MIRROR} is not set")
    return release.take(wanted, "mirror", f"{mirror}/{release.of(wanted).folder}", ticker)


def _from_vendor(wanted: Wanted, ticker: Ticker) -> Tool:
    from hashistack.toolchain import release

    return release.take(wanted, "official release", release.of(wanted).official, ticker)


def _from_source(wanted: Wanted, ticker: Ticker) -> Tool:
    from hashistack.toolchain.build import source

    return source.build(wanted, ticker)


def _cached(wanted: Wanted) -> Tool | None:
    found = cache.find(wanted)
    return _ready(found[0]) if found else None


def _ready(tool: Tool) -> Tool:
    if tool.name == "pulumi":
        shim.write(tool.path.parent)
    return tool


def _unavailable(wanted: Wanted, tried: list[str]) -> tuple[str, str]:
    pinned = [version for name, version in recipe.available() if name == wanted.name and version != wanted.version]
    instead = f', or declare one that is pinned here: versions: {{{wanted.name}: "{pinned[-1]}"}}' if pinned else ""
    attempts = "".join(f"\n  {number}. {attempt}" for number, attempt in enumerate(tried, 1))
    return (
        f"{wanted.label} is not to be had. Tried, in order:{attempts}",
        f"point {_MIRROR} at a directory or URL that has it, or mend the last of these and run "
        f"`hashistack toolchain fetch {wanted.name} --version {wanted.version} --arch {wanted.arch}`{instead}",
    )

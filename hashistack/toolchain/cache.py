"""The cache of tools: <root>/tools/<name>/<version>/<arch>/<sha256>/<name>.

The digest is in the path, so a look-up hashes nothing. A tool appears whole or not at all: it is put together
in a staging directory beside its place and renamed. `origin.json` beside it says where the bytes came from.
"""

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from hashistack.home import expanded, home
from hashistack.toolchain import digest, elf, modes, signature
from hashistack.toolchain.ticker import Ticker
from hashistack.toolchain.tool import Tool, Unavailable, Wanted

_ORIGIN: Final = "origin.json"


@dataclass(frozen=True)
class Origin:
    """Where a cached tool came from.

    source: "mirror", "official release" or "source build"; place: its directory or URL, or the recipe;
    archive: the published archive's SHA-256, "" for a source build. signer: the fingerprint of the key that signed its
    checksums, "" where nothing but them and a given digest was looked at. without: what the vendor's program can do and
    this one can't, a phrase each.
    """

    source: str
    place: str
    archive: str = ""
    signer: str = ""
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """One tool in the cache, with its origin and its size in bytes."""

    tool: Tool
    origin: Origin
    size: int


def root() -> Path:
    """$HASHISTACK_CACHE, else ~/.cache/hashistack. Made when first written to."""
    chosen = os.environ.get("HASHISTACK_CACHE")
    return expanded(chosen).absolute() if chosen else home() / ".cache" / "hashistack"


def find(wanted: Wanted) -> tuple[Tool, Origin] | None:
    """The newest cached tool that is what is wanted. Costs a directory listing and no hashing.

    One that was cached under a umask that keeps others out is opened to them, or passed over where that can't be done.
    """
    for tool, origin in _tools(_shelf(wanted)):
        if wanted.sha256 not in (None, tool.sha256, origin.archive):
            continue
        if not origin.signer and signature.needed(wanted):
            continue
        if wanted.static and not elf.is_static(tool.path):
            continue
        try:
            modes.share(tool.path.parent)
        except OSError:
            continue
        return tool, origin
    return None


def entries() -> list[Entry]:
    """Everything in the cache, by name, version and architecture."""
    found = []
    for shelf in sorted((root() / "tools").glob("*/*/*")):
        for tool, origin in _tools(shelf):
            files = tool.path.iterdir() if tool.path.is_dir() else tool.path.parent.iterdir()
            found.append(Entry(tool, origin, sum(file.stat().st_size for file in files)))
    return found


@contextlib.contextmanager
def lock(wanted: Wanted, ticker: Ticker) -> Iterator[None]:
    """Held while a tool is fetched or built, so that no two processes do; the kernel frees it on any end."""
    shelf = _shelf(wanted)
    shelf.mkdir(parents=True, exist_ok=True)
    with (shelf / ".lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            ticker.doing("waiting for another process that is fetching it")
            fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            shutil.rmtree(shelf / ".staging", ignore_errors=True)


def staging(wanted: Wanted) -> Path:
    """An empty directory for a tool's files (`files_of` says where in it), gone when the lock is freed."""
    directory = _shelf(wanted) / ".staging"
    shutil.rmtree(directory, ignore_errors=True)
    files_of(wanted, directory).mkdir(parents=True)
    return directory


def files_of(wanted: Wanted, directory: Path) -> Path:
    """Where a tool's files lie: in its directory, or for "cni", whose tool is a directory, one below."""
    return directory / wanted.name if wanted.name == "cni" else directory


def keep(wanted: Wanted, directory: Path, origin: Origin) -> Tool:
    """Move a staged tool to its place.

    Raises DigestRefused for another digest than the pinned one, Unavailable when it is not what is wanted.
    """
    path = directory / wanted.name
    _inspect(wanted, path)
    sha256 = digest.of(path)
    if origin.archive:
        wanted.refuse_unless_pinned("downloaded", origin.archive, sha256)
    else:
        wanted.refuse_unless_pinned("built", sha256)
    (directory / _ORIGIN).write_text(json.dumps(asdict(origin), indent=2) + "\n")
    for file in directory.rglob("*"):
        if file.is_file():
            _flush(file)
    place = directory.with_name(sha256)
    modes.share(directory)
    if place.exists():
        os.utime(place / _ORIGIN)  # the same bytes from elsewhere: now the newest
    else:
        directory.rename(place)
    return Tool(wanted.name, wanted.version, wanted.arch, place / wanted.name, sha256, origin.source)


def _inspect(wanted: Wanted, path: Path) -> None:
    executables = sorted(path.iterdir()) if path.is_dir() else [path]
    if not executables or not path.exists():
        raise Unavailable(f"it holds no {wanted.name}")
    for executable in executables:
        arch = elf.arch(executable)
        if arch != wanted.arch:
            raise Unavailable(f"its {executable.name} is for {arch or 'no machine we know'}, not linux/{wanted.arch}")
    if wanted.static and not elf.is_static(path):
        raise Unavailable("it is linked against the C library, and a static one is needed")


def _flush(file: Path) -> None:
    with file.open("rb") as opened:  # a later look-up trusts the path, so the bytes must outlive a power cut
        os.fsync(opened.fileno())


def _shelf(wanted: Wanted) -> Path:
    return root() / "tools" / wanted.name / wanted.version / wanted.arch


def _tools(shelf: Path) -> list[tuple[Tool, Origin]]:
    name, version, arch = shelf.parts[-3:]
    records = sorted(shelf.glob(f"*/{_ORIGIN}"), key=lambda record: record.stat().st_mtime_ns, reverse=True)
    found = []
    for record in records:
        directory = record.parent
        if directory.name.startswith(".") or not (directory / name).exists():
            continue
        said = json.loads(record.read_text())
        origin = Origin(**{**said, "without": tuple(said.get("without", ()))})
        found.append((Tool(name, version, arch, directory / name, directory.name, origin.source), origin))
    return found

"""A snapshot archive: a tar of `manifest.json` and one part a product, written whole or not at all, checked offline.

The parts are the vendors' own archives (gzipped tars of meta.json, state.bin and SHA256SUMS), byte for byte: each
can be taken out with `tar` and restored with the vendor's own command.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Literal

from hashistack.errors import HashistackError

FORMAT = 1
"""Of the manifest and the members beside it. A reader refuses what it does not know."""

Product = Literal["nomad", "consul", "vault"]
PRODUCTS: tuple[Product, ...] = ("nomad", "consul", "vault")

MANIFEST = "manifest.json"
SUFFIX = ".tar"
SMALL = 1 << 20
"""Bytes. No manifest, meta.json or SHA256SUMS is longer: what says so is not read into memory."""

_CHUNK = 1 << 20


class BadArchive(HashistackError):
    """A file is no whole, sound snapshot archive; says which file and what is wrong with it."""


@dataclass(frozen=True)
class Part:
    """One product's snapshot. `version` is the leader's; `index` and `term` are Raft's, as the snapshot says them."""

    product: Product
    version: str
    index: int
    term: int
    sha256: str
    size: int

    @property
    def file(self) -> str:
        """Its name in the archive."""
        return f"{self.product}.snap"


@dataclass(frozen=True)
class Manifest:
    """What an archive holds, and of which cluster.

    taken: UTC, as 2026-01-31T12:00:00Z.
    stack: digest of the tokens that are valid once it is restored: only the stack that made them can use it.
    vault_init: what unseals the restored Vault, closed with the stack's secret (`key_wrap.py`); "" where a key
        service does, or where none was given.
    """

    cluster: str
    datacenter: str
    region: str
    taken: str
    stack: str
    parts: tuple[Part, ...]
    vault_init: str = ""

    def part(self, product: Product) -> Part:
        """The part of one product; a checked manifest has all."""
        return next(part for part in self.parts if part.product == product)

    def text(self) -> str:
        """The manifest as the archive holds it."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=2) + "\n"

    @classmethod
    def parse(cls, text: str) -> Manifest:
        """Read `text`. Raises `BadArchive`, without the file's name."""
        try:
            data: Mapping[str, Any] = json.loads(text)
            if data["format"] != FORMAT:
                raise BadArchive(f"format {data['format']}: this release of hashistack reads {FORMAT}")
            parts = tuple(
                Part(
                    product=part["product"],
                    version=str(part["version"]),
                    index=int(part["index"]),
                    term=int(part["term"]),
                    sha256=str(part["sha256"]),
                    size=int(part["size"]),
                )
                for part in data["parts"]
            )
            named = {key: str(data[key]) for key in ("cluster", "datacenter", "region", "taken", "stack")}
            manifest = cls(**named, parts=parts, vault_init=str(data.get("vault_init", "")))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadArchive(f"its {MANIFEST} can't be read ({type(error).__name__}: {error})") from None
        if sorted(part.product for part in parts) != sorted(PRODUCTS):
            raise BadArchive(f"its {MANIFEST} does not list exactly {', '.join(PRODUCTS)}")
        return manifest


class _Told:
    """A file that is read to its end once, and what it was: its SHA-256 and its size."""

    def __init__(self, content: IO[bytes]) -> None:
        self._content = content
        self._digest = hashlib.sha256()
        self.size = 0

    def read(self, size: int = -1) -> bytes:
        piece = self._content.read(size)
        self._digest.update(piece)
        self.size += len(piece)
        return piece

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


def examine(product: Product, version: str, content: IO[bytes]) -> Part:
    """Read a vendor's snapshot to the last byte, in bounded memory, and check it against its own SHA256SUMS.

    Raises:
        BadArchive: it is cut off, damaged, or no snapshot; without the file's name.
    """
    told = _Told(content)
    seen: dict[str, str] = {}
    small: dict[str, bytes] = {}
    try:
        with gzip.GzipFile(fileobj=told, mode="rb") as plain:  # type: ignore[call-overload]
            with tarfile.open(fileobj=plain, mode="r|") as tar:
                for member in tar:
                    inner = tar.extractfile(member)
                    if inner is None:
                        raise BadArchive(f"holds {member.name}, which is no file")
                    if member.name in ("meta.json", "SHA256SUMS"):
                        small[member.name] = inner.read(SMALL)
                        seen[member.name] = hashlib.sha256(small[member.name]).hexdigest()
                    else:
                        seen[member.name] = hashlib.file_digest(inner, "sha256").hexdigest()  # type: ignore[arg-type]
            # To the end: the last bytes of gzip say whether the rest was whole.
            while plain.read(_CHUNK):
                pass
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise BadArchive(f"can't be read to its end ({error})") from None
    if missing := {"meta.json", "state.bin", "SHA256SUMS"} - seen.keys():
        raise BadArchive(f"has no {', '.join(sorted(missing))}: it is cut off or no snapshot")
    for line in small["SHA256SUMS"].decode(errors="replace").splitlines():
        digest, _, name = line.partition("  ")
        if seen.get(name) != digest:
            raise BadArchive(f"holds a {name} that is not what its SHA256SUMS says")
    try:
        meta = json.loads(small["meta.json"])
        return Part(product, version, int(meta["Index"]), int(meta["Term"]), told.sha256, told.size)
    except (ValueError, KeyError, TypeError):
        raise BadArchive("has a meta.json that can't be read") from None


@dataclass(frozen=True)
class Archive:
    """An archive's file, its manifest, and where in the file each part begins."""

    file: Path
    manifest: Manifest
    starts: Mapping[Product, int]


def look(file: Path, content: IO[bytes] | None = None) -> Archive:
    """An archive's manifest and members; their contents are not read, so this is quick.

    `content` is what to read where that is no file here: it can seek, and `file` is its name.

    Raises:
        BadArchive: it is no archive, or cut off.
    """
    with _opened(file, content) as (tar, manifest):
        starts = {part.product: tar.getmember(part.file).offset_data for part in manifest.parts}
        return Archive(file, manifest, starts)


def verify(file: Path) -> Archive:
    """The same, and checks it to the last byte: each part's digest, and the vendor's own sums inside.

    Raises:
        BadArchive: it is no whole, sound archive.
    """
    with _opened(file) as (tar, manifest):
        for part in manifest.parts:
            content = tar.extractfile(part.file)
            if content is None:
                raise BadArchive(f"its {part.file} is no file")
            try:
                found = examine(part.product, part.version, content)
            except BadArchive as bad:
                raise BadArchive(f"its {part.file} {bad}") from None
            if found != part:
                raise BadArchive(f"its {part.file} is not the one that its {MANIFEST} describes (SHA-256)")
    return look(file)


def listed(place: Path) -> tuple[list[Archive], list[str]]:
    """The archives in a directory, the newest first, and what is wrong with the others that are called so."""
    found, bad = [], []
    for file in place.glob(f"*{SUFFIX}"):
        try:
            found.append(look(file))
        except BadArchive as error:
            bad.append(str(error))
    return sorted(found, key=lambda archive: archive.manifest.taken, reverse=True), sorted(bad)


def readable(size: int) -> str:
    """A size in bytes as people read it: `36 kB`, `1.3 MB`."""
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"


@contextmanager
def _opened(file: Path, content: IO[bytes] | None = None) -> Iterator[tuple[tarfile.TarFile, Manifest]]:
    try:
        with tarfile.open(file, "r:", fileobj=content) as tar:
            yield tar, _manifest(tar)
    except BadArchive as bad:
        raise BadArchive(f"{file}: {bad}") from None
    except (tarfile.TarError, EOFError) as error:
        raise BadArchive(f"{file}: is cut off or no snapshot archive ({error})") from None
    except OSError as error:
        raise BadArchive(f"{file}: {error.strerror}") from None


def _manifest(tar: tarfile.TarFile) -> Manifest:
    names = tar.getnames()
    if MANIFEST not in names:
        raise BadArchive(f"has no {MANIFEST}: it is no snapshot archive")
    content = tar.extractfile(MANIFEST)
    manifest = Manifest.parse(content.read(SMALL).decode(errors="replace") if content else "")
    if sorted(names) != sorted([MANIFEST, *(part.file for part in manifest.parts)]):
        raise BadArchive(f"holds {', '.join(names)}: not what its {MANIFEST} says")
    return manifest


def pack(manifest: Manifest, parts: Mapping[Product, Path], target: Path, place: Path) -> None:
    """Write the archive in `place`, then move it to `target`, which is replaced at once and readable to its owner."""
    new = place / "archive"
    new.touch(mode=0o600)
    with new.open("wb") as out:
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
            text = manifest.text().encode()
            _add(tar, MANIFEST, io.BytesIO(text), len(text))
            for part in manifest.parts:
                with parts[part.product].open("rb") as content:
                    _add(tar, part.file, content, part.size)
        out.flush()
        os.fsync(out.fileno())
    new.replace(target)
    directory = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _add(tar: tarfile.TarFile, name: str, content: IO[bytes], size: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    tar.addfile(member, content)

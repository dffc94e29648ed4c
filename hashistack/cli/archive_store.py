"""Where a snapshot archive is: a file here, or an object in a platform's store (a URL, `s3://bucket/prefix`)."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from hashistack import platforms

if TYPE_CHECKING:
    from hashistack.ops.snapshots.archive import Archive

_AT_ONCE = 8
"""Objects that are looked at side by side: each takes two or three requests."""


@dataclass(frozen=True)
class Found:
    """An archive where the user finds it, and its size in bytes."""

    where: str
    size: int
    archive: Archive


@contextmanager
def fetched(where: str) -> Iterator[Path]:
    """The archive as a file: itself, or a private copy that is gone at the end. Errors name what the user named."""
    store = platforms.archive_store(where)
    if store is None:
        yield Path(where)
        return
    from hashistack.ops.snapshots.archive import BadArchive

    with TemporaryDirectory(prefix="hashistack-") as private:
        file = Path(private, "archive.tar")
        store.get(store.key, file)
        try:
            yield file
        except BadArchive as bad:
            raise BadArchive(str(bad).replace(str(file), where)) from None


@contextmanager
def written(where: str, name: str) -> Iterator[tuple[Path, str]]:
    """A file to write an archive to, and where it is to be found when that is done.

    name: what the archive is called in a directory, or under a prefix of the store.
    """
    store = platforms.archive_store(where)
    if store is None:
        file = Path(where)
        file = file / name if file.is_dir() else file
        yield file, str(file)
        return
    key = store.key if store.key.endswith(".tar") else "/".join(filter(None, (store.key.rstrip("/"), name)))
    with TemporaryDirectory(prefix="hashistack-") as private:
        file = Path(private, name)
        yield file, store.url(key)
        store.put(file, key)


def listed(where: str) -> tuple[list[Found], list[str]]:
    """The archives in a directory or under a prefix, the newest first, and what is wrong with the others."""
    from hashistack.ops.snapshots import archive

    store = platforms.archive_store(where)
    if store is None:
        here, bad = archive.listed(Path(where))
        return [Found(str(one.file), one.file.stat().st_size, one) for one in here], bad
    found, wrong = list[Found](), list[str]()
    objects = store.listed(archive.SUFFIX)
    with ThreadPoolExecutor(_AT_ONCE) as workers:
        for looked in workers.map(lambda stored: _looked(store, stored), objects):
            if isinstance(looked, Found):
                found.append(looked)
            else:
                wrong.append(looked)
    return sorted(found, key=lambda one: one.archive.manifest.taken, reverse=True), sorted(wrong)


def _looked(store: platforms.ArchiveStore, stored: platforms.Stored) -> Found | str:
    from hashistack.ops.snapshots.archive import BadArchive, look

    where = store.url(stored.key)
    try:
        with store.opened(stored) as content:
            return Found(where, stored.size, look(Path(stored.key), content))
    except BadArchive as bad:
        return str(bad).replace(str(Path(stored.key)), where, 1)

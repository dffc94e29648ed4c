"""Digests of files and of directories."""

import hashlib
from pathlib import Path


def of_file(path: Path) -> str:
    """The file's SHA-256 in hex; read in blocks, so its size doesn't matter."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def of(path: Path) -> str:
    """The digest a tool is known by: its executable's, or for a directory that of its sorted listing."""
    if path.is_file():
        return of_file(path)
    listing = "".join(f"{of_file(file)}  {file.name}\n" for file in sorted(path.iterdir()))
    return hashlib.sha256(listing.encode()).hexdigest()

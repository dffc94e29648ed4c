"""A tool as one file, so that it can be uploaded and fetched by one digest."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from hashistack.toolchain import digest

if TYPE_CHECKING:
    from hashistack.toolchain.tool import Tool


def packed(tool: Tool) -> tuple[Path, str]:
    """A tool's file and its SHA-256: the executable, or for "cni" a tar of the plugins, made beside them once.

    The tar has the same bytes wherever it is made: its digest goes into bundles, and another one replaces machines.
    """
    if not tool.path.is_dir():
        return tool.path, tool.sha256
    archive = tool.path.with_name(f"{tool.name}.tar")
    if not archive.exists():
        new = archive.with_name(f".{archive.name}.{os.getpid()}")
        with tarfile.open(new, "w", format=tarfile.USTAR_FORMAT) as out:
            for file in sorted(tool.path.iterdir()):
                member = tarfile.TarInfo(file.name)
                member.size, member.mode = file.stat().st_size, 0o755
                with file.open("rb") as contents:
                    out.addfile(member, contents)
        new.rename(archive)
    return archive, digest.of_file(archive)

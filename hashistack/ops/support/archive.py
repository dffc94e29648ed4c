"""The archive: written beside its place, looked through for secrets, and moved there only when it has none."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path

from hashistack.errors import HashistackError
from hashistack.ops.support.redaction import Redaction


def write(file: Path, texts: Mapping[str, str], redaction: Redaction) -> None:
    """Write texts without their secrets into the archive `file` (tar, gzip), which only this user reads.

    Raises:
        HashistackError: a secret would still be in it; nothing is written.
    """
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    folder = file.name.removesuffix(".tar.gz")
    try:
        with (
            os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out,
            tarfile.open(fileobj=out, mode="w:gz") as archive,
        ):
            for name, text in sorted(texts.items()):
                data = redaction.text(text).encode()
                member = tarfile.TarInfo(f"{folder}/{redaction.text(name)}")
                member.size, member.mode = len(data), 0o600
                archive.addfile(member, io.BytesIO(data))
        if found := leaks(draft, redaction):
            raise HashistackError(
                f"{file}: not written, a secret was still in {', '.join(found)}. This is a bug of hashistack",
                "report it; send nothing",
            )
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


def leaks(file: Path, redaction: Redaction) -> list[str]:
    """The members of an archive that hold a known secret, read from what was written."""
    with tarfile.open(file) as archive:
        members = [member for member in archive if member.isfile()]
        read = {member.name: archive.extractfile(member) for member in members}
        return [name for name, data in read.items() if data and redaction.holds(data.read() + name.encode())]

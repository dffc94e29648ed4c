"""A release under a number that the vendor never gave: the real program, from a mirror and signed by a key of ours."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import ZipFile

import pytest
from pysequoia import SignatureMode, Tsk, sign

from hashistack.toolchain import host_arch, resolve


@contextmanager
def renumbered(product: str, version: str, number: str, mirror: Path, *, static: bool) -> Iterator[None]:
    """`product` `version` is `number` too, for every command until the end.

    It is got as by `hashistack toolchain fetch` from a mirror, and stays in the cache meanwhile. The program says its
    new number wherever it said the old one; both are of one length, so that all else in it keeps its place.
    """
    arch = host_arch()
    program = resolve(product, version, arch, static=static).path.read_bytes()
    old, new = version.encode(), number.encode()
    assert len(old) == len(new)
    assert old in program
    folder = mirror / product / number
    folder.mkdir(parents=True)
    archive = folder / f"{product}_{number}_linux_{arch}.zip"
    with ZipFile(archive, "w") as zipped:
        zipped.writestr(product, program.replace(old, new))
    sums = f"{hashlib.sha256(archive.read_bytes()).hexdigest()}  {archive.name}\n".encode()
    key = Tsk.generate("Tests <tests@example.com>")
    signed = sign(key.signer(), sums, mode=SignatureMode.DETACHED, armor=False)
    (folder / f"{product}_{number}_SHA256SUMS").write_bytes(sums)
    (folder / f"{product}_{number}_SHA256SUMS.sig").write_bytes(bytes(signed))
    (mirror / "key.asc").write_bytes(bytes(key.extract_certificate()))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("HASHISTACK_MIRROR", str(mirror))
        environment.setenv("HASHISTACK_RELEASE_KEY", str(mirror / "key.asc"))
        tool = resolve(product, number, arch, static=static, build=False)
    try:
        yield
    finally:
        shutil.rmtree(tool.path.parents[2])

"""The layout of release sites and mirrors, and how a release is verified and unpacked.

A mirror (HASHISTACK_MIRROR, a directory or a URL) has `<name>/<version>/` holding the archive and its
checksums under the file names of the vendor's own release:

    nomad/1.11.3/nomad_1.11.3_linux_amd64.zip            nomad_1.11.3_SHA256SUMS   (consul, vault alike)
    pulumi/3.259.0/pulumi-v3.259.0-linux-x64.tar.gz      pulumi-3.259.0-checksums.txt
    cni/1.9.0/cni-plugins-linux-amd64-v1.9.0.tgz         cni-plugins-linux-amd64-v1.9.0.tgz.sha256
"""

import lzma
import re
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from hashistack.home import expanded
from hashistack.toolchain import cache, digest, download, elf
from hashistack.toolchain.ticker import Ticker
from hashistack.toolchain.tool import DigestRefused, Tool, Unavailable, Wanted


@dataclass(frozen=True)
class Release:
    """File names of one published tool, the mirror's folder for it and the vendor's folder (a URL)."""

    archive: str
    sums: str
    folder: str
    official: str


def of(wanted: Wanted) -> Release:
    """Where `wanted` is published."""
    name, version, arch = wanted.name, wanted.version, wanted.arch
    folder = f"{name}/{version}"
    if name == "pulumi":
        machine = {"amd64": "x64", "arm64": "arm64"}[arch]
        official = f"https://github.com/pulumi/pulumi/releases/download/v{version}"
        return Release(f"pulumi-v{version}-linux-{machine}.tar.gz", f"pulumi-{version}-checksums.txt", folder, official)
    if name == "cni":
        archive = f"cni-plugins-linux-{arch}-v{version}.tgz"
        official = f"https://github.com/containernetworking/plugins/releases/download/v{version}"
        return Release(archive, f"{archive}.sha256", folder, official)
    return Release(
        f"{name}_{version}_linux_{arch}.zip",
        f"{name}_{version}_SHA256SUMS",
        folder,
        f"https://releases.hashicorp.com/{folder}",
    )


def take(wanted: Wanted, source: str, folder: str, ticker: Ticker) -> Tool:
    """Fetch, verify, unpack and cache a release from `folder`, a directory or URL; the lock must be held.

    Raises Unavailable when the folder has no such release, or not one that is wanted; DigestRefused when the
    archive is not what the checksums beside it, or the user's pin, say.
    """
    release = of(wanted)
    if folder.startswith(("http://", "https://")):
        sums = download.text(f"{folder}/{release.sums}")
        expected = _expected(release, sums)
        archive = download.archive(wanted, f"{folder}/{release.archive}", expected, ticker)
        try:
            return _keep(wanted, source, folder, archive, expected, ticker)
        finally:
            shutil.rmtree(archive.parent)
    directory = expanded(folder.removeprefix("file://"))
    try:
        expected = _expected(release, (directory / release.sums).read_text())
        ticker.doing(f"verifying {release.archive}")
        actual = digest.of_file(directory / release.archive)
    except OSError as error:
        raise Unavailable(f"{error.filename}: {error.strerror}") from None
    if actual != expected:
        raise DigestRefused(
            f"{wanted.label}: {directory / release.archive} has {actual}, expected {expected} "
            f"(by {release.sums} beside it): refused; nothing was kept",
            "copy that release to the mirror again, or unset HASHISTACK_MIRROR",
        )
    return _keep(wanted, source, folder, directory / release.archive, expected, ticker)


def _expected(release: Release, sums: str) -> str:
    for line in sums.splitlines():
        sha256, _, name = line.partition(" ")
        if name.strip().lstrip("*") == release.archive and re.fullmatch("[0-9a-f]{64}", sha256):
            return sha256
    raise Unavailable(f"{release.sums} does not list {release.archive}")


def _keep(wanted: Wanted, source: str, folder: str, archive: Path, sha256: str, ticker: Ticker) -> Tool:
    ticker.doing("unpacking")
    staged = cache.staging(wanted)
    try:
        _unpack(archive, cache.files_of(wanted, staged), wanted.name)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError) as error:
        raise Unavailable(f"{archive.name} cannot be unpacked: {error}") from None
    return cache.keep(wanted, staged, cache.Origin(source, folder, sha256))


def _unpack(archive: Path, into: Path, name: str) -> None:
    """Write an archive's programs, flat, into a directory: of a zip the one called `name`, of a tar all."""
    for member, content in _programs(archive, name):
        target = into / member
        with target.open("wb") as file:
            shutil.copyfileobj(content, file, 1 << 20)
        target.chmod(0o755)
        if name == "cni" and elf.arch(target) is None:
            target.unlink()  # the licence and the readme are no plugins


def _programs(archive: Path, name: str) -> Iterator[tuple[str, IO[bytes]]]:
    if archive.name.endswith(".zip"):
        with zipfile.ZipFile(archive) as zipped:
            if name in zipped.namelist():
                with zipped.open(name) as content:
                    yield name, content
        return
    with tarfile.open(archive) as tarred:
        for member in tarred:
            program = tarred.extractfile(member) if member.isfile() and member.mode & 0o111 else None
            if program:
                yield Path(member.name).name, program

"""The layout of release sites and mirrors, and how a release is verified and unpacked.

A mirror (HASHISTACK_MIRROR, a directory or a URL) has `<name>/<version>/` holding the archive and its
checksums under the file names of the vendor's own release:

    nomad/1.11.3/nomad_1.11.3_linux_amd64.zip            nomad_1.11.3_SHA256SUMS, nomad_1.11.3_SHA256SUMS.sig
    (consul and vault alike; see `signature.py` for when the .sig may be left out)
    pulumi/3.259.0/pulumi-v3.259.0-linux-x64.tar.gz      pulumi-3.259.0-checksums.txt
    cni/1.9.0/cni-plugins-linux-amd64-v1.9.0.tgz         cni-plugins-linux-amd64-v1.9.0.tgz.sha256
"""

import lzma
import re
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from hashistack.home import expanded
from hashistack.toolchain import cache, digest, download, elf, signature
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
        sums = download.content(f"{folder}/{release.sums}")
        signer = _signer(wanted, source, release, sums, lambda file: download.content(f"{folder}/{file}"))
        expected = _expected(release, sums)
        archive = download.archive(wanted, f"{folder}/{release.archive}", expected, ticker)
        try:
            return _keep(wanted, cache.Origin(source, folder, expected, signer), archive, ticker)
        finally:
            shutil.rmtree(archive.parent)
    directory = expanded(folder.removeprefix("file://"))
    try:
        sums = (directory / release.sums).read_bytes()
        signer = _signer(wanted, source, release, sums, lambda file: _content(directory / file))
        expected = _expected(release, sums)
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
    return _keep(wanted, cache.Origin(source, folder, expected, signer), directory / release.archive, ticker)


def _signer(wanted: Wanted, source: str, release: Release, sums: bytes, read: Callable[[str], bytes]) -> str:
    """Who signed the checksums. "" where that is not asked: a digest is given, or a mirror has what a recipe pins.

    Raises Unavailable where a signature is needed and not there, SignatureRefused for a wrong one.
    """
    if wanted.name not in signature.SIGNED or wanted.sha256:
        return ""
    try:
        signed = read(f"{release.sums}.sig")
    except Unavailable as reason:
        if source == "mirror" and not signature.needed(wanted):
            return ""
        raise Unavailable(f"{reason}, and no digest is given to go without the signature") from None
    return signature.signer(wanted, release.sums, sums, signed)


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise Unavailable(f"{file}: {error.strerror}") from None


def _expected(release: Release, sums: bytes) -> str:
    for line in sums.decode(errors="replace").splitlines():
        sha256, _, name = line.partition(" ")
        if name.strip().lstrip("*") == release.archive and re.fullmatch("[0-9a-f]{64}", sha256):
            return sha256
    raise Unavailable(f"{release.sums} does not list {release.archive}")


def _keep(wanted: Wanted, origin: cache.Origin, archive: Path, ticker: Ticker) -> Tool:
    ticker.doing("unpacking")
    staged = cache.staging(wanted)
    try:
        _unpack(archive, cache.files_of(wanted, staged), wanted.name)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError) as error:
        raise Unavailable(f"{archive.name} cannot be unpacked: {error}") from None
    return cache.keep(wanted, staged, origin)


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

"""Alpine's packages and their index, version 2 of the format, signed: what `apk add` verifies and installs.

Both are streams of gzip one after the other: a signature of what follows it, then tars. The same files, key and version
give the same bytes. https://wiki.alpinelinux.org/wiki/Apk_spec
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zlib
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copyfileobj
from typing import TYPE_CHECKING, Final

from hashistack.toolchain import digest
from hashistack.toolchain.tool import ToolError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

ARCHITECTURES: Final[Mapping[str, str]] = {"amd64": "x86_64", "arm64": "aarch64"}
"""Ours to Alpine's."""

INDEX: Final = "APKINDEX.tar.gz"

_LISTED: Final = {
    "P": "pkgname",
    "V": "pkgver",
    "A": "arch",
    "I": "size",
    "T": "pkgdesc",
    "U": "url",
    "L": "license",
    "D": "depend",
    "p": "provides",
}
"""What the index says of a package, in words of the package itself."""

_START: Final = 1 << 20
"""Bytes at a package's start that hold its signature and what it says of itself: some KiB."""

_LEVEL: Final = 1
"""Of compression: at 9, a tool of 130 MB takes minutes."""


@dataclass(frozen=True)
class Key:
    """Who signs. name: of the public key's file under /etc/apk/keys; packages say by it which key they want."""

    name: str
    private: RSAPrivateKey = field(repr=False)

    @property
    def public_pem(self) -> bytes:
        """What machines have in that file."""
        from cryptography.hazmat.primitives import serialization as to

        return self.private.public_key().public_bytes(to.Encoding.PEM, to.PublicFormat.SubjectPublicKeyInfo)

    def signed(self, stream: bytes) -> bytes:
        """The stream behind its signature."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        signature = self.private.sign(stream, padding.PKCS1v15(), hashes.SHA256())
        return _stream({f".SIGN.RSA256.{self.name}": signature}, ends=False) + stream


@dataclass(frozen=True)
class Package:
    """What a package says of itself. version: with Alpine's release, as "1.11.3-r0". scripts: name (".pre-install")
    to text. provides: other names for it."""

    name: str
    version: str
    arch: str
    description: str
    license: str = ""
    url: str = ""
    depends: Sequence[str] = ()
    provides: Sequence[str] = ()
    scripts: Mapping[str, str] = field(default_factory=dict)

    @property
    def filename(self) -> str:
        return f"{self.name}-{self.version}.apk"


def key(path: Path) -> Key:
    """The key in a file: RSA, PEM, without a passphrase. Raises ToolError where there is none."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    remedy = f"make one (`openssl genrsa -out {path} 4096`) and keep it: machines trust packages by it"
    try:
        found = load_pem_private_key(path.read_bytes(), None)
    except FileNotFoundError:
        raise ToolError(f"{path}: there is no such key", remedy) from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ToolError(f"{path}: no private key in PEM without a passphrase", remedy) from None
    if not isinstance(found, RSAPrivateKey):
        raise ToolError(f"{path}: not an RSA key, and apk takes no other", remedy)
    return Key(f"{path.stem}.rsa.pub", found)


def write(package: Package, root: Path, key: Key, directory: Path) -> Path:
    """Pack what is under `root` as the files of `package`, all of them root's, into `directory`.

    Their modes and links stay as they are.
    """
    paths = sorted(root.rglob("*"))
    data, new = (directory / f".{package.filename}.{part}" for part in ("data", "new"))
    try:
        with (
            data.open("wb") as raw,
            gzip.GzipFile("", "wb", _LEVEL, raw, mtime=0) as zipped,
            tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            for path in paths:
                _add(tar, path, path.relative_to(root).as_posix())
        installed = sum(path.lstat().st_size for path in paths if path.is_file() and not path.is_symlink())
        texts = {".PKGINFO": _about(package, installed, digest.of_file(data)), **package.scripts}
        control = _stream({name: text.encode() for name, text in texts.items()}, ends=False)
        with new.open("wb") as out, data.open("rb") as rest:
            out.write(key.signed(control))
            copyfileobj(rest, out)
        return new.rename(directory / package.filename)
    finally:
        data.unlink(missing_ok=True)
        new.unlink(missing_ok=True)


def write_index(key: Key, directory: Path, description: str) -> None:
    """The signed list of all packages in `directory`, by which `apk` finds them there.

    Raises ToolError for a file that only looks like one.
    """
    listed = "\n".join(_listed(path) for path in sorted(directory.glob("*.apk")))
    stream = _stream({"DESCRIPTION": description.encode(), "APKINDEX": f"{listed}\n".encode()}, ends=True)
    new = directory / f".{INDEX}"
    new.write_bytes(key.signed(stream))
    new.rename(directory / INDEX)


def _stream(files: Mapping[str, bytes], ends: bool) -> bytes:
    """These files as a compressed tar; one that does not end goes on with the next stream's."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(text), 0o755 if name.startswith((".pre-", ".post-")) else 0o644
            tar.addfile(member, io.BytesIO(text))
        end = tar.offset
    return gzip.compress(raw.getvalue() if ends else raw.getvalue()[:end], mtime=0)


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    member = tar.gettarinfo(path, name)
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = "root"
    if not member.isreg():
        tar.addfile(member)
        return
    member.type, member.linkname, member.size = tarfile.REGTYPE, "", path.stat().st_size
    with path.open("rb") as contents:
        member.pax_headers = {"APK-TOOLS.checksum.SHA1": hashlib.file_digest(contents, "sha1").hexdigest()}
        contents.seek(0)
        tar.addfile(member, contents)


def _about(package: Package, installed: int, data_sha256: str) -> str:
    said = {
        "pkgname": package.name,
        "pkgver": package.version,
        "pkgdesc": package.description,
        "url": package.url,
        "builddate": "0",
        "size": f"{installed}",
        "arch": package.arch,
        "license": package.license,
    }
    lines = [f"{name} = {value}" for name, value in said.items()]
    lines += [f"depend = {one}" for one in package.depends]
    lines += [f"provides = {one}" for one in package.provides]
    return "\n".join([*lines, f"datahash = {data_sha256}", ""])


def _listed(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(_START)
    try:
        control = _after(start)
        control = control[: len(control) - len(_after(control))]
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(control) + bytes(2 * tarfile.BLOCKSIZE))) as tar:
            about = tar.extractfile(".PKGINFO")
            lines = about.read().decode().splitlines() if about else []
    except (zlib.error, EOFError, OSError, tarfile.TarError, KeyError):
        raise ToolError(f"{path}: not a signed package", "move it elsewhere, then repeat") from None
    said: dict[str, list[str]] = {}
    for name, _, value in (line.partition(" = ") for line in lines):
        said.setdefault(name, []).append(value)
    checksum = b64encode(hashlib.sha1(control, usedforsecurity=False).digest()).decode()
    listed = {"C": f"Q1{checksum}", "S": f"{path.stat().st_size}"}
    listed |= {short: " ".join(said.get(name, ())) for short, name in _LISTED.items()}
    return "".join(f"{name}:{value}\n" for name, value in listed.items() if value)


def _after(data: bytes) -> bytes:
    """What follows the first stream of gzip in `data`."""
    stream = zlib.decompressobj(wbits=31)
    stream.decompress(data)
    return stream.unused_data

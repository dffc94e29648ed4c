"""A release site on loopback, tiny real programs in its archives, and a cache of its own for every test."""

import hashlib
import io
import struct
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization as to
from pysequoia import SignatureMode, Tsk, sign

from hashistack.toolchain import release
from hashistack.toolchain.build import source
from hashistack.toolchain.tool import Unavailable

VENDOR = Tsk.generate("Vendor <vendor@example.com>")
"""The key with which the official site signs, in the real one's place."""
MACHINES = {"amd64": 62, "arm64": 183}


def written(private: Any, path: Path) -> Path:
    """A private key in a file, as PEM."""
    path.write_bytes(private.private_bytes(to.Encoding.PEM, to.PrivateFormat.PKCS8, to.NoEncryption()))
    return path


def program(says: str, arch: str = "amd64", *, dynamic: bool = False, padding: int = 0) -> bytes:
    """An ELF executable; the amd64 one really runs and writes `says`. `padding`: bytes of noise."""
    text = says.encode()
    code = bytes.fromhex("b801000000bf01000000488d3510000000ba") + struct.pack("<I", len(text))
    code += bytes.fromhex("0f05b83c00000031ff0f05") + text
    noise = hashlib.shake_256(says.encode()).digest(padding)
    headers = 1 + dynamic
    start = 64 + 56 * headers
    total = start + len(code) + len(noise)
    base = 0x400000
    elf = b"\x7fELF\x02\x01\x01" + bytes(9)
    elf += struct.pack("<HHIQQQIHHHHHH", 2, MACHINES[arch], 1, base + start, 64, 0, 0, 64, 56, headers, 0, 0, 0)
    if dynamic:
        elf += struct.pack("<IIQQQQQQ", 3, 4, start, base, base, 1, 1, 1)
    elf += struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, total, total, 0x1000)
    return elf + code + noise


def zipped(name: str, content: bytes, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip as HashiCorp publishes it: the program and a licence."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr("LICENSE.txt", "the licence")
        archive.writestr(name, content)
    return buffer.getvalue()


def tarred(files: dict[str, bytes]) -> bytes:
    """A gzipped tar of executables."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


class Site:
    """Files served over HTTP, and what was asked for. The next `cut` answers end after `cut_after` bytes."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        self.cut = 0
        self.cut_after = 0
        self.ranges = True
        self.sent = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def publish(self, folder: str, archive: str, content: bytes, sums: str, sha256: str = "") -> str:
        """Put an archive and its checksums in a folder; returns the digest listed."""
        listed = sha256 or hashlib.sha256(content).hexdigest()
        self.files[f"/{folder}/{archive}"] = content
        self.files[f"/{folder}/{sums}"] = f"{listed}  {archive}\n".encode()
        if folder.startswith("official/"):
            self.sign(folder, sums, VENDOR)
        return listed

    def sign(self, folder: str, sums: str, key: Tsk) -> None:
        """Put the signature beside published checksums."""
        signed = sign(key.signer(), self.files[f"/{folder}/{sums}"], mode=SignatureMode.DETACHED, armor=False)
        self.files[f"/{folder}/{sums}.sig"] = bytes(signed)

    def nomad(
        self,
        content: bytes,
        *,
        version: str = "1.11.3",
        arch: str = "amd64",
        sha256: str = "",
        site: str = "",
    ) -> str:
        """Publish a zip as Nomad's; `site` is "" for the mirror or "official/" for the vendor's."""
        return self.publish(
            f"{site}nomad/{version}",
            f"nomad_{version}_linux_{arch}.zip",
            content,
            f"nomad_{version}_SHA256SUMS",
            sha256,
        )

    def write(self, directory: Path) -> None:
        """Lay the files out in a directory."""
        for name, content in self.files.items():
            target = directory / name.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)

    def archives_asked(self) -> list[str]:
        """The Range header, or "", of every request for an archive."""
        return [wanted for path, wanted in self.asked if path.endswith((".zip", ".tgz", ".tar.gz"))]

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        site = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *arguments: Any) -> None:
                pass

            def do_GET(self) -> None:
                wanted = self.headers.get("Range", "")
                site.asked.append((self.path, wanted))
                content = site.files.get(self.path)
                if content is None:
                    self.send_error(404)
                    return
                start = int(wanted[6:-1]) if wanted and site.ranges else 0
                if start >= len(content):
                    self.send_error(416)
                    return
                body = content[start:]
                self.send_response(206 if start else 200)
                if start:
                    self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if site.cut and self.path.endswith(".zip"):
                    site.cut -= 1
                    body = body[: site.cut_after]
                    self.close_connection = True
                self.wfile.write(body)
                site.sent += len(body)

        return Handler


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, no mirror, the vendor's key, and none of this machine's own pulumi."""
    (tmp_path / "vendor.asc").write_bytes(bytes(VENDOR.extract_certificate()))
    monkeypatch.setenv("HASHISTACK_RELEASE_KEY", str(tmp_path / "vendor.asc"))
    monkeypatch.setenv("HASHISTACK_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HASHISTACK_MIRROR", raising=False)
    monkeypatch.setattr("shutil.which", lambda name, *_, **__: None)
    return tmp_path / "cache"


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A release site; the vendor's URLs lead to its /official; a source build says that it was reached."""
    site = Site()
    published = release.of
    monkeypatch.setattr(
        release,
        "of",
        lambda wanted: replace(published(wanted), official=f"{site.url}/official/{wanted.name}/{wanted.version}"),
    )

    def build(*_: object) -> None:
        raise Unavailable("the source build was reached")

    monkeypatch.setattr(source, "build", build)
    yield site
    site.close()


@pytest.fixture
def mirror(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The site, set as the mirror."""
    monkeypatch.setenv("HASHISTACK_MIRROR", site.url)
    return site


@pytest.fixture
def make() -> Any:
    """The makers of programs and archives."""

    class Make:
        program = staticmethod(program)
        zipped = staticmethod(zipped)
        tarred = staticmethod(tarred)

    return Make

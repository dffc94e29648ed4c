"""What is asked for, what is handed out, and how a failure reads."""

import platform
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hashistack.errors import HashistackError

NAMES: Final = ("pulumi", "nomad", "consul", "vault", "cni")
ARCHITECTURES: Final = ("amd64", "arm64")
Progress = Callable[[str], None]


class ToolError(HashistackError):
    """A tool is not to be had; the text says what was tried, in order, and the next command."""


class DigestRefused(ToolError):
    """Bytes were offered whose digest is not the expected one; nothing of them was kept."""


class SignatureRefused(ToolError):
    """Checksums were offered that the vendor's key did not sign; nothing of them was kept."""


class Unavailable(HashistackError):
    """One source doesn't have the tool: the next one is asked. The text is the reason, without full stop."""


@dataclass(frozen=True)
class Tool:
    """A tool on this machine.

    path: the executable; for "cni" the directory of plugins.
    sha256: the executable's digest; for "cni" that of its sorted listing (`<sha256>  <file>` a line).
    source: where the bytes came from: "PATH", "mirror", "official release" or "source build".
    """

    name: str
    version: str
    arch: str
    path: Path
    sha256: str
    source: str


@dataclass(frozen=True)
class Wanted:
    """One tool as asked for.

    sha256: None, or the only digest accepted: of the published archive or of the executable in it.
    static: only an executable without a dynamic loader will do (it runs under musl, or in an empty root).
    """

    name: str
    version: str
    arch: str
    sha256: str | None = None
    static: bool = False

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise ToolError(f"unknown tool {self.name!r}: the toolchain has {', '.join(NAMES)}")
        if not re.fullmatch(r"\d+\.\d+\.\d+", self.version):
            raise ToolError(f"{self.name}: version {self.version!r} is not of the form 1.2.3")
        if self.arch not in ARCHITECTURES:
            raise ToolError(f"{self.name}: architecture {self.arch!r} is not one of {', '.join(ARCHITECTURES)}")
        if self.sha256 is not None and not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise ToolError(f"{self.label}: sha256 {self.sha256!r} is not 64 lower-case hex digits")

    @property
    def label(self) -> str:
        return f"{self.name} {self.version} linux/{self.arch}"

    def refuse_unless_pinned(self, verb: str, *digests: str) -> None:
        """Raise DigestRefused when a digest is pinned and none of `digests` (the best known first) is it."""
        if self.sha256 is None or self.sha256 in digests:
            return
        raise DigestRefused(
            f"{self.label}: {verb} {digests[0]}, expected {self.sha256}: refused; nothing was kept",
            f"if {digests[0]} is the one you trust, pin it in the spec's versions.{self.name}.sha256; "
            "otherwise ask whoever runs the mirror (HASHISTACK_MIRROR), or unset it",
        )


def host_arch() -> str:
    """This machine's architecture in Go's words, "amd64" or "arm64"; raises ToolError for any other."""
    machine = platform.machine().lower()
    known = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
    if machine not in known:
        raise ToolError(f"this machine is {machine}; the toolchain has tools for {' and '.join(ARCHITECTURES)}")
    return known[machine]

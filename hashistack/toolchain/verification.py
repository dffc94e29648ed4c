"""Proof that cached tools are what they say: re-hashed, run, and run again where there is no C library."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hashistack.toolchain import cache, digest, elf
from hashistack.toolchain.tool import Tool, host_arch

_QUIET: Final = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/nonexistent",
    "PULUMI_SKIP_UPDATE_CHECK": "true",
}


@dataclass(frozen=True)
class Verification:
    """What was found about one cached tool.

    intact: its digest is the one in its path. static: it needs no dynamic loader.
    version: what it says when run, "" when that went wrong, None when it is for another architecture.
    alone: whether it runs in an empty root directory; None when that could not be tried. note: why, in words.
    """

    tool: Tool
    intact: bool
    static: bool
    version: str | None
    alone: bool | None
    note: str

    @property
    def ok(self) -> bool:
        """Nothing is wrong: intact, runs as its version, and alone too if static. Untried is not wrong."""
        runs = self.version in (None, self.tool.version)
        return self.intact and runs and not (self.static and self.alone is False)


def verify(tools: Sequence[Tool] | None = None) -> list[Verification]:
    """Check `tools`, or everything in the cache; takes about a second a tool."""
    return [_verify(tool) for tool in (tools or [entry.tool for entry in cache.entries()])]


def _verify(tool: Tool) -> Verification:
    static = elf.is_static(tool.path)
    if digest.of(tool.path) != tool.sha256:
        note = f"altered: delete {tool.path.parent} and fetch it again"
        return Verification(tool, False, static, None, None, note)
    if tool.arch != host_arch():
        return Verification(tool, True, static, None, None, f"not run: this machine is {host_arch()}")
    version, wrong = _version(tool, None)
    if wrong or os.geteuid() != 0:
        return Verification(
            tool, True, static, version, None, wrong or "not run in an empty root: needs root"
        )
    with tempfile.TemporaryDirectory(prefix=".root-", dir=cache.root()) as root:
        shutil.copytree(tool.path.parent, root, copy_function=os.link, dirs_exist_ok=True)
        alone, wrong = _version(tool, root)
    return Verification(tool, True, static, version, alone == version, wrong)


def _version(tool: Tool, root: str | None) -> tuple[str, str]:
    """What a tool, or all plugins of a directory agreeing, say when run; or "" and what went wrong.

    With `root`, a directory holding nothing but the tool, it is run with that as its root: no C library, no
    loader, no /proc, no /etc.
    """
    said = set()
    for program in sorted(tool.path.iterdir()) if tool.path.is_dir() else [tool.path]:
        inside = f"/{program.relative_to(tool.path.parent)}"
        command = ["chroot", root, inside] if root else [str(program)]
        if tool.name != "cni":  # a plugin that is given no command says its version
            command.append("version")
        try:
            ran = subprocess.run(
                command, capture_output=True, text=True, timeout=30, env=_QUIET, stdin=subprocess.DEVNULL
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return "", f"{program.name} does not run: {error}"
        words = ran.stdout + ran.stderr
        found = re.search(r"\bv(\d+\.\d+\.\d+)\b", words)
        if ran.returncode or not found:
            where = " in an empty root" if root else ""
            return "", f"{program.name} does not run{where}: {' '.join(words.split())[:200]}"
        said.add(found[1])
    return ", ".join(sorted(said)), ""

"""Proof that cached tools are what they say: re-hashed, run, and run again where there is no C library."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
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
    version, wrong = _version(tool, [], tool.path)
    alone, why = (None, wrong) if wrong else _alone(tool)
    return Verification(tool, True, static, version, alone, why)


def _alone(tool: Tool) -> tuple[bool | None, str]:
    """Whether the tool says its version in a root directory that holds nothing else, no C library."""
    with tempfile.TemporaryDirectory(prefix=".root-", dir=cache.root()) as root:
        shutil.copytree(tool.path.parent, root, copy_function=os.link, dirs_exist_ok=True)
        # Nomad asks where it lies; a link does for the whole of /proc
        Path(root, "proc/self").mkdir(parents=True)
        Path(root, "proc/self/exe").symlink_to(Path("/", tool.name))
        if os.geteuid() == 0:
            enter = ["chroot", root]
        else:
            enter = ["unshare", "--user", "--map-root-user", "chroot", root]
            tried = subprocess.run([*enter[:-2], "true"], capture_output=True, text=True)
            if tried.returncode:
                return None, f"not run in an empty root, for want of root's rights: {tried.stderr.strip()}"
        _, wrong = _version(tool, enter, Path("/", tool.name))
    return not wrong, wrong and f"in an empty root {wrong}"


def _version(tool: Tool, before: Sequence[str], path: Path) -> tuple[str, str]:
    """What the tool at `path`, or all plugins of a directory agreeing, say; or "" and what went wrong."""
    said = set()
    for name in sorted(file.name for file in tool.path.iterdir()) if tool.path.is_dir() else [""]:
        command = [*before, str(path / name)]
        if tool.name != "cni":  # a plugin that is given no command says its version
            command.append("version")
        try:
            ran = subprocess.run(
                command, capture_output=True, text=True, timeout=30, env=_QUIET, stdin=subprocess.DEVNULL
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return "", f"{name or tool.name} does not run: {error}"
        words = ran.stdout + ran.stderr
        found = re.search(r"\bv(\d+\.\d+\.\d+)\b", words)
        if ran.returncode or not found:
            return "", f"{name or tool.name} does not run: {' '.join(words.split())[:200]}"
        said.add(found[1])
    return ", ".join(sorted(said)), ""

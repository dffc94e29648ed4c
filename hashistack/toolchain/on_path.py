"""The Pulumi that the user has installed, when it is the pinned one."""

import os
import shutil
import subprocess
from pathlib import Path

from hashistack.toolchain import digest
from hashistack.toolchain.tool import Tool, Unavailable, Wanted


def pulumi(wanted: Wanted) -> Tool:
    """`pulumi` on PATH; raises Unavailable when absent, of another version, or unable to run Python."""
    found = shutil.which("pulumi")
    if not found:
        raise Unavailable("no pulumi")
    if not shutil.which("pulumi-language-python"):
        raise Unavailable(f"{found} has no pulumi-language-python beside it")
    version = _version(found)
    if version != wanted.version:
        raise Unavailable(f"{found} is {version or 'of an unknown version'}")
    sha256 = digest.of_file(Path(found).resolve())
    if wanted.sha256 not in (None, sha256):
        raise Unavailable(f"{found} has {sha256}, expected {wanted.sha256}")
    return Tool("pulumi", wanted.version, wanted.arch, Path(found), sha256, "PATH")


def _version(executable: str) -> str:
    quiet = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        answer = subprocess.run([executable, "version"], capture_output=True, text=True, timeout=20, env=quiet)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip().removeprefix("v")

"""A Debian root file system from packages alone, for machines that reach no container registry."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from hashistack.errors import HashistackError
from hashistack.local.image.recipe import PACKAGES, SUITE, TRIMMED

OFFICIAL_MIRROR = "http://deb.debian.org/debian"
_LAST_LINES = 8
LOG = "hashistack-machine-image.{user}.log"
"""Where the whole output of the last build is, in the directory of the build's own."""
_STAGES = {
    "Retrieving": "fetching Debian's packages",
    "Extracting": "unpacking the base system",
    "Installing": "installing the base system",
    "Unpacking": "unpacking packages",
    "Configuring": "configuring packages",
}
"""The first word of a line of debootstrap, to the stage that begins there; of its 350 lines that is what matters."""


class ImageError(HashistackError):
    """The machine image can't be made. The text says what is wrong and what to do next."""


def mirror() -> str:
    """Where packages come from: `HASHISTACK_DEBIAN_MIRROR`, a Debian host's own mirror, or deb.debian.org."""
    if configured := os.environ.get("HASHISTACK_DEBIAN_MIRROR"):
        return configured
    release = Path("/etc/os-release")
    if not release.is_file() or "ID=debian" not in release.read_text().splitlines():
        return OFFICIAL_MIRROR
    apt = Path("/etc/apt")
    files = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]
    return next(_debian_mirrors(files), OFFICIAL_MIRROR)


def _debian_mirrors(files: list[Path]) -> Iterator[str]:
    """The addresses of Debian's own archive in apt's one-line and deb822 files, most likely ones first."""
    for file in files:
        if not file.is_file():
            continue
        for line in file.read_text(errors="replace").splitlines():
            found = re.match(r"(?:deb\s+(?:\[[^]]*\]\s+)?|URIs:\s*)(https?://\S+)", line)
            if found and found[1].rstrip("/").endswith("/debian"):
                yield found[1].rstrip("/")


def build(directory: Path, arch: str, progress: Callable[[str], None]) -> Path:
    """A tar file of Debian with `PACKAGES`, trimmed, made in the empty `directory`.

    `arch` is Debian's name ("amd64", "arm64"). Takes one to two minutes and about 400 MB; installs
    debootstrap where it is missing. Raises `ImageError` without root, or when a package can't be had.
    """
    if os.geteuid() != 0:
        raise ImageError(
            "no container registry answers, and building the machine image from Debian packages needs root: "
            "run the same command once as root (sudo -E), or give Docker a way to its registry; "
            "later runs use the cached image"
        )
    log = directory.parent / LOG.format(user=os.geteuid())
    log.unlink(missing_ok=True)
    _install_debootstrap(progress, log)
    tree, archive, source = directory / "tree", directory / "rootfs.tar", mirror()
    command = [
        *("unshare", "--mount"),  # its /proc and /sys inside the tree vanish with it, however it ends
        *("debootstrap", "--variant=minbase", f"--arch={arch}", f"--include={','.join(PACKAGES)}"),
        *(SUITE, str(tree), source),
    ]
    last = _run(command, progress, log, hide=source)
    if last is not None:
        raise ImageError(
            f"debootstrap could not build the machine image from {_shown(source)}; it said:\n  {last}\n"
            f"All that it said: {log}\n"
            "Check that this mirror is reachable, or name another in HASHISTACK_DEBIAN_MIRROR."
        )
    trim(tree)
    last = _run(["tar", "--numeric-owner", "-C", str(tree), "-cf", str(archive), "."], progress, log)
    if last is not None:
        raise ImageError(f"the machine image could not be written to {directory}; tar said:\n  {last}")
    return archive


def trim(tree: Path) -> None:
    """Removes what a machine doesn't need or must not share with others (`TRIMMED`)."""
    for pattern in TRIMMED:
        for path in tree.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _install_debootstrap(progress: Callable[[str], None], log: Path) -> None:
    if shutil.which("debootstrap"):
        return
    remedy = "install it (Debian, Ubuntu: apt-get install debootstrap) or give Docker a way to its registry"
    if not shutil.which("apt-get"):
        raise ImageError(f"no container registry answers and debootstrap is not installed: {remedy}")
    progress("machine image: installing debootstrap")
    for arguments in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", "debootstrap"]):
        last = _run(["apt-get", *arguments], progress, log, {"DEBIAN_FRONTEND": "noninteractive"})
    if last is not None:
        raise ImageError(
            f"apt-get could not install debootstrap; it said:\n  {last}\nAll that it said: {log}\nTo go on: {remedy}"
        )


def _run(
    command: list[str],
    progress: Callable[[str], None],
    log: Path,
    extra: dict[str, str] | None = None,
    hide: str = "",
) -> str | None:
    """Runs `command`, its output going to the end of `log`; None, or its last lines when it failed.

    progress: told each of `_STAGES` once. hide: an address that is written without its user and password.
    """
    environment = {**os.environ, "LC_ALL": "C", **(extra or {})}
    lines: deque[str] = deque(maxlen=_LAST_LINES)
    stages = dict(_STAGES)
    # No link is followed: the directory is everybody's.
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    with (
        os.fdopen(os.open(log, flags, 0o600), "w", encoding="utf-8") as kept,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=environment,
            umask=0o022,  # every user of a machine reads its root
        ) as process,
    ):
        assert process.stdout is not None  # noqa: S101 (for the type checker: stdout=PIPE)
        for whole in process.stdout:
            line = whole.rstrip()
            line = line.replace(hide, _shown(hide)) if hide else line
            lines.append(line)
            print(line, file=kept, flush=True)
            word = line.removeprefix("I: ").partition(" ")[0]
            if line.startswith("I: ") and (stage := stages.pop(word, "")):
                progress(f"machine image: {stage}")
    return None if process.returncode == 0 else "\n  ".join(lines)


def _shown(address: str) -> str:
    """`address` without a user and password."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))

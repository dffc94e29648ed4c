"""The machine image: a small Linux with runit and unbound, built once and cached by Docker."""

from __future__ import annotations

import fcntl
import io
import os
import shutil
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from hashistack.local.image import debootstrap
from hashistack.local.image.debootstrap import ImageError
from hashistack.local.image.recipe import ALPINE, PROGRAMS, REPOSITORY, ROOTFS, tag

if TYPE_CHECKING:
    import docker

__all__ = ["ALPINE", "REPOSITORY", "ImageError", "ensure", "registry_answers", "tag"]

_WORK = Path("/var/tmp")  # noqa: S108 (names in it are ours alone; /tmp often forbids device files and programs)
_REGISTRY_PATIENCE = 4.0  # seconds; a registry that takes longer is as good as none


def ensure(client: docker.DockerClient, progress: Callable[[str], None]) -> str:
    """The id of the machine image, which is built first where Docker doesn't have it.

    From Alpine where a registry answers, else from Debian packages (debootstrap; needs root). `progress` gets
    short status texts. Two calls side by side, in one process or in two, build it once. Raises `ImageError`.
    """
    name = tag()
    if found := _cached(client, name):
        return found
    with _only_builder(progress):
        if found := _cached(client, name):
            return found
        if registry_answers(client):
            try:
                return _from_alpine(client, name, progress)
            except ImageError as error:  # a registry behind a wall that has no hole for Alpine's packages
                progress(f"machine image: {error}; building it from Debian packages")
        return _from_debian(client, name, progress)


def registry_answers(client: docker.DockerClient, patience: float = _REGISTRY_PATIENCE) -> bool:
    """Whether Docker has the Alpine image or its registry answers within `patience` seconds."""
    if _cached(client, ALPINE):
        return True
    from docker.errors import DockerException

    answers = threading.Event()

    def ask() -> None:
        try:
            client.images.get_registry_data(ALPINE)
        except (DockerException, OSError):
            return
        answers.set()

    # A thread, because a swallowed connection may hold the daemon for minutes: then it is left behind.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(patience)
    return answers.is_set()


def _cached(client: docker.DockerClient, name: str) -> str | None:
    from docker.errors import ImageNotFound

    try:
        return str(client.images.get(name).id)
    except ImageNotFound:
        return None


@contextmanager
def _only_builder(progress: Callable[[str], None]) -> Iterator[None]:
    lock = _WORK / f"{REPOSITORY}.{os.geteuid()}.lock"
    # No link is followed: the directory is everybody's.
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("machine image: waiting for another run that builds it")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _from_alpine(client: docker.DockerClient, name: str, progress: Callable[[str], None]) -> str:
    progress(f"machine image: building from {ALPINE}")
    with tempfile.TemporaryFile() as context:
        _write_context(context, "alpine.Dockerfile")
        return _build(client, name, context, progress, BASE=ALPINE)


def _from_debian(client: docker.DockerClient, name: str, progress: Callable[[str], None]) -> str:
    progress("machine image: no registry answers; building from Debian packages (once; 1 to 2 minutes)")
    prefix = f"{REPOSITORY}.{os.geteuid()}."
    for left_over in _WORK.glob(f"{prefix}*/"):  # by a builder that was killed: the lock is ours
        shutil.rmtree(left_over)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=_WORK) as directory:
        archive = debootstrap.build(Path(directory), str(client.version()["Arch"]), progress)
        progress("machine image: handing it to Docker")
        with Path(directory, "context.tar").open("w+b") as context:
            _write_context(context, "debian.Dockerfile", archive)
            return _build(client, name, context, progress)


def _write_context(context: IO[bytes], recipe: str, archive: Path | None = None) -> None:
    """Writes Docker's build context (recipe, our programs, a root file system) and rewinds it."""
    with tarfile.open(fileobj=context, mode="w") as tar:
        for name in (*PROGRAMS, recipe):
            content = ROOTFS.joinpath(name).read_bytes()
            member = tarfile.TarInfo("Dockerfile" if name == recipe else name)
            member.size = len(content)
            member.mode = 0o755
            tar.addfile(member, io.BytesIO(content))
        if archive:
            tar.add(archive, arcname="rootfs.tar")
    context.seek(0)


def _build(
    client: docker.DockerClient,
    name: str,
    context: IO[bytes],
    progress: Callable[[str], None],
    **arguments: str,
) -> str:
    from docker.errors import APIError

    try:
        events = client.api.build(
            fileobj=context,
            custom_context=True,
            buildargs=arguments,
            tag=name,
            rm=True,
            forcerm=True,
            decode=True,
        )
        for event in events:
            if "error" in event:
                raise ImageError(f"docker could not build the machine image: {event['error'].strip()}")
            if (text := event.get("stream", "")).startswith("Step "):
                progress(f"machine image: {text.strip()}")
    except (APIError, OSError) as error:
        raise ImageError(f"docker could not build the machine image: {error}") from error
    found = _cached(client, name)
    if not found:
        raise ImageError(f"docker built no image {name} and named no reason: see the daemon's log")
    return found

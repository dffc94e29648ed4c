"""Container images of this host's Docker for the machines of a local cluster, also for those that come later.

A volume of the cluster holds an archive for each image. Machines mount it read-only, and load what is there when their
Docker starts (`node/boot/load-images`).
"""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import quote

from hashistack.errors import HashistackError
from hashistack.local import evidence, labels, machines
from hashistack.local.docker_client import asking
from hashistack.local.machines import IMAGES, Machine

if TYPE_CHECKING:
    import docker

_ONE_PIECE = 1 << 20


class NotLoaded(HashistackError):
    """An image could not be put into a cluster."""


@asking()
def load(client: docker.DockerClient, cluster: str, images: Sequence[str], tell: Callable[[str], None]) -> int:
    """Put images, as `name:tag`, into all client machines that have Docker; answers how many machines that are.

    `tell` gets a line for each image that is there. Raises NotLoaded, or DockerFailed.
    """
    for image in images:
        _refuse(client, image)
    found = machines.listed(client.api, cluster)
    takers = [machine for machine in found if machine.running and _mounts(client, machine)]
    if not takers:
        raise NotLoaded(f"no running client of {cluster} has Docker", "hashistack status, or hashistack up")
    for image in images:
        name = f"{quote(image, safe=':')}.tar"
        with tempfile.TemporaryDirectory() as directory:
            archive = Path(directory, name)
            with archive.open("wb") as file:
                for piece in client.images.get(image).save(chunk_size=_ONE_PIECE, named=image):
                    file.write(piece)
            _keep(client, cluster, takers[0], archive)
        _into(client, takers, name)
        tell(f"{image} is on {len(takers)} machines")
    return len(takers)


def _refuse(client: docker.DockerClient, image: str) -> None:
    from docker.errors import ImageNotFound

    tag = image.rpartition("/")[2].partition(":")[2]
    if tag in ("", "latest"):
        raise NotLoaded(
            f"{image}: Nomad pulls the tag `latest` from a registry each time",
            f"docker tag {image} {image.removesuffix(':latest')}:dev, and load that",
        )
    try:
        client.images.get(image)
    except ImageNotFound:
        raise NotLoaded(f"{image}: this host's Docker has no such image", "docker build, or docker pull it") from None


def _mounts(client: docker.DockerClient, machine: Machine) -> bool:
    return any(mount["Destination"] == IMAGES for mount in client.api.inspect_container(machine.id)["Mounts"])


def _keep(client: docker.DockerClient, cluster: str, machine: Machine, archive: Path) -> None:
    """Write an archive into the cluster's volume, by a container that is never started: machines can't write there."""
    details = client.api.inspect_container(machine.id)
    volume = next(mount["Name"] for mount in details["Mounts"] if mount["Destination"] == IMAGES)
    host = client.api.create_host_config(binds=[f"{volume}:{IMAGES}"], userns_mode="host")
    writer = client.api.create_container(
        details["Image"], labels={labels.SITE: cluster}, host_config=host, entrypoint=["true"]
    )["Id"]
    try:
        with tempfile.TemporaryFile() as packed:
            _pack(packed, archive)
            client.api.put_archive(writer, IMAGES, packed)
    finally:
        from docker.errors import NotFound

        with suppress(NotFound):
            client.api.remove_container(writer, force=True)


def _pack(packed: IO[bytes], archive: Path) -> None:
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(archive, arcname=archive.name)
    packed.seek(0)


def _into(client: docker.DockerClient, takers: Sequence[Machine], name: str) -> None:
    command = ["/opt/hashistack/current/bin/load-images", f"{IMAGES}/{name}"]
    with ThreadPoolExecutor(len(takers)) as workers:
        ended = list(workers.map(lambda machine: evidence.run(client, machine.id, command), takers))
    failed = [f"{one.name}: {said.strip()}" for one, (code, said) in zip(takers, ended, strict=True) if code]
    if failed:
        raise NotLoaded("\n".join(failed), "hashistack status, then repeat")

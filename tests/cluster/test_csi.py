"""Storage by CSI: a pool that lets plugins run, added to the session's cluster, and a volume's life on it."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterator
from pathlib import Path

import docker
import grpc
import pytest

from .datacenter import Datacenter
from .project import until

JOBS = Path(__file__).parent / "jobs"
PROGRAM = Path(__file__).parent / "csi" / "plugin.py"
IMAGE = "hashistack-tests/csi:1"
POOL = {"name": "storage", "desired": 1, "node_pool": "storage", "csi": True}


def make_image(client: docker.DockerClient) -> None:
    """An image of this Python with gRPC, the libraries that they name, and the plugin."""
    python = Path(sys.executable).resolve()
    library = Path(sysconfig.get_path("stdlib"))
    package = Path(grpc.__file__).parent
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(python, "python")
        tar.add(PROGRAM, "plugin.py")
        tar.add(library, f"lib/{library.name}", filter=_needed)
        tar.add(package, f"lib/{library.name}/grpc", filter=_needed)
        typing = package.with_name("typing_extensions.py")
        tar.add(typing, f"lib/{library.name}/{typing.name}")
        programs = [python, *library.glob("lib-dynload/*.so"), *package.rglob("*.so")]
        said = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=True).stdout
        for needed in sorted(set(re.findall(r"(/\S+\.so\S*) \(", said))):
            tar.add(Path(needed).resolve(), needed)
        for name in ("tmp", "volumes"):
            directory = tarfile.TarInfo(name)
            directory.type, directory.mode = tarfile.DIRTYPE, 0o1777
            tar.addfile(directory)
    repository, tag = IMAGE.split(":")
    entrypoint = ["ENV PYTHONHOME=/", 'ENTRYPOINT ["/python", "/plugin.py"]']
    client.api.import_image_from_data(archive.getvalue(), repository=repository, tag=tag, changes=entrypoint)


def _needed(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    left_out = {"__pycache__", "test", "dist-packages", "site-packages", "idlelib", "ensurepip", "tkinter", "lib2to3"}
    parts = Path(member.name).parts
    return None if left_out & {*parts} or any(part.startswith(("config-", "_tkinter")) for part in parts) else member


@pytest.fixture(scope="module")
def storage(datacenter: Datacenter, docker_client: docker.DockerClient) -> Iterator[Datacenter]:
    """The cluster with one more pool, whose machine runs the plugin."""
    project = datacenter.project
    before = project.configuration()["cluster"]
    make_image(docker_client)
    try:
        project.configure(cluster={**before, "clients": [*before["clients"], POOL]})
        project.run("up")
        project.run("load", IMAGE)
        datacenter.vendor("nomad", "job", "run", "-detach", str(JOBS / "csi-plugin.nomad.hcl"))
        until(lambda: healthy(datacenter), 120, lambda: why(datacenter, "csi-plugin"))
        yield datacenter
    finally:
        for job in ("csi", "csi-plugin"):
            datacenter.nomad(f"/v1/job/{job}?purge=true", method="DELETE")
        docker_client.images.remove(IMAGE)
        project.configure(cluster=before)
        project.run("up")


def healthy(datacenter: Datacenter) -> bool:
    found = [one for one in datacenter.nomad("/v1/plugins?type=csi") if one["ID"] == "directories"]
    return [(one["ControllersHealthy"], one["NodesHealthy"]) for one in found] == [(1, 1)]


def why(datacenter: Datacenter, job: str) -> str:
    found = datacenter.nomad(f"/v1/job/{job}/allocations")
    return str([(one["ClientStatus"], one["TaskStates"]) for one in found])


def running(datacenter: Datacenter) -> str:
    """The allocation of the job that runs, "" while there is none."""
    found = datacenter.nomad("/v1/job/csi/allocations")
    return next(
        (str(one["ID"]) for one in found if (one["DesiredStatus"], one["ClientStatus"]) == ("run", "running")), ""
    )


def test_a_pool_lets_plugins_run_and_no_other_pool_does(storage: Datacenter) -> None:
    allowed = {
        client.container.labels["hashistack.pool"]: client.configuration("nomad")["plugin"]["docker"]["config"]
        for client in storage.clients
    }
    assert {pool: one["allow_privileged"] for pool, one in allowed.items()} == {"workers": False, "storage": True}
    assert {pool: one["volumes"]["enabled"] for pool, one in allowed.items()} == {"workers": False, "storage": True}


def test_a_volume_keeps_what_was_written_until_it_is_deleted(storage: Datacenter) -> None:
    storage.vendor("nomad", "volume", "create", str(JOBS / "csi.volume.hcl"))
    storage.vendor("nomad", "job", "run", "-detach", str(JOBS / "csi.nomad.hcl"))
    first = until(lambda: running(storage), 120, lambda: why(storage, "csi"))
    storage.vendor("nomad", "alloc", "stop", "-detach", first)
    second = until(lambda: (now := running(storage)) != first and now, 120, lambda: why(storage, "csi"))

    def read() -> list[str]:
        return storage.exec("container", second, "busybox", "cat", "/data/allocations").split()

    # A task is said to run before its program has come to write.
    until(lambda: read() == [first, second], 20, lambda: str(read()))
    storage.nomad("/v1/job/csi?purge=true", method="DELETE")

    def claimed() -> bool:
        found = storage.nomad("/v1/volume/csi/csi-data")
        return bool(found["Allocations"] or found["WriteAllocs"])

    until(lambda: not claimed(), 120, lambda: str(storage.nomad("/v1/volume/csi/csi-data")))
    storage.vendor("nomad", "volume", "delete", "csi-data")
    assert not storage.nomad("/v1/volumes?type=csi")
    (machine,) = (one for one in storage.clients if one.container.labels["hashistack.pool"] == "storage")
    assert machine.sh("ls /srv") == ""

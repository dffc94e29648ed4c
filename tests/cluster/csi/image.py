"""The plugin's image."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

import docker
import grpc

PROGRAM = Path(__file__).parent / "plugin.py"
IMAGE = "hashistack-tests/csi:1"


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

"""An image of one program of this host: there is no registry here, and wheels and packages have the programs."""

from __future__ import annotations

import io
import re
import subprocess
import tarfile
from pathlib import Path

import docker


def build(client: docker.DockerClient, image: str, program: Path) -> None:
    """The program in /usr/bin, which is all of PATH, and the libraries that it names. It is the entrypoint too."""
    # It fails for a program that names none.
    said = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for library in re.findall(r"(/lib\S+)", said):
            tar.add(Path(library).resolve(), library)
        entry = tar.gettarinfo(program.resolve(), f"usr/bin/{program.name}")
        entry.mode = 0o755
        with program.open("rb") as file:
            tar.addfile(entry, file)
        directory = tarfile.TarInfo("tmp")
        directory.type, directory.mode = tarfile.DIRTYPE, 0o1777
        tar.addfile(directory)
    repository, tag = image.split(":")
    changes = ["ENV PATH=/usr/bin", f'ENTRYPOINT ["{program.name}"]']
    client.api.import_image_from_data(archive.getvalue(), repository=repository, tag=tag, changes=changes)

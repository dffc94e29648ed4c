"""A region for the session, and examples/prod brought up in it by the real command."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ..cluster.project import STACK, Project, until
from .datacenter import Datacenter
from .region import Region

EXAMPLE = Path(__file__).parents[2] / "examples" / "prod"
CIDR = "10.214.0.0/16"
OLD = {"nomad": "1.10.5", "consul": "1.21.0", "vault": "1.21.0"}
NEW = {"nomad": "1.11.3", "consul": "1.22.3", "vault": "1.21.2"}

PLUGIN = """\
#!/bin/sh
exec {python} -P -c 'import sys; sys.path.insert(0, "{root}"); from tests.region.plugin.server import main; main()' "$@"
"""
"""The stand-in for AWS's provider, as the engine finds it on PATH."""


@pytest.fixture(scope="session")
def region() -> Iterator[Region]:
    with Region() as region:
        print(f"the region is {region.behaviour}")  # its seed repeats it
        yield region


@pytest.fixture(scope="session")
def prod(region: Region, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Datacenter]:
    """The example's program to the letter: three servers and two pools, of old versions."""
    place = tmp_path_factory.mktemp("prod")
    project = _project(place / "project")
    project.configure(
        image="debian",  # the machine image is one, where no registry has Alpine
        protect=False,
        cluster={
            "network": {"cidr": CIDR},
            "versions": OLD,
            "upgrade": {"min_healthy_time": "2s", "drain_deadline": "2m"},
            "clients": [
                {"name": "services", "min": 1, "max": 4, "desired": 2},
                {
                    "name": "batch",
                    "min": 0,
                    "max": 4,
                    "desired": 1,
                    "spot": True,
                    "on_demand_base": 1,
                    "machine_type": "m6i.large",
                    "machine_types": ["m5.large"],
                },
            ],
        },
    )
    path = place / "project" / f"Pulumi.{STACK}.yaml"
    described = yaml.safe_load(path.read_text())
    described["config"]["aws:region"] = region.name
    path.write_text(yaml.safe_dump(described))
    plugin = place / "bin" / "pulumi-resource-aws"
    plugin.parent.mkdir()
    plugin.write_text(PLUGIN.format(python=sys.executable, root=Path(__file__).parents[2]))
    plugin.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in region.environment.items():
            patch.setenv(name, value)
        patch.setenv("PATH", f"{plugin.parent}:{os.environ['PATH']}")
        try:
            project.run("up", seconds=900)
            yield Datacenter(region, project)
        finally:
            project.kill()
            project.run("down", "--yes", seconds=600)
    # Docker's containers follow the emulator's instances.
    until(lambda: not region.machines.left(), 60, "nothing is left in Docker")


def _project(directory: Path) -> Project:
    """A copy of the example in `directory`, in this interpreter's environment."""
    directory.mkdir(parents=True)
    shutil.copy(EXAMPLE / "__main__.py", directory)
    described = yaml.safe_load((EXAMPLE / "Pulumi.yaml").read_text())
    described["runtime"]["options"]["virtualenv"] = sys.prefix
    (directory / "Pulumi.yaml").write_text(yaml.safe_dump(described))
    return Project(directory.resolve(), described["name"])

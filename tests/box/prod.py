"""examples/prod brought up in a cloud in a box by the real command, and what a test asks of it."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.connection import Connection
from hashistack.ops.api.http import ApiError, Method
from hashistack.ops.readiness.checks import readiness, wait

from ..cluster.project import STACK, Project

_ROOT = Path(__file__).parents[2]
_EXAMPLE = _ROOT / "examples" / "prod"
_PLUGIN = """\
#!/bin/sh
exec {python} -P -c 'import sys; sys.path.insert(0, "{root}"); from {module} import main; main()' "$@"
"""


def plugin(directory: Path, cloud: str, module: str) -> Path:
    """The stand-in for a cloud's provider, as the engine finds it on PATH. module: has its `main`."""
    program = directory / f"pulumi-resource-{cloud}"
    directory.mkdir()
    program.write_text(_PLUGIN.format(python=sys.executable, root=_ROOT, module=module))
    program.chmod(0o755)
    return directory


@contextmanager
def brought_up(
    place: Path, plugins: Path, environment: Mapping[str, str], provider: Mapping[str, str], /, **values: Any
) -> Iterator[Project]:
    """The example's program to the letter, from its `up` to its `down`.

    plugins: before everything on PATH. environment: what a program needs to use the cloud. provider: its settings
    (`aws:region`). values: the stack's own.
    """
    project = _copied(place / "project")
    project.configure(**values)
    path = project.directory / f"Pulumi.{STACK}.yaml"
    described = yaml.safe_load(path.read_text())
    described["config"].update(provider)
    path.write_text(json.dumps(described))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setenv("PATH", f"{plugins}:{os.environ['PATH']}")
        try:
            project.run("up", seconds=900)
            yield project
        finally:
            project.kill()
            project.run("down", "--yes", seconds=600)


def _copied(directory: Path) -> Project:
    """A copy of the example, in this interpreter's environment."""
    directory.mkdir(parents=True)
    shutil.copy(_EXAMPLE / "__main__.py", directory)
    described = yaml.safe_load((_EXAMPLE / "Pulumi.yaml").read_text())
    described["runtime"]["options"]["virtualenv"] = sys.prefix
    (directory / "Pulumi.yaml").write_text(json.dumps(described))
    return Project(directory.resolve(), described["name"])


class Prod:
    """What `hashistack up` made: its APIs through the load balancer."""

    def __init__(self, project: Project) -> None:
        self.project = project
        said = project.pulumi("stack", "output", "connection", "--show-secrets")
        self.connection = Connection.parse(json.loads(said))
        self.cluster = Cluster(self.connection)

    def nomad(self, path: str, body: Any = None, method: Method | None = None) -> Any:
        return self.cluster.nomad.api.call(
            method or ("GET" if body is None else "PUT"), path, body=body, seconds=10
        ).data

    def consul(self, path: str) -> Any:
        return self.cluster.consul.api.call("GET", path, seconds=10).data

    def ready(self, seconds: float, smoke: bool = False) -> None:
        """Waits until the cluster is all that is declared."""
        wait(self.cluster, readiness(self.connection, smoke), seconds, lambda update: None)

    def left(self, name: str) -> bool:
        """Whether nothing is known any more of a client machine that was called so."""
        nodes = [one["Name"] for one in self.nomad("/v1/nodes") if one["Status"] != "down"]
        try:
            members = [one["Node"] for one in self.consul("/v1/catalog/nodes")]
        except ApiError:
            return False
        return name not in nodes and name not in members

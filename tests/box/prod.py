"""examples/prod brought up in a cloud in a box by the real command, and what a test asks of it."""

from __future__ import annotations

import json
import os
import shutil
import sys
from abc import ABC, abstractmethod
from base64 import b64decode
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from hashistack.cli.status import look
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


class Prod(ABC):
    """What `hashistack up` made: its APIs through the load balancer, and its machines by the cloud's own ids."""

    @property
    @abstractmethod
    def archives(self) -> str:
        """Where snapshots by hand go: a prefix in the cloud's own store."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.open()

    def open(self) -> None:
        """Its connection as the stack has it now, with a login of its own: one is lost with its Vault."""
        said = self.project.pulumi("stack", "output", "connection", "--show-secrets")
        self.connection = Connection.parse(json.loads(said))
        self.cluster = Cluster(self.connection)

    @abstractmethod
    def machines(self, pool: str) -> set[str]:
        """Those of a pool that are there."""

    @abstractmethod
    def lose(self, machines: Collection[str]) -> None:
        """They end at once, with their disks, as hardware does."""

    @abstractmethod
    def name(self, pool: str, machine: str) -> str:
        """What one is called in Nomad and Consul."""

    def everywhere(self) -> dict[str, set[str]]:
        """Pool to its machines."""
        return {pool: self.machines(pool) for pool in self.declared}

    def sizes(self) -> dict[str, int]:
        """Pool to the number of its machines."""
        return {pool: len(machines) for pool, machines in self.everywhere().items()}

    @property
    def declared(self) -> dict[str, int]:
        """The same, as the stack has it."""
        return {pool.name: pool.count for pool in self.connection.pools}

    def nomad(self, path: str, body: Any = None, method: Method | None = None) -> Any:
        return self.cluster.nomad.api.call(
            method or ("GET" if body is None else "PUT"), path, body=body, seconds=10
        ).data

    def consul(self, path: str) -> Any:
        return self.cluster.consul.api.call("GET", path, seconds=10).data

    def write(self, value: str) -> None:
        """One of each that a user keeps in a cluster."""
        self.cluster.consul.api.call("PUT", "/v1/kv/mine", body=value)
        variable = {"Namespace": "default", "Path": "mine", "Items": {"value": value}}
        self.nomad("/v1/var/mine", variable)
        self.cluster.vault.write_secret("mine", {"value": value})

    def read(self) -> dict[str, str]:
        """What `write` wrote, by product."""
        vault = self.cluster.vault
        secret = vault.api.call("GET", "/v1/kv/data/mine", token=vault.header()).data["data"]["data"]
        return {
            "consul": json.loads(b64decode(self.consul("/v1/kv/mine")[0]["Value"])),
            "nomad": self.nomad("/v1/var/mine")["Items"]["value"],
            "vault": secret["value"],
        }

    def problems(self) -> list[str]:
        """What `hashistack status` finds wrong."""
        found: list[str] = look(self.cluster)["problems"]
        return found

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

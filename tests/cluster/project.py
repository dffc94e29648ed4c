"""A Pulumi project in a directory of its own, driven by the real `hashistack` command as a user would drive it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import docker
import yaml

EXAMPLE = Path(__file__).parents[2] / "examples" / "test-cluster"
HASHISTACK = Path(sys.executable).with_name("hashistack")
STACK = "test"
MARK = "HASHISTACK_TESTS_RUN"
"""An environment variable that every process of a project's commands inherits: that is how they are found again."""

PROGRAM = """\
import pulumi
from hashistack import ClusterSpec, LocalCluster, LocalClusterArgs

config = pulumi.Config()
spec = ClusterSpec.parse(config.require_object("cluster"))
cluster = LocalCluster("cluster", LocalClusterArgs(spec=spec, **(config.get_object("arguments") or {})))
pulumi.export("connection", cluster.connection)
"""
"""A program whose every argument comes from the stack's configuration."""

Seen = TypeVar("Seen")


def until(condition: Callable[[], Seen], seconds: float, what: str | Callable[[], str]) -> Seen:
    """What `condition` answers once that is true; fails with `what` when it isn't in time, by what is known then."""
    deadline = time.monotonic() + seconds
    while not (seen := condition()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what if isinstance(what, str) else what()}"
        time.sleep(0.1)
    return seen


def small(name: str, servers: int = 3, clients: int = 1) -> dict[str, Any]:
    """A specification with as few machines as there can be."""
    return {"name": name, "servers": {"count": servers}, "clients": [{"name": "work", "desired": clients}]}


@dataclass
class Project:
    """A project with one stack, `test`; its state is in the project, as a newcomer's would be."""

    directory: Path
    name: str
    mark: str = field(default_factory=lambda: uuid4().hex)

    @classmethod
    def of_example(cls, directory: Path) -> Project:
        """A copy of examples/test-cluster: its program to the letter. What is in `directory` already stays."""
        described = yaml.safe_load((EXAMPLE / "Pulumi.yaml").read_text())
        directory.mkdir(parents=True, exist_ok=True)
        shutil.copy(EXAMPLE / "__main__.py", directory)
        return cls._described(directory, described["name"])

    @classmethod
    def of_program(cls, directory: Path, name: str) -> Project:
        """A project whose program takes `cluster` and `arguments` from the configuration."""
        directory.mkdir(parents=True)
        (directory / "__main__.py").write_text(PROGRAM)
        return cls._described(directory, name)

    @classmethod
    def _described(cls, directory: Path, name: str) -> Project:
        runtime = {"name": "python", "options": {"virtualenv": sys.prefix}}
        (directory / "Pulumi.yaml").write_text(json.dumps({"name": name, "runtime": runtime}))
        return cls(directory.resolve(), name)

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment, without what would lead to another project's state or terminal."""
        foreign = ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE")
        kept = {k: v for k, v in os.environ.items() if k not in foreign and not k.startswith("HASHISTACK_PROJECT")}
        runtime = self.directory / ".runtime"
        runtime.mkdir(mode=0o700, exist_ok=True)
        return {**kept, MARK: self.mark, "XDG_RUNTIME_DIR": str(runtime)}

    def configuration(self) -> dict[str, Any]:
        """The stack's configuration: key to value, without the project's name."""
        path = self.directory / f"Pulumi.{STACK}.yaml"
        read = yaml.safe_load(path.read_text()) if path.exists() else {}
        return {key.removeprefix(f"{self.name}:"): value for key, value in (read.get("config") or {}).items()}

    def configure(self, **values: Any) -> None:
        """Sets values of the stack's configuration; what is there besides (the salt of its secrets) stays."""
        path = self.directory / f"Pulumi.{STACK}.yaml"
        read = yaml.safe_load(path.read_text()) if path.exists() else {}
        config = {**read.get("config", {}), **{f"{self.name}:{key}": value for key, value in values.items()}}
        path.write_text(json.dumps({**read, "config": config}))  # with every text quoted: a bare 5e38 is a number

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Starts `hashistack ARGUMENTS -C project`; standard error goes to standard output."""
        return subprocess.Popen(
            [HASHISTACK, *arguments, "-C", self.directory, "--stack", STACK],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.directory.parent,
        )

    def run(self, *arguments: str, code: int = 0, seconds: float = 600) -> str:
        """Runs `hashistack ARGUMENTS -C project` to its end, which must be `code`; answers what it said."""
        with self.start(*arguments) as process:
            try:
                said, _ = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                self.kill()
                said, _ = process.communicate()
                raise AssertionError(f"hashistack {arguments[0]} took more than {seconds:.0f} s:\n{said}") from None
        assert process.returncode == code, f"hashistack {arguments[0]} ended with {process.returncode}:\n{said}"
        return said

    def pulumi(self, *arguments: str) -> str:
        """Runs the engine's own command line on the project's state."""
        from hashistack.cli.project import Project as Found
        from hashistack.spec.versions import newest_proven
        from hashistack.toolchain import resolve

        tool = resolve("pulumi", newest_proven("pulumi"))
        state = {k: v for k, v in Found(self.directory, STACK).environment().items() if k.startswith("PULUMI_")}
        return subprocess.run(
            [tool.path, *arguments, "--stack", STACK, "--non-interactive"],
            cwd=self.directory,
            env={**self.environment, **state},
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def processes(self) -> dict[int, str]:
        """Every living process that the project's commands started, by id: command, engine, plugins, programs."""
        found = {}
        for place in Path("/proc").glob("[0-9]*"):
            try:
                if f"{MARK}={self.mark}".encode() in (place / "environ").read_bytes().split(b"\0"):
                    found[int(place.name)] = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
        return found

    def kill(self) -> None:
        """SIGKILL for all of them: nobody gets to clean up."""

        def gone() -> bool:
            for pid in (found := self.processes()):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            return not found

        until(gone, 30, "the processes of a killed command end")


@dataclass(frozen=True)
class Left:
    """What Docker and the kernel know of a cluster; taken while it runs, so that its end can be proved."""

    site: str
    containers: tuple[str, ...]
    mounts: tuple[str, ...]
    ports: tuple[int, ...]

    @classmethod
    def behind(cls, client: docker.DockerClient, site: str) -> Left:
        found = client.containers.list(all=True, filters=labelled(site), ignore_removed=True)
        mounts = [c.attrs["GraphDriver"]["Data"].get("MergedDir", c.id) for c in found]
        bound = [b for c in found for b in (c.attrs["HostConfig"]["PortBindings"] or {}).values()]
        return cls(site, tuple(c.id for c in found), tuple(mounts), tuple(int(b[0]["HostPort"]) for b in bound))

    def now(self, client: docker.DockerClient) -> list[str]:
        """What of it is still there: nothing, after a destroy."""
        everything = [
            *(f"container {one['Names'][0]}" for one in client.api.containers(all=True, filters=labelled(self.site))),
            *(f"network {n.name}" for n in client.networks.list(filters=labelled(self.site))),
            *(f"volume {v.name}" for v in client.volumes.list(filters=labelled(self.site))),
        ]
        mounted = Path("/proc/mounts").read_text()
        everything += [f"mount {mount}" for mount in (*self.mounts, *self.containers) if mount in mounted]
        for place in Path("/proc").glob("[0-9]*"):
            try:
                group, command = (place / "cgroup").read_text(), (place / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            ours = any(identity in group for identity in self.containers)
            proxy = command[0].endswith(b"docker-proxy") and any(str(port).encode() in command for port in self.ports)
            if ours or proxy:
                everything.append(f"process {place.name} {command}")
        return everything


def labelled(site: str) -> Mapping[str, Sequence[str]]:
    return {"label": [f"hashistack.cluster={site}"]}


def sites(client: docker.DockerClient, project: Project) -> set[str]:
    """The ids of the clusters that carry the project's label, whatever is left of them."""
    filters = {"label": [f"hashistack.project={project.directory}"]}
    found = [one["Labels"] for one in client.api.containers(all=True, filters=filters)]
    found += [n.attrs["Labels"] for n in client.networks.list(filters=filters)]
    found += [v.attrs["Labels"] for v in client.volumes.list(filters=filters)]
    return {labels["hashistack.cluster"] for labels in found}

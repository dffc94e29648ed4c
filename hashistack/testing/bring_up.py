"""Clusters for tests, by what the commands do: a project of `hashistack init`, then `up`, `status` and `down`."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from hashistack.cli.commands.run import down, up
from hashistack.cli.engine import Engine
from hashistack.cli.errors import Interrupted, Refusal
from hashistack.cli.lock import release_stale
from hashistack.cli.output import Output, Show
from hashistack.cli.project import DEFAULT_STACK, Project, own_state, resolve
from hashistack.cli.status import look
from hashistack.cli.templates import files, templates
from hashistack.component.tenure import TTL, tenure
from hashistack.errors import HashistackError
from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.connection import Connection
from hashistack.platforms import running
from hashistack.spec.cluster import ClusterSpec
from hashistack.testing.locks import written
from hashistack.testing.running_cluster import RunningCluster

NAME = "pytest"
"""Of projects, and of clusters whose specification gives none."""
ORPHAN_SECONDS = 300.0
"""How long an engine whose command was killed may still be at work."""


class HostClusters:
    """Makes clusters on this machine. timeout: of what is asked of them, in seconds. ttl: how long they may stay."""

    def __init__(self, timeout: float, ttl: str) -> None:
        self._timeout, self._ttl = timeout, ttl

    def make(self, place: Path, spec: Mapping[str, Any], *, keep_on_failure: bool, harm: bool) -> RunningCluster:
        wanted = {"name": NAME, **spec}
        ClusterSpec.parse(wanted)  # what is wrong with it is told before anything is made
        project = _project(place)
        for name, text in files(next(iter(templates().values())), NAME).items():
            written(place / name, text)
        with own_state():
            _configure(project, cluster=wanted, keepOnFailure=keep_on_failure)
            _wait_for_orphan(project)
            try:
                up(project, Show(Output.TEXT), ttl=self._ttl)
            except Interrupted:
                raise KeyboardInterrupt from None  # the engine has ended in order; now the run of tests ends
            connection = Engine(project, print).connection()
        return self._own(project, connection, harm)

    def find(self, place: Path, *, harm: bool) -> RunningCluster | None:
        project = _project(place)
        try:
            with own_state():
                connection = Engine(project, print).connection()
            with Cluster(connection) as cluster:
                well = look(cluster)["healthy"]
        except HashistackError:
            return None  # `make` repairs it, or says what is wrong
        return self._own(project, connection, harm) if well else None

    def destroy(self, place: Path) -> None:
        project = _project(place)
        if not (place / "Pulumi.yaml").exists():
            return  # nothing was begun
        with own_state():
            _wait_for_orphan(project)
            down(project, Show(Output.TEXT))

    def expires(self) -> str:
        return tenure({TTL: self._ttl}, datetime.now(UTC)).expires

    def name(self, made: RunningCluster) -> str:
        return made.name

    def attach(self, named: str) -> RunningCluster:
        """A cluster that is there: of a Pulumi project's directory, or one on this machine by its name."""
        there = Path(named)
        project = resolve(there, None, None, running) if there.is_dir() else resolve(None, None, named, running)
        engine = Engine(project, print)
        return RunningCluster(project, engine.connection(), self._timeout, harm=False, of_state=cache(engine.secrets))

    def _own(self, project: Project, connection: Connection, harm: bool) -> RunningCluster:
        @cache
        def of_state() -> list[str]:
            with own_state():
                return Engine(project, print).secrets()

        return RunningCluster(project, connection, self._timeout, harm=harm, of_state=of_state)


def _project(place: Path) -> Project:
    return Project(place.resolve(), DEFAULT_STACK)


def _configure(project: Project, **values: Any) -> None:
    """Writes the stack's settings; the salt of its secrets stays."""
    import yaml

    file = project.directory / f"Pulumi.{project.stack}.yaml"
    before = (yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else None) or {}
    config = {f"{NAME}:{key}": value for key, value in values.items()}
    # JSON is YAML with every text in quotes: the engine's YAML would read a bare 5e38 as a number, where ours does not.
    written(file, json.dumps({**before, "config": config}, default=str))


def _wait_for_orphan(project: Project) -> None:
    """Until the engine has ended whose command was killed: nobody else works on a project of ours."""
    deadline = time.monotonic() + ORPHAN_SECONDS
    while project.backend and project.backend.exists():
        try:
            release_stale(project.backend, NAME, project.stack, print)
            break
        except Refusal:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)

"""Runs the real Pulumi engine as a child process and hands on its events as they come."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from hashistack import platforms
from hashistack.cli.errors import Refusal
from hashistack.cli.events import clean
from hashistack.cli.lock import drop_half_written, release_stale
from hashistack.cli.output import sparing
from hashistack.cli.project import Project
from hashistack.ops.api.connection import Connection

LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Ended:
    """How an engine's run ended: its exit code, what it printed, whether the user interrupted it."""

    code: int
    output: str
    interrupted: bool


class Engine:
    """The engine for one project; `pulumi` is the pinned one, from PATH or the toolchain's cache."""

    def __init__(self, project: Project, say: Callable[[str], None]) -> None:
        from hashistack.spec.versions import newest_proven
        from hashistack.toolchain import host_arch, resolve

        self.project = project
        self._say = say
        tool = resolve("pulumi", newest_proven("pulumi"), host_arch(), progress=sparing(say))
        self._pulumi = str(tool.path)
        environment = activated(project.environment())
        # The engine looks for its language host beside itself on PATH.
        environment["PATH"] = f"{tool.path.parent}{os.pathsep}{environment.get('PATH', '')}"
        self.environment = environment

    def unlock(self) -> None:
        """Clear what a killed run has left; refuse when somebody is at work."""
        if self.project.backend:
            release_stale(self.project.backend, self.project.name, self.project.stack, self._say)
            drop_half_written(self.project.backend, self.project.name)

    def make_stack(self) -> None:
        """Make sure that the stack is there."""
        if self.project.stack in self.project.stacks():
            return
        try:
            self._answer("stack", "select", "--create", self.project.stack)
        except Refusal:
            if self.project.stack not in self.project.stacks():  # else another `up` made it at this moment
                raise

    def remove_stack(self) -> None:
        """Forget the stack, which has no resources any more, with its configuration."""
        self._answer("stack", "rm", "--yes", self.project.stack)

    def connections(self) -> dict[str, Connection]:
        """The stack's clusters, by the output that each is in. Raises Refusal where the stack is not there."""
        outputs = json.loads(self._answer("stack", "output", "--show-secrets", "--json", "--stack", self.project.stack))
        found = {name: data for name, value in outputs.items() if (data := _cluster(name, value)) is not None}
        return {name: Connection.parse(data) for name, data in found.items()}

    def connection(self) -> Connection:
        """The stack's cluster, of several the one that the project names.

        Raises:
            Refusal: the stack is not there, has no cluster, or several of which none is named; says which.
        """
        return chosen(self.connections(), self.project)

    def secrets(self) -> list[str]:
        """Every token and key in the stack's state, and the state's own passphrase."""
        from hashistack.ops.support.redaction import of_state

        exported = json.loads(self._answer("stack", "export", "--show-secrets", "--stack", self.project.stack))
        own = [self.environment.get("PULUMI_CONFIG_PASSPHRASE", "")]
        if file := self.environment.get("PULUMI_CONFIG_PASSPHRASE_FILE"):
            own.append(Path(file).read_text().strip())
        return [*of_state(exported), *own]

    def configure(self, path: str, value: str, file: Path | None = None) -> None:
        """Set one value of the stack's configuration, as `pulumi config set --path` does; file: another one's."""
        self._answer("config", "set", "--path", path, value, "--stack", self.project.stack, *_config_file(file))

    def configuration(self) -> dict[str, Any]:
        """The stack's configuration: `project:key` to its value. Secret ones are left out."""
        said = json.loads(self._answer("config", "--json", "--stack", self.project.stack))
        return {
            key: one["objectValue"] if "objectValue" in one else one.get("value")
            for key, one in said.items()
            if not one["secret"]
        }

    def specifications(self) -> list[dict[str, Any]]:
        """What the stack's state has of each cluster's specification, as plain data."""
        exported = json.loads(self._answer("stack", "export", "--stack", self.project.stack))
        resources = (exported.get("deployment") or {}).get("resources") or []
        return [json.loads(one["inputs"]["spec"]) for one in resources if one["type"] in platforms.specifications()]

    def resources(self) -> list[str]:
        """What the stack's state has beside the stack itself, as `TYPE NAME`; [] where there is no such stack."""
        listed = json.loads(self._answer("stack", "ls", "--json"))
        if self.project.stack.rpartition("/")[2] not in {one["name"].rpartition("/")[2] for one in listed}:
            return []  # a back end may call it by its owner too
        exported = json.loads(self._answer("stack", "export", "--stack", self.project.stack))
        found = (exported.get("deployment") or {}).get("resources") or []
        return [
            f"{one['type']} {one['urn'].rpartition('::')[2]}" for one in found if one["type"] != "pulumi:pulumi:Stack"
        ]

    def run(
        self,
        verb: str,
        on_event: Callable[[Mapping[str, Any], float], None],
        on_idle: Callable[[float], None],
        config_file: Path | None = None,
    ) -> Ended:
        """`pulumi up`, `preview` or `destroy`, to its end; Ctrl-C cancels it in the engine's own orderly way.

        Args:
            on_event: gets each event with the seconds since the start.
            on_idle: called several times a second in between.
            config_file: instead of the stack's own configuration.
        """
        with tempfile.TemporaryDirectory(prefix="hashistack-") as private:
            pipe, printed = Path(private, "events"), Path(private, "output")
            # A pipe, never a file: the Python SDK's debug events show secret outputs in the clear.
            os.mkfifo(pipe, 0o600)
            events = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
            at_once = () if verb == "preview" else ("--yes", "--skip-preview")
            arguments = [self._pulumi, verb, *at_once, "--non-interactive", "--color", "never"]
            arguments += ["--stack", self.project.stack, "--event-log", str(pipe), *_config_file(config_file)]
            started = time.monotonic()
            try:
                with printed.open("w") as output:
                    # A session of its own: the terminal's Ctrl-C reaches us alone, and we pass it on.
                    process = subprocess.Popen(
                        arguments,
                        cwd=self.project.directory,
                        env=self.environment,
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                with _passing_on(process) as signals:
                    for event in _events(events, process):
                        seconds = time.monotonic() - started
                        if event is None:
                            on_idle(seconds)
                        else:
                            on_event(event, seconds)
                return Ended(process.wait(), printed.read_text(errors="replace"), bool(signals))
            finally:
                os.close(events)

    def _answer(self, *arguments: str) -> str:
        done = subprocess.run(
            [self._pulumi, *arguments, "--non-interactive", "--color", "never"],
            cwd=self.project.directory,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            said = clean(done.stderr or done.stdout)
            raise Refusal(
                f"{self.project.directory}, stack {self.project.stack}: {said}", f"hashistack up{self.project.option}"
            )
        return done.stdout


def _config_file(file: Path | None) -> list[str]:
    return ["--config-file", str(file)] if file else []


def activated(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment in which a project that names no virtual environment runs in ours, as if it were activated.

    The active one is left alone where it has hashistack too.
    """
    active = environment.get("VIRTUAL_ENV")
    if active and any(Path(active).glob("lib/python3*/site-packages/hashistack-*.dist-info")):
        return {**environment}
    own = {"VIRTUAL_ENV": sys.prefix} if sys.prefix != sys.base_prefix else {}
    path = [str(Path(sys.executable).parent), *filter(None, [environment.get("PATH")])]
    return {**environment, **own, "PATH": os.pathsep.join(path)}


@contextmanager
def _passing_on(process: subprocess.Popen[bytes]) -> Iterator[list[int]]:
    """SIGINT and SIGTERM to us become SIGINT to the engine: it then finishes what it is in the middle of."""
    received: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        received.append(number)
        process.send_signal(signal.SIGINT)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _events(pipe: int, process: subprocess.Popen[bytes]) -> Iterator[Mapping[str, Any] | None]:
    """Events until the process has ended and the pipe is empty; None each time that there was none for a while."""
    part = b""
    while True:
        over = process.poll() is not None
        # A pipe that nobody writes to yet is always readable, and empty.
        read = os.read(pipe, 1 << 20) if select.select([pipe], [], [], 0 if over else LOOK_SECONDS)[0] else b""
        *lines, part = (part + read).split(b"\n")
        yield from (json.loads(line) for line in lines)
        if not read:
            if over:
                return
            yield None
            if process.poll() is None:
                time.sleep(LOOK_SECONDS / 2)


def chosen(clusters: Mapping[str, Connection], project: Project) -> Connection:
    """The cluster that `project` names, by its id, its name or its output; without a name the only one.

    clusters: by output. Raises Refusal with those that there are.
    """
    where, wanted = f"{project.directory}, stack {project.stack}", project.cluster
    found = [one for output, one in clusters.items() if wanted in (None, output, one.name, one.name.rpartition("-")[0])]
    if len(found) == 1:
        return found[0]
    if not clusters:
        raise Refusal(f"{where}: no output of it is a cluster's `connection`", "hashistack up")
    listed = "\n".join(f"  --cluster {one.name}   {one.provider} (output {name})" for name, one in clusters.items())
    wrong = f"has no cluster {wanted!r}" if wanted and not found else f"has {len(clusters)} clusters"
    raise Refusal(f"{where} {wrong}; say which:\n{listed}")


def _cluster(name: str, value: Any) -> Any:
    """An output's value where it is a cluster's connection, as `connection` always is; else None."""
    if isinstance(value, str) and (name == "connection" or value.startswith("{")):
        try:
            value = json.loads(value)  # an output that is JSON text comes as a string in JSON
        except ValueError:
            return value if name == "connection" else None
    alike = isinstance(value, Mapping) and {"provider", "nomad", "consul", "vault", "pools"} <= value.keys()
    return value if alike or name == "connection" else None

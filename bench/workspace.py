"""A Pulumi project of the bench's own, with its state in a temporary directory, run by the real engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from hashistack.spec.versions import newest_proven
from hashistack.toolchain import host_arch, resolve

STACK = "bench"
_FLAGS = ("--yes", "--skip-preview", "--non-interactive", "--color", "never", "--stack", STACK)


class EngineFailed(Exception):
    """The engine ended with an error; the text is what it printed."""


class Workspace:
    """`program` as a project called `name` in `directory`, run by the Python that runs the bench."""

    def __init__(self, directory: Path, name: str, program: str) -> None:
        self._directory = directory / name
        state = directory / f"{name}-state"
        self._directory.mkdir()
        state.mkdir()
        runtime = {"name": "python", "options": {"virtualenv": sys.prefix}}
        (self._directory / "Pulumi.yaml").write_text(json.dumps({"name": name, "runtime": runtime}))
        (self._directory / "__main__.py").write_text(program)
        tool = resolve("pulumi", newest_proven("pulumi"), host_arch())
        self._pulumi = str(tool.path)
        root = str(Path(__file__).resolve().parents[1])
        # Where Python may not keep what it compiled, each run would compile our sources again: no warm cache.
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        self._environment = {
            **inherited,
            "PATH": f"{tool.path.parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH")))),
            "PULUMI_BACKEND_URL": state.as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "bench",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }
        self._run("stack", "init", STACK, "--non-interactive")

    def configure(self, path: str, value: str) -> None:
        """Set one value of the stack's configuration."""
        self._run("config", "set", "--path", path, value, "--stack", STACK, "--non-interactive")

    def output(self, name: str) -> Any:
        """One output of the stack, secret or not; JSON text as what it says."""
        said = self._said("stack", "output", name, "--show-secrets", "--json", "--stack", STACK)
        read = json.loads(said)
        return json.loads(read) if isinstance(read, str) else read

    def up(self) -> float:
        """`pulumi up`; seconds. Raises EngineFailed."""
        return self._run("up", *_FLAGS)

    def preview(self) -> float:
        """`pulumi preview`; seconds. Raises EngineFailed."""
        return self._run("preview", "--non-interactive", "--color", "never", "--stack", STACK)

    def destroy(self) -> float:
        """`pulumi destroy`; seconds. Raises EngineFailed."""
        return self._run("destroy", *_FLAGS)

    def _run(self, *arguments: str) -> float:
        started = time.monotonic()
        self._said(*arguments)
        return time.monotonic() - started

    def _said(self, *arguments: str) -> str:
        done = subprocess.run(
            [self._pulumi, *arguments],
            cwd=self._directory,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise EngineFailed(f"pulumi {' '.join(arguments)}:\n{done.stdout}\n{done.stderr}")
        return done.stdout

"""A project directory, a file backend and the real engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hashistack.toolchain import resolve

PULUMI = "3.259.0"

# A plugin with the test's own resource type in the table; found through `plugins:` in Pulumi.yaml.
PROBE_PLUGIN = """\
#!{python}
import sys
sys.path.insert(0, {here!r})
from hashistack.provider.plugin import main
from probe import ProbeHandler
handler = ProbeHandler()
main(lambda token: handler)
"""


@dataclass
class Project:
    """A Pulumi project with one stack `dev`; its program is text."""

    directory: Path
    environment: dict[str, str]
    pulumi: Path
    options: dict[str, Any] = field(default_factory=dict)

    def write(self, program: str, plugins: Path | None = None) -> None:
        project: dict[str, Any] = {"name": "trial", "runtime": {"name": "python", "options": self.options}}
        if plugins is not None:
            project["plugins"] = {"providers": [{"name": "hashistack", "path": str(plugins)}]}
        (self.directory / "Pulumi.yaml").write_text(json.dumps(project))
        (self.directory / "__main__.py").write_text(program)

    def run(
        self, *arguments: str, fails: bool = False, env: Mapping[str, str] | None = None, within: float = 120
    ) -> str:
        """`pulumi ARGUMENTS`; returns all it printed."""
        done = subprocess.run(
            [str(self.pulumi), *arguments, "--non-interactive", "--color=never"],
            cwd=self.directory,
            env={**self.environment, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=within,
        )
        assert (done.returncode != 0) is fails, done.stdout
        return done.stdout

    def up(self, *arguments: str, fails: bool = False, env: Mapping[str, str] | None = None) -> str:
        return self.run("up", "--yes", "--skip-preview", *arguments, fails=fails, env=env)

    def outputs(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("stack", "output", "--json", "--show-secrets"))
        return found

    def state(self) -> dict[str, Any]:
        """Each of our resources in the stack's state, by name."""
        resources = json.loads(self.run("stack", "export"))["deployment"].get("resources", [])
        return {
            resource["urn"].rpartition("::")[2]: resource
            for resource in resources
            if resource["type"].startswith("hashistack:")
        }


@pytest.fixture(scope="session")
def pulumi_command() -> Path:
    """The engine: the one on PATH, else as the toolchain gets it."""
    return resolve("pulumi", PULUMI).path


@pytest.fixture
def project(tmp_path: Path, pulumi_command: Path) -> Project:
    """An empty project whose program runs in this interpreter's environment."""
    directory, home, backend = (tmp_path / name for name in ("project", "home", "backend"))
    for made in (directory, home, backend):
        made.mkdir()
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PULUMI_")}
    environment |= {
        "PATH": f"{pulumi_command.parent}:/usr/bin:/bin",
        "PULUMI_BACKEND_URL": f"file://{backend}",
        "PULUMI_CONFIG_PASSPHRASE": "correct horse",
        "PULUMI_HOME": str(home),
        "PULUMI_SKIP_UPDATE_CHECK": "1",
    }
    environment.pop("VIRTUAL_ENV", None)
    made_project = Project(directory, environment, pulumi_command, {"virtualenv": sys.prefix})
    made_project.write("")
    made_project.run("stack", "init", "dev")
    return made_project


@dataclass
class Probed:
    """A project of `Probe` resources (`probe.py`), and the directory where these make their files."""

    project: Project
    world: Path
    plugins: Path

    def program(self, body: str) -> None:
        here = str(Path(__file__).parent)
        start = f"import sys\nsys.path.insert(0, {here!r})\nimport pulumi\nfrom probe import Probe\n"
        self.project.write(f"{start}world = {str(self.world)!r}\n{body}\n", self.plugins)


@pytest.fixture
def probed(project: Project, tmp_path: Path) -> Probed:
    world, plugins = tmp_path / "world", tmp_path / "plugins"
    world.mkdir()
    plugins.mkdir()
    plugin = plugins / "pulumi-resource-hashistack"
    plugin.write_text(PROBE_PLUGIN.format(python=sys.executable, here=str(Path(__file__).parent)))
    plugin.chmod(0o755)
    return Probed(project, world, plugins)


@pytest.fixture
def environment_of_its_own(tmp_path: Path) -> Callable[[], Path]:
    """Makes a virtual environment that has what this one has, but without its console scripts."""

    def make() -> Path:
        place = tmp_path / "environment"
        venv.create(place, symlinks=True)
        ours = [path for path in sys.path if path.endswith("site-packages")]
        (site,) = place.glob("lib/python*/site-packages")
        lines = "".join(f"import site; site.addsitedir({path!r})\n" for path in ours)
        (site / "ours.pth").write_text(lines)
        return place

    return make

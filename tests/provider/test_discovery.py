"""The engine finds the plugin, however the program is started."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hashistack.provider.link import PluginNotLinked, link
from hashistack.version import VERSION

PROGRAM = """\
from hashistack import ClusterSpec
from hashistack.secrets.cluster import ClusterSecrets
ClusterSecrets("secrets", ClusterSpec(name="trial"))
"""
INLINE = """\
from pulumi import automation
def program():
    from hashistack import ClusterSpec
    from hashistack.secrets.cluster import ClusterSecrets
    ClusterSecrets("secrets", ClusterSpec(name="trial"))
stack = automation.create_or_select_stack("inline", "trial", program)
print(stack.up(on_output=print).summary.result)
stack.destroy()
"""
LOCAL = """\
from pulumi import automation
stack = automation.create_or_select_stack("dev", work_dir=".")
print(stack.up(on_output=print).summary.result)
"""


def executable(project: Any) -> Path:
    home = Path(project.environment["PULUMI_HOME"])
    return home / "plugins" / f"resource-hashistack-v{VERSION}" / "pulumi-resource-hashistack"


def test_in_an_environment_that_is_not_activated(project: Any, environment_of_its_own: Callable[[], Path]) -> None:
    project.options = {"virtualenv": str(environment_of_its_own())}
    project.write(PROGRAM)
    text = project.up()
    assert "+ 2 created" in text
    assert "warning" not in text
    assert str(project.options["virtualenv"]) in executable(project).read_text()
    # destroy runs no program
    assert "- 2 deleted" in project.run("destroy", "--yes", "--skip-preview")


def test_in_an_activated_environment(project: Any, environment_of_its_own: Callable[[], Path]) -> None:
    place = environment_of_its_own()
    project.options = {}
    project.write(PROGRAM)
    path = f"{place / 'bin'}:{project.environment['PATH']}"
    text = project.up(env={"VIRTUAL_ENV": str(place), "PATH": path})
    assert "+ 2 created" in text
    assert "warning" not in text


def test_under_uv_run(project: Any, environment_of_its_own: Callable[[], Path]) -> None:
    place = environment_of_its_own()
    uv = shutil.which("uv") or Path(sys.executable).with_name("uv")
    project.options = {"toolchain": "uv"}
    project.write(PROGRAM)
    (project.directory / ".venv").symlink_to(place)
    name = '[project]\nname = "trial"\nversion = "1"\nrequires-python = ">=3.11"\n'
    (project.directory / "pyproject.toml").write_text(name)
    done = subprocess.run(
        [str(uv), "run", "--no-sync", "--offline", str(project.pulumi), "up", "--yes", "--skip-preview"],
        cwd=project.directory,
        env=project.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "+ 2 created" in done.stdout
    assert str(project.directory / ".venv") in executable(project).read_text()


@pytest.mark.parametrize("script", [INLINE, LOCAL], ids=["inline", "local"])
def test_from_the_automation_api(project: Any, script: str) -> None:
    project.write(PROGRAM)
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=project.directory,
        env=project.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert "succeeded" in done.stdout, done.stdout + done.stderr
    assert "warning" not in done.stdout


def test_the_users_files_do_not_shadow_the_plugins_modules(project: Any) -> None:
    (project.directory / "secrets.py").write_text("raise SystemExit('a file of the user')")
    project.write("import sys\nsys.path.pop(0)\n" + PROGRAM)  # nor the program's, for once
    assert "+ 2 created" in project.up()


def test_a_python_that_is_gone_is_told(project: Any, environment_of_its_own: Callable[[], Path]) -> None:
    place = environment_of_its_own()
    project.options = {"virtualenv": str(place)}
    project.write(PROGRAM)
    project.up()
    shutil.rmtree(place)
    text = project.run("destroy", "--yes", "--skip-preview", fails=True)
    assert f"the Python that this plugin was linked to is gone: {place}" in text
    assert "Run 'pulumi preview'" in text
    project.options = {"virtualenv": sys.prefix}  # as after `make setup`
    project.write(PROGRAM)
    assert "2 unchanged" in project.run("preview")
    assert "- 2 deleted" in project.run("destroy", "--yes", "--skip-preview")


def test_a_cache_that_cannot_be_written_is_told(project: Any) -> None:
    place = executable(project).parent
    place.parent.mkdir(parents=True)
    place.write_text("in the way")
    project.write(PROGRAM)
    text = project.up(fails=True)
    assert "cannot link the hashistack plugin into Pulumi's plugin cache" in text
    assert "set PULUMI_HOME" in text
    assert "Traceback" not in text


def test_linking_is_cheap_and_exact(tmp_path: Path) -> None:
    made = link(tmp_path)
    before = made.stat()
    link.cache_clear()
    assert link(tmp_path) == made
    assert made.stat().st_mtime_ns == before.st_mtime_ns  # nothing to do
    made.write_text("#!/bin/sh\necho another interpreter\n")
    link.cache_clear()
    link(tmp_path)
    assert sys.executable in made.read_text()
    assert made.stat().st_mode & 0o111
    assert [path.name for path in made.parent.iterdir()] == ["pulumi-resource-hashistack"]


def test_an_unwritable_cache_raises(tmp_path: Path) -> None:
    (tmp_path / "plugins").write_text("in the way")
    with pytest.raises(PluginNotLinked, match="PULUMI_HOME"):
        link(tmp_path)

"""The command as a program: what it prints, how it ends, what it imports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HASHISTACK = [sys.executable, "-c", "from hashistack.cli.main import main; main()"]


def run(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*HASHISTACK, *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **environment},
    )


def test_version_and_help() -> None:
    from hashistack.version import VERSION

    assert run("--version").stdout == f"hashistack {VERSION}\n"
    shown = run("--help").stdout
    for command in (
        "up",
        "down",
        "gc",
        "graph",
        "config",
        "scale",
        "init",
        "inventory",
        "list",
        "support",
        "stop",
        "start",
        "status",
        "env",
        "doctor",
        "schema",
        "snapshot",
        "toolchain",
        "run",
        "logs",
        "exec",
        "ui",
    ):
        assert f" {command} " in shown


def test_what_stands_behind_two_dashes_is_not_ours() -> None:
    from hashistack.cli.main import _verbose_first

    assert _verbose_first(["exec", "web", "--", "curl", "--verbose"]) == ["exec", "web", "--", "curl", "--verbose"]
    assert _verbose_first(["exec", "--verbose", "web", "--", "ls"]) == ["--verbose", "exec", "web", "--", "ls"]


def test_schema_is_json() -> None:
    assert json.loads(run("schema").stdout)["title"] == "ClusterSpec"
    assert json.loads(run("schema", "--connection").stdout)["title"] == "connection"


def test_an_error_of_ours_is_one_text_and_code_2(tmp_path: Path) -> None:
    done = run("status", "-C", str(tmp_path))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == f"hashistack: {tmp_path} has no Pulumi.yaml: name a Pulumi project with -C DIR.\n"


def test_ctrl_c_says_how_to_go_on() -> None:
    press = "import os, signal; from hashistack.cli.commands import status"
    press += "; status.doctor = lambda *a: os.kill(os.getpid(), signal.SIGINT)"
    command = [*HASHISTACK[:2], f"{press}; {HASHISTACK[2]}", "doctor"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "hashistack: interrupted. Repeating the same command goes on from here.\n"


def test_ctrl_c_that_ended_the_engine_is_code_130_too() -> None:
    ends = "from hashistack.cli.commands import status; from hashistack.cli.errors import Interrupted"
    ends += "\ndef doctor(*given): raise Interrupted('interrupted; what was made is kept')\nstatus.doctor = doctor\n"
    done = subprocess.run([*HASHISTACK[:2], f"{ends}{HASHISTACK[2]}", "doctor"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "hashistack: interrupted; what was made is kept\n")


def test_down_asks_before_it_destroys(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    done = run("down", "-C", str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert "say --yes" in done.stderr


def test_env_can_be_taken_back_without_a_cluster(tmp_path: Path) -> None:
    done = run("env", "--unset", "--shell", "sh", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("unset NOMAD_ADDR\n")
    assert run("env", "--shell", "tcsh", cwd=tmp_path).returncode == 2


def test_without_the_extra_the_pip_line_is_printed(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("raise ModuleNotFoundError('No module named typer', name='typer')\n")
    hide = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import hashistack.cli.main"
    done = subprocess.run([sys.executable, "-c", hide], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 1
    assert done.stderr.strip().endswith("pip install 'hashistack[X]', X one of aws, gcp, local, cli")


def test_starting_imports_no_engine_no_docker_no_http() -> None:
    look = "import sys, hashistack.cli.main; print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    loaded = set(done.stdout.split())
    assert not loaded & {"pulumi", "grpc", "docker", "httpx", "pydantic", "cryptography", "yaml"}


@pytest.mark.parametrize("command", ["up", "rollout", "upgrade", "heal", "scale web=1"])
def test_a_job_to_be_ignored_that_is_none_is_refused_before_anything_is_looked_at(command: str, tmp_path: Path) -> None:
    done = run(*command.split(), "-C", str(tmp_path), "--ignore-job", "web", "--ignore-job", "default/web")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "hashistack: --ignore-job web: is no job. Next: give NAMESPACE/JOB\n"


@pytest.mark.parametrize(
    "arguments", [["doctor"], ["status", "-C", "."], ["down", "--yes", "-C", "."], ["toolchain", "list"], ["--help"]]
)
@pytest.mark.parametrize(
    "locale", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]
)
def test_a_terminal_that_knows_ascii_alone_reads_every_command(
    arguments: list[str], locale: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: é…\nruntime: python\n", encoding="utf-8")
    done = subprocess.run([*HASHISTACK, *arguments], capture_output=True, cwd=tmp_path, env={**os.environ, **locale})
    assert done.returncode in (0, 1, 2)
    assert (done.stdout + done.stderr).isascii()
    assert b"Traceback" not in done.stderr
    assert done.stdout + done.stderr


@pytest.mark.parametrize("arguments", [["doctor"], ["status", "-C", "."], ["env", "-C", "."], ["toolchain", "list"]])
def test_without_a_home_each_command_says_so(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: x\nruntime: python\n")
    kept = {
        k: v for k, v in os.environ.items() if k not in ("HOME", "XDG_RUNTIME_DIR", "PULUMI_HOME", "HASHISTACK_CACHE")
    }
    # As of a user that no passwd entry names.
    nobody = "import os, pwd; pwd.getpwuid = lambda uid: {}[uid]"
    command = [*HASHISTACK[:2], f"{nobody}; {HASHISTACK[2]}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=kept)
    assert done.returncode == 2
    assert done.stderr.startswith("hashistack: ~"), done.stderr
    assert "no home directory" in done.stderr and "Next: export HOME=DIR" in done.stderr

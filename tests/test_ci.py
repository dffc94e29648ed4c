"""The GitHub action and the GitLab template: their own shell, with a `hashistack` that writes down what it is asked."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from hashistack.cli.main import app

CHECKOUT = Path(__file__).parent.parent
ACTION: dict[str, Any] = yaml.safe_load((CHECKOUT / "action.yml").read_text())
GITLAB: dict[str, Any] = yaml.safe_load((CHECKOUT / "ci/hashistack.gitlab-ci.yml").read_text())[".hashistack"]

HASHISTACK = """\
#!/bin/sh
{ printf '%s' "$1"; shift; for word; do printf ' %s' "$word"; done; echo; } >>"$FAKE/asked"
verb=$(tail -n 1 "$FAKE/asked")
for place in "$FAKE"/fails-*; do
  case $verb in $(cat "$place" 2>/dev/null || echo none)*) exit 1 ;; esac
done
case $verb in
init*) mkdir -p "${verb#init }" ;;
env*)
  echo "export NOMAD_ADDR=https://127.0.0.1:1"
  echo "export NOMAD_TOKEN=n-secret CONSUL_HTTP_TOKEN=c-secret VAULT_TOKEN=v-secret"
  ;;
support*) touch "$(echo "$verb" | cut -d' ' -f2)" ;;
down*--dry-run) [ ! -e "$FAKE/there" ] || exit 1 ;;
gc*--yes) rm -f "$FAKE/left" ;;
gc*) [ ! -e "$FAKE/left" ] || exit 1 ;;
esac
"""
PYTHON = """\
#!/bin/sh
# python -m venv PLACE
mkdir -p "$3/bin"
cp "$FAKE/hashistack" "$3/bin/hashistack"
printf '#!/bin/sh\\necho "pip $*" >>"$FAKE/installed"\\n' >"$3/bin/pip"
chmod +x "$3/bin/pip"
"""


@dataclass
class Runner:
    """A machine of a CI with the fakes on it."""

    place: Path
    ran: list[str] = field(default_factory=list)
    uploaded: list[dict[str, str]] = field(default_factory=list)
    said: str = ""

    def __post_init__(self) -> None:
        for name, text in {"hashistack": HASHISTACK, "python3": PYTHON}.items():
            (self.place / name).write_text(text)
            (self.place / name).chmod(0o755)

    def fails(self, *commands: str) -> None:
        """These commands, each a shell's pattern of how it begins."""
        for number, command in enumerate(commands):
            (self.place / f"fails-{number}").write_text(command)

    def asked(self) -> list[str]:
        """The commands, without the places of this test and what is drawn by lot."""
        text = (self.place / "asked").read_text().replace(str(self.place), "HERE")
        return re.sub(r"(temp/hashistack|77-1-unit-0)-\w{6}\b", r"\1-LOT", text).splitlines()

    def shell(self, script: str, environment: Mapping[str, str]) -> bool:
        path = f"{self.place}{os.pathsep}{environment.get('ADDED', '')}{os.environ['PATH']}"
        inherited = {"FAKE": str(self.place), "HOME": str(self.place), "PATH": path}
        # As both run a step: a file of it, that ends at the first failure.
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            env={**inherited, **environment},
            cwd=self.place,
            capture_output=True,
            text=True,
            check=False,
        )
        self.said += done.stdout + done.stderr
        return done.returncode == 0


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


def github(runner: Runner, **inputs: str) -> bool:
    """The action's steps as GitHub runs them; answers whether the job is green."""
    given = {name: str(one.get("default", "")) for name, one in ACTION["inputs"].items()} | inputs
    temp, added, variables, said = (runner.place / name for name in ("temp", "path", "variables", "outputs"))
    temp.mkdir(exist_ok=True)
    for file in (added, variables):
        file.touch()
    outcomes: dict[str, str] = {}
    values = {
        **{f"inputs.{name}": value for name, value in given.items()},
        "steps.python.outputs.python-path": str(runner.place / "python3"),
        "github.run_id": "77",
        "github.run_attempt": "1",
        "github.job": "unit",
        "strategy.job-index": "0",
    }

    def filled(text: str) -> str:
        return re.sub(r"\$\{\{ ([\w.-]+) \}\}", lambda found: values[found[1]], text)

    green = True
    for step in ACTION["runs"]["steps"]:
        words = str(step.get("if", "success()")).removeprefix("${{ ").removesuffix(" }}").split(" && ")
        meant = {"success()": green, "failure()": not green, "always()": True}
        meant |= {f"steps.{id}.outcome == 'success'": outcome == "success" for id, outcome in outcomes.items()}
        if not all(meant.get(word, False) for word in words):
            continue
        environment = {name: filled(value) for name, value in step.get("env", {}).items()}
        environment |= {"RUNNER_TEMP": str(temp), "GITHUB_ACTION_PATH": "/action"}
        said.write_text("")
        environment |= {"GITHUB_PATH": str(added), "GITHUB_ENV": str(variables), "GITHUB_OUTPUT": str(said)}
        environment |= dict(line.split("=", 1) for line in variables.read_text().splitlines())
        environment["ADDED"] = "".join(f"{line}{os.pathsep}" for line in added.read_text().splitlines())
        well = runner.shell(step["run"], environment) if "run" in step else True
        for name, value in (line.split("=", 1) for line in said.read_text().splitlines()):
            values[f"steps.{step['id']}.outputs.{name}"] = value
        if step["id"] == "upload":
            runner.uploaded.append({name: filled(value) for name, value in step["with"].items()})
        runner.ran.append(step["id"])
        outcomes[step["id"]] = "success" if well else "failure"
        green = green and (well or step.get("continue-on-error", False))
    return green


def gitlab(runner: Runner, **variables: str) -> bool:
    """The job as GitLab runs it; answers whether it is green, of which what comes after the script changes nothing."""
    given = {"CI_PROJECT_DIR": str(runner.place), "CI_PIPELINE_ID": "77", "CI_JOB_ID": "5"}
    for name, value in {**GITLAB["variables"], **variables}.items():
        given[name] = re.sub(
            r"\$(\$|\w+)", lambda found: "$" if found[1] == "$" else given.get(found[1], ""), str(value)
        )
    (script,) = GITLAB["script"]
    green = runner.shell(script, given)
    (after,) = GITLAB["after_script"]
    runner.shell(after, given)
    return green


TESTS = 'test "$NOMAD_ADDR" = https://127.0.0.1:1 && hashistack status -C "$HASHISTACK_PROJECT"'


def test_github_up_tests_down(runner: Runner) -> None:
    assert github(runner, run=TESTS), runner.said
    project = "HERE/temp/hashistack-LOT/ci"
    assert runner.asked() == [
        f"init {project}",
        f"down -C {project} --dry-run",
        f"up -C {project} --ttl 2h",
        f"env -C {project} --shell sh",
        f"status -C {project}",
        f"down -C {project} --yes",
        "gc --run 77-1-unit-0-LOT",
    ]
    assert runner.ran == ["python", "install", "new", "up", "tests", "down", "nothing-left"]
    installed = (runner.place / "installed").read_text()
    assert installed == "pip install --quiet hashistack[local] @ file:///action\n"
    for secret in ("n-secret", "c-secret", "v-secret"):
        assert f"::add-mask::{secret}" in runner.said


def test_github_takes_a_project_and_a_requirement(runner: Runner) -> None:
    (runner.place / "our cluster").mkdir()
    assert github(runner, run="true", project="our cluster", requirement="hashistack[local]==1.2.3", ttl="30m")
    assert runner.asked()[:2] == ["down -C HERE/our cluster --dry-run", "up -C HERE/our cluster --ttl 30m"]
    assert "hashistack[local]==1.2.3" in (runner.place / "installed").read_text()


def test_github_tests_that_fail_export_the_logs(runner: Runner) -> None:
    assert not github(runner, run="exit 3")
    assert runner.ran[-4:] == ["logs", "upload", "down", "nothing-left"]
    (upload,) = runner.uploaded
    assert Path(upload["path"]).exists()
    assert re.fullmatch(
        r"hashistack-logs-77-1-unit-0-\w{6}", upload["name"]
    )  # no other job has an artifact of this name


def test_github_a_stack_that_was_there_is_left_alone(runner: Runner) -> None:
    """Neither changed, nor looked into, nor destroyed, however the job ends."""
    (runner.place / "there").touch()
    (runner.place / "prod").mkdir()
    assert not github(runner, run=TESTS, project="prod")
    assert runner.asked() == ["down -C HERE/prod --dry-run", "gc --run 77-1-unit-0-LOT"]
    assert "::error::the stack of " in runner.said
    assert runner.ran == ["python", "install", "new", "nothing-left"]


def test_github_a_stack_that_can_not_be_seen_is_left_alone(runner: Runner) -> None:
    runner.fails("down*--dry-run")
    assert not github(runner, run=TESTS)
    assert not [line for line in runner.asked() if line.startswith("up") or "--yes" in line]


def test_github_a_job_may_use_it_twice(runner: Runner) -> None:
    assert github(runner, run="true"), runner.said
    assert github(runner, run="true"), runner.said
    (first, second) = re.findall(r"gc --run (\S+)", (runner.place / "asked").read_text())
    assert first != second
    places = {line for line in (runner.place / "asked").read_text().splitlines() if line.startswith("init")}
    assert len(places) == 2


def test_github_a_cluster_that_does_not_come_up_is_taken_down(runner: Runner) -> None:
    runner.fails("up", "support")
    assert not github(runner, run=TESTS)
    assert runner.ran == ["python", "install", "new", "up", "logs", "down", "nothing-left"]
    assert runner.asked()[-2:] == ["down -C HERE/temp/hashistack-LOT/ci --yes", "gc --run 77-1-unit-0-LOT"]


def test_github_fails_where_anything_is_left(runner: Runner) -> None:
    (runner.place / "left").touch()
    assert not github(runner, run="true")
    assert runner.asked()[-2:] == ["gc --run 77-1-unit-0-LOT", "gc --run 77-1-unit-0-LOT --yes"]
    assert "::error::this job left the clusters above" in runner.said


def test_github_nothing_that_is_given_becomes_part_of_a_script() -> None:
    """Else a title of a pull request could be a command of the job."""
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step.get("run", ""), step["id"]


def test_gitlab_up_tests_down(runner: Runner) -> None:
    assert gitlab(runner, HASHISTACK_TESTS=TESTS.replace("$", "$$")), runner.said
    project = "HERE/.hashistack-ci/ci"
    assert runner.asked() == [
        f"init {project}",
        f"down -C {project} --dry-run",
        f"up -C {project} --ttl 2h",
        f"env -C {project} --shell sh",
        f"status -C {project}",
        f"down -C {project} --yes",
        "gc --run 77-5",
        "gc --run 77-5 --yes",  # after the script
    ]


def test_gitlab_tests_that_fail_export_the_logs(runner: Runner) -> None:
    assert not gitlab(runner, HASHISTACK_TESTS="exit 3")
    assert (runner.place / GITLAB["artifacts"]["paths"][0]).exists()
    assert "down -C HERE/.hashistack-ci/ci --yes" in runner.asked()


def test_gitlab_fails_where_anything_is_left(runner: Runner) -> None:
    (runner.place / "left").touch()
    assert not gitlab(runner, HASHISTACK_TESTS="true")
    assert runner.asked()[-3:] == ["gc --run 77-5", "gc --run 77-5 --yes", "gc --run 77-5 --yes"]
    assert "this job left the clusters above" in runner.said


def test_gitlab_fails_where_the_cluster_does_not_come_down(runner: Runner) -> None:
    runner.fails("down*--yes")
    assert not gitlab(runner, HASHISTACK_TESTS="true")
    assert "up -C HERE/.hashistack-ci/ci --ttl 2h" in runner.asked()


def test_gitlab_a_stack_that_was_there_is_left_alone(runner: Runner) -> None:
    (runner.place / "there").touch()
    (runner.place / "prod").mkdir()
    assert not gitlab(runner, HASHISTACK_TESTS="true", HASHISTACK_CLUSTER="prod")
    assert runner.asked() == ["down -C HERE/prod --dry-run", "gc --run 77-5 --yes"]
    assert "the stack of " in runner.said


def test_gitlab_without_tests_is_red_before_anything_is_made(runner: Runner) -> None:
    assert not gitlab(runner)
    assert "HASHISTACK_TESTS: must say the tests of this job" in runner.said
    assert not (runner.place / "asked").exists()


def test_gitlab_a_project_of_its_own_is_said_absolutely(runner: Runner) -> None:
    (runner.place / "infra").mkdir()
    assert gitlab(runner, HASHISTACK_TESTS='cd / && echo "AT $$HASHISTACK_PROJECT"', HASHISTACK_CLUSTER="infra")
    assert f"AT {runner.place}/infra" in runner.said


def of_the_documentation(marked: str) -> Any:
    text = (CHECKOUT / "docs/testing.md").read_text()
    (block,) = [block for block in re.findall(r"```yaml\n(.*?)```", text, re.S) if marked in block]
    return yaml.safe_load(block)


@pytest.mark.parametrize("vendor", ["github", "gitlab"])
def test_what_the_documentation_shows_works(vendor: str, runner: Runner) -> None:
    """The tests' own Python gets the plugin of the same release, and the tests the project."""
    for name in ("nomad", "pip", "pytest"):
        (runner.place / name).write_text(f'#!/bin/sh\necho "{name} $*" >>"$FAKE/asked"\n')
        (runner.place / name).chmod(0o755)
    if vendor == "github":
        (step,) = of_the_documentation("uses:")
        assert github(runner, **step["with"]), runner.said
        requirement, project = "hashistack[local] @ file:///action", "HERE/temp/hashistack-LOT/ci"
    else:
        (job,) = of_the_documentation("extends:").values()
        assert gitlab(runner, **job["variables"]), runner.said
        requirement, project = "hashistack[local]", "HERE/.hashistack-ci/ci"
    asked = [line for line in runner.asked() if line.startswith("p")]
    assert asked == [f"pip install {requirement} pytest", f"pytest tests/integration --hashistack-attach {project}"]


def test_what_a_job_makes_by_itself_has_a_name_of_its_own() -> None:
    """The number of a run is that of all its jobs, of which another may be on the same machine."""
    texts = [CHECKOUT / name for name in ("docs/testing.md", "docs/commands.md", "hashistack/cli/examples.py")]
    named = {name for text in texts for name in re.findall(r"gc --run \W*(\w+)", text.read_text())}
    assert named == {"HASHISTACK_RUN"}


def parsed(words: list[str]) -> None:
    """Raises click's UsageError where the command line would not take them; runs nothing."""
    command: Any = typer.main.get_command(app)
    context = command.make_context("hashistack", list(words), resilient_parsing=False)
    name, found, rest = command.resolve_command(context, list(words))
    with found.make_context(name, rest, parent=context):
        pass


def commands(text: str) -> list[list[str]]:
    """The calls of `hashistack` that a script makes, with what stands for each variable."""
    text = re.sub(r'"\$home/(venv/)?bin/hashistack"|"\$CI_PROJECT_DIR/\S+/hashistack"', "hashistack", text)
    calls = re.findall(r"\bhashistack ((?:init|up|env|support|down|gc)\b[^;|&)\n]*)", text)
    return [shlex.split(re.sub(r"\$\{?\w+\}?", "x", call.rstrip("'"))) for call in calls]


SCRIPTS = {
    "action.yml": "\n".join(step.get("run", "") for step in ACTION["runs"]["steps"]),
    "ci/hashistack.gitlab-ci.yml": "\n".join([*GITLAB["script"], *GITLAB["after_script"]]),
}


@pytest.mark.parametrize("file", SCRIPTS)
def test_the_command_line_takes_what_they_ask(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HASHISTACK_PROJECT", raising=False)
    found = commands(SCRIPTS[file])
    assert {call[0] for call in found} == {"init", "up", "env", "support", "down", "gc"}
    for call in found:
        parsed(call)
    with pytest.raises(Exception, match="No such option"):
        parsed(["down", "--really"])

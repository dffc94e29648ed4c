"""The preflight inside the engine's run, under every front end. The stand-in for AWS's plugin asks moto, or nobody."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hashistack.cli.engine import Engine
from hashistack.cli.project import Project
from hashistack.spec import Versions

from ..box.prod import plugin
from ..region.account import account as at_moto

NOBODY = {
    "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
    "AWS_EC2_METADATA_DISABLED": "true",
}
PROGRAM = """\
import pulumi
from hashistack import AwsCluster, AwsClusterArgs
config = pulumi.Config()
spec = {"name": "shop", "clients": [{"name": "web", "desired": 2}]}
AwsCluster("shop", AwsClusterArgs(spec={**spec, **(config.get_object("cluster") or {})}))
"""
LOCAL = """\
from hashistack import LocalCluster, LocalClusterArgs
LocalCluster("shop", LocalClusterArgs(spec={"name": "shop"}))
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A program with a cluster on AWS, and nobody's credentials."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in NOBODY.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))  # nobody else links a plugin there meanwhile
    plugins = plugin(tmp_path / "bin", "aws", "tests.region.plugin.server")
    monkeypatch.setenv("PATH", f"{plugins}:{os.environ['PATH']}")
    directory = tmp_path / "project"
    directory.mkdir()
    runtime = {"name": "python", "options": {"virtualenv": sys.prefix}}
    described = {"name": "shop", "runtime": runtime, "config": {"aws:region": "eu-central-1"}}
    (directory / "Pulumi.yaml").write_text(json.dumps(described))
    (directory / "__main__.py").write_text(PROGRAM)
    return Project(directory, "prod")


@pytest.fixture
def account(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An account at moto, with credentials for it."""
    with at_moto(monkeypatch) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield


def command(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", "from hashistack.cli.main import main; main()"]
    return subprocess.run(
        [*program, *arguments, "-C", str(project.directory), "--stack", "prod"], capture_output=True, text=True
    )


def made(project: Project) -> list[str]:
    """The types of what is in the stack's state, but for what the engine has of its own."""
    state = json.loads((project.directory / ".state/.pulumi/stacks/shop/prod.json").read_text())
    found = state["checkpoint"]["latest"] or {}
    return [one["type"] for one in found.get("resources", ()) if not one["type"].startswith("pulumi:")]


def test_without_credentials_nothing_is_made_and_one_error_says_why(project: Project) -> None:
    (project.directory / "Pulumi.prod.yaml").write_text(
        json.dumps({"config": {"shop:cluster": json.dumps({"versions": {"nomad": "1.10.5"}})}})
    )
    done = command(project, "up")
    assert done.returncode == 2
    assert done.stderr.splitlines()[:2] == [
        "hashistack: AWS answers: no. no AWS credentials are found. "
        "Next: export AWS_PROFILE=NAME, or aws configure sso",
        "Nothing was made.",
    ]
    assert "Traceback" not in done.stderr + done.stdout
    assert set(made(project)) <= {"hashistack:index:AwsCluster"}
    looked = command(project, "doctor")
    assert looked.returncode == 2
    assert " ✗ AWS answers" in looked.stdout
    assert "Docker" not in looked.stdout


@pytest.mark.usefixtures("account")
def test_all_that_stands_against_it_is_one_error_of_pulumi_too(project: Project) -> None:
    zones = ["eu-central-1a", "eu-central-1b", "eu-central-1x"]
    pools = {"clients": [{"name": "web", "zones": ["us-east-1a"]}], "servers": {"zones": zones}}
    cluster = json.dumps(pools)
    (project.directory / "Pulumi.prod.yaml").write_text(json.dumps({"config": {"shop:cluster": cluster}}))
    engine = Engine(project, lambda text: None)
    engine.make_stack()
    tool = [engine._pulumi, "preview", "--stack", "prod", "--non-interactive", "--color", "never"]
    done = subprocess.run(tool, cwd=project.directory, env=engine.environment, capture_output=True, text=True)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert 'spec.clients[0].zones[0]: is not in region eu-central-1 (got "us-east-1a")' in said
    assert "the zones are there: no. account 123456789012 has no eu-central-1x" in said
    assert said.count("Nothing was made.") == 1
    assert "Traceback" not in said
    assert made(project) == []


@pytest.mark.usefixtures("account")
def test_the_doctor_tells_what_is_well_too(project: Project) -> None:
    done = command(project, "doctor", "-o", "json")
    found = {one["sentence"]: one for one in map(json.loads, done.stdout.splitlines())}
    assert found["AWS answers, for the account that is meant"]["ok"] is True
    assert found["AWS can do what is specified"]["detail"].startswith("3 server (m6i.large), 2 web (m6i.large); a VPC")
    assert found["machines of these types are to be had"]["ok"] is True
    assert "Docker answers" not in found
    assert made(project) == []


def test_a_local_cluster_in_a_stack_that_configures_aws_is_local(project: Project) -> None:
    (project.directory / "__main__.py").write_text(LOCAL)
    done = command(project, "doctor")
    assert " ✓ Docker answers" in done.stdout
    assert "AWS" not in done.stdout
    assert made(project) == []


def test_settings_that_an_agent_refuses_are_told_before_anything_is_made(project: Project) -> None:
    own = {"servers": {"vault_config": {"no_such_setting": 1}}}
    pool = {"name": "web", "nomad_config": {"client": {"no_such_setting": 1}}}
    spec = {"name": "shop", **own, "clients": [pool]}
    (project.directory / "__main__.py").write_text(LOCAL.replace('{"name": "shop"}', repr(spec)))
    nomad, vault = (f"{product} {Versions().of(product)}" for product in ("nomad", "vault"))
    lines = [
        f"{vault} takes spec.servers.vault_config: no. unknown field no_such_setting. Next: correct it",
        f"{nomad} takes spec.clients[0].nomad_config: no. client unexpected keys no_such_setting. Next: correct it",
        "Nothing was made.",
    ]
    done = command(project, "up")
    assert done.returncode == 2
    assert done.stderr.removeprefix("hashistack: ").splitlines()[:3] == lines
    assert "Traceback" not in done.stderr + done.stdout
    assert set(made(project)) <= {"hashistack:index:LocalCluster"}
    looked = command(project, "doctor")
    assert looked.returncode == 2
    assert f" ✗ {nomad} takes spec.clients[0].nomad_config" in looked.stdout
    assert "client unexpected keys no_such_setting" in looked.stdout
    assert "the program runs to its end" not in looked.stdout


@pytest.mark.usefixtures("account")
def test_an_agents_refusal_is_told_with_all_that_stands_against_a_cluster_on_aws(project: Project) -> None:
    servers, pool = {"consul_config": {"nope": 1}}, {"name": "web", "zones": ["us-east-1a"]}
    cluster = json.dumps({"servers": servers, "clients": [pool]})
    (project.directory / "Pulumi.prod.yaml").write_text(json.dumps({"config": {"shop:cluster": cluster}}))
    done = command(project, "up")
    assert done.returncode == 2
    assert 'spec.clients[0].zones[0]: is not in region eu-central-1 (got "us-east-1a")' in done.stderr
    assert "takes spec.servers.consul_config: no. invalid config key nope. Next: correct it" in done.stderr
    assert done.stderr.count("Nothing was made.") == 1


@pytest.mark.usefixtures("account")
def test_one_program_may_hold_a_local_cluster_and_one_on_aws(project: Project) -> None:
    local = "from hashistack import LocalCluster, LocalClusterArgs\n"
    local += "for name in ('here', 'too'):\n    LocalCluster(name, LocalClusterArgs(spec={'name': name}))\n"
    (project.directory / "__main__.py").write_text(PROGRAM + local)
    done = command(project, "doctor")
    assert "program runs to its end" not in done.stdout
    assert " ✓ AWS answers" in done.stdout
    assert done.stdout.count(" ✓ Docker answers") == 1
    assert made(project) == []


def test_a_program_that_fails_is_a_finding(project: Project) -> None:
    (project.directory / "__main__.py").write_text("import pulumi\nraise pulumi.RunError('needs the moon')\n")
    done = command(project, "doctor")
    assert done.returncode == 2
    assert " ✗ the program runs to its end" in done.stdout
    assert "needs the moon" in done.stdout

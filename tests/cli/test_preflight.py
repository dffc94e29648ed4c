"""What is looked at before the engine runs, for a project on AWS. No test here has credentials, and none asks AWS."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hashistack.aws.ops import program_probe
from hashistack.cli import preflight
from hashistack.cli.driver import driver
from hashistack.cli.errors import Refusal
from hashistack.cli.project import Project
from hashistack.cli.settings import settings
from hashistack.ops.api.connection import Connection

NOBODY = {
    "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
    "AWS_EC2_METADATA_DISABLED": "true",
}
YAML = """\
name: shop
runtime: python
config:
  aws:region: eu-central-1
  size:
    default: 2
"""
PROGRAM = """\
import pulumi
from hashistack import AwsCluster, AwsClusterArgs
print("programs may print")
config = pulumi.Config()
spec = {"name": "shop", "clients": [{"name": "web", "desired": config.require_int("size")}]}
AwsCluster("shop", AwsClusterArgs(spec={**spec, **(config.get_object("cluster") or {})}))
raise SystemExit("nothing after the cluster runs")
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in NOBODY.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    (tmp_path / "Pulumi.yaml").write_text(YAML)
    (tmp_path / "__main__.py").write_text(PROGRAM)
    return Project(tmp_path, "prod")


def test_the_stacks_own_settings_win_and_encrypted_ones_are_left_out(project: Project) -> None:
    stack = "config:\n  shop:size: 4\n  shop:password:\n    secure: AAAB\n  aws:allowedAccountIds: ['123456789012']\n"
    (project.directory / "Pulumi.prod.yaml").write_text(stack)
    assert settings(project.directory, "shop", "prod") == {
        "aws:region": "eu-central-1",
        "shop:size": 4,
        "aws:allowedAccountIds": ["123456789012"],
    }
    assert settings(project.directory, "shop", "other")["shop:size"] == 2


def test_a_file_that_is_no_yaml_is_one_line(project: Project) -> None:
    (project.directory / "Pulumi.prod.yaml").write_text("config: [")
    with pytest.raises(Refusal, match=r"Pulumi\.prod\.yaml can't be read") as refused:
        settings(project.directory, "shop", "prod")
    assert "\n" not in str(refused.value)


def test_a_local_project_is_left_to_its_own_resource(project: Project) -> None:
    (project.directory / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    assert not preflight.on_aws(project)


def read(project: Project) -> program_probe.Ahead:
    return program_probe.read(project.directory, "shop", "prod", settings(project.directory, "shop", "prod"))


def test_a_program_is_read_up_to_its_cluster(project: Project) -> None:
    (project.directory / "Pulumi.prod.yaml").write_text('config:\n  shop:cluster: {"datacenter": "fra"}\n')
    assert read(project) == program_probe.Ahead(
        {"name": "shop", "clients": [{"name": "web", "desired": 2}], "datacenter": "fra"}
    )


def test_a_network_of_ones_own_is_seen(project: Project) -> None:
    (project.directory / "__main__.py").write_text(
        "import pulumi_aws as aws\n"
        "from hashistack import AwsCluster, AwsClusterArgs, ClusterSpec\n"
        "vpc = aws.ec2.Vpc('mine', cidr_block='10.1.0.0/16')\n"
        "subnets = [aws.ec2.Subnet('a', vpc_id=vpc.id, cidr_block='10.1.0.0/24').id]\n"
        "spec = ClusterSpec(name='own')\n"
        "AwsCluster('own', AwsClusterArgs(spec=spec, vpc_id=vpc.id, private_subnet_ids=subnets))\n"
    )
    found = read(project)
    assert found.own_vpc
    assert found.spec["name"] == "own"


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("", "it declares no AwsCluster"),
        ("raise RuntimeError('needs the moon')", "RuntimeError: needs the moon"),
        ("def", "SyntaxError: invalid syntax"),
    ],
)
def test_a_program_that_can_not_be_read_says_why(project: Project, program: str, said: str) -> None:
    (project.directory / "__main__.py").write_text(program)
    with pytest.raises(program_probe.Unreadable, match=said):
        read(project)


def command(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", "from hashistack.cli.main import main; main()"]
    return subprocess.run(
        [*program, *arguments, "-C", str(project.directory), "--stack", "prod"], capture_output=True, text=True
    )


def test_an_up_without_credentials_is_refused_before_anything_is_made(project: Project) -> None:
    before = sorted(project.directory.iterdir())
    done = command(project, "up")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "hashistack: AWS answers: no. no AWS credentials are found. "
        "Next: export AWS_PROFILE=NAME, or aws configure sso",
        "Nothing was made.",
    ]
    assert "3 server (m6i.large), 2 web (m6i.large); a VPC with 3 NAT gateways" in done.stdout
    assert sorted(project.directory.iterdir()) == before


def test_a_specification_that_is_none_is_told_with_every_problem(project: Project) -> None:
    (project.directory / "Pulumi.prod.yaml").write_text(
        "config:\n  shop:size: -1\n  shop:cluster: {servers: {count: 2}}\n"
    )
    done = command(project, "up")
    assert done.returncode == 2
    assert "spec.servers.count: must be 3 or 5" in done.stderr
    assert "spec.clients[0].desired" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_doctor_looks_at_the_account_of_a_project(project: Project) -> None:
    done = command(project, "doctor")
    assert done.returncode == 2
    assert " ✗ AWS answers" in done.stdout
    assert "Docker" not in done.stdout


def test_without_awss_sdks_the_command_that_installs_them(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("hashistack.aws")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "boto3", None)
    said = r"^boto3 is not installed\. Next: pip install 'hashistack\[cli,aws\]'$"
    with pytest.raises(Refusal, match=said):
        preflight.findings(project)
    with pytest.raises(Refusal, match=said):
        driver(_connection("aws"))


def test_a_provider_without_a_driver_is_refused() -> None:
    with pytest.raises(Refusal, match="can't change machines on gcp"):
        driver(_connection("gcp"))


def test_a_local_driver_needs_no_aws_and_the_command_line_neither() -> None:
    cli = "from hashistack.cli import driver, main, preflight; from hashistack.cli.commands import rollout, run"
    code = f"import sys; {cli}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert {"boto3", "botocore", "docker", "pulumi_aws"} & {*loaded} == set()


def _connection(provider: str) -> Connection:
    endpoint = {"address": "https://127.0.0.1:1", "servers": [], "token": "", "username": "", "password": ""}
    texts = ("name", "datacenter", "region", "ca_pem", "operator_cert_pem", "operator_key_pem")
    apis = dict.fromkeys(("nomad", "consul", "vault"), endpoint)
    return Connection.parse({**dict.fromkeys(texts, ""), **apis, "format": 1, "provider": provider, "pools": []})

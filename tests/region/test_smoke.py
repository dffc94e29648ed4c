"""`hashistack smoke --account` in a region in a box: by the real engine, with the real user data."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import boto3
import pytest

from ..box.prod import plugin
from ..cluster.project import Project, until
from .region import Region

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def project(region: Region, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project of the user's, whose stack has settings of its account and no cluster yet."""
    place = tmp_path_factory.mktemp("smoke")
    plugins = plugin(place / "bin", "aws", "tests.region.plugin.server")
    project = Project.of_program(place / "project", "mine")
    settings = {"config": {"aws:region": region.name, "mine:cluster": {"name": "mine"}}}
    (project.directory / "Pulumi.test.yaml").write_text(json.dumps(settings))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in region.environment.items():
            patch.setenv(name, value)
        patch.setenv("PATH", f"{plugins}:{os.environ['PATH']}")
        yield project
        project.kill()


HELD = {
    "it boots by our user data, fetches bundle and secret, and is in service once it is well": True,
    "the load balancer's health checks find it": True,
    "its resolver stays ours when its lease is renewed": None,  # containers have no DHCP client
    "it comes back from a reboot as who it was": True,
    "it leaves, and completes its termination hook itself": True,
    "its metadata tell it that it is being taken away": True,
    "nothing is left of it": True,
}


def test_all_holds_but_what_a_box_has_not(region: Region, project: Project) -> None:
    """So the run does not count as one in which all held, and ends with 1."""
    file, before, in_docker = project.directory / "smoke.md", _there(region), {*region.machines.left()}
    arguments = ("--account", "--yes", "--image", "debian", "--report", str(file), "-o", "json")
    said = project.run("smoke", *arguments, code=1, seconds=330)
    told = json.loads(said.splitlines()[-1])
    print(file.read_text())
    assert {one["sentence"]: one["ok"] for one in told["findings"]} == HELD
    (gone,) = {line["what"].partition(" ")[0] for line in told["timeline"] if line["what"].endswith("Terminating:Wait")}
    seen = [
        (line["source"], line["what"].removeprefix(f"{gone} ")) for line in told["timeline"] if gone in line["what"]
    ]
    for line in (
        ("group", "Pending:Wait"),
        ("group", "InService"),
        ("group", "Terminating:Wait"),
        ("machine", "metadata InService"),
        ("machine", "metadata Terminated"),
        ("target groups", "3 healthy of 3"),
        ("EC2", "terminated"),
    ):
        assert line in seen
    assert [what for source, what in seen if source == "machine"].count("started") == 2
    assert region.account not in file.read_text() + json.dumps(told)
    assert _there(region) == before
    assert not (project.directory / ".state" / "smoke").exists()
    until(lambda: {*region.machines.left()} == in_docker, 60, "nothing is left in Docker")


def _there(region: Region) -> set[str]:
    """What moto has, whatever its tags are; other tests' too."""
    ec2, iam, s3 = (boto3.client(service, region_name=region.name) for service in ("ec2", "iam", "s3"))
    instances = [one for each in ec2.describe_instances()["Reservations"] for one in each["Instances"]]
    return {
        *(one["InstanceId"] for one in instances if one["State"]["Name"] != "terminated"),
        *(one["VpcId"] for one in ec2.describe_vpcs()["Vpcs"]),
        *(one["RoleName"] for one in iam.list_roles()["Roles"]),
        *(one["Name"] for one in s3.list_buckets()["Buckets"]),
    }

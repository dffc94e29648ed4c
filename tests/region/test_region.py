"""examples/prod in a region in a box: real engine, real user data, machines that AWS takes away."""

from __future__ import annotations

import base64
import json
import shutil
import time
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path
from typing import Any

import boto3
import pytest

import hashistack

from ..box.suite import READY_SECONDS, Losses, Upgrade, Whole
from ..cluster.project import until
from ..cluster.service import Asking, Service
from .datacenter import Datacenter
from .front import Seen
from .metadata import Instance

pytestmark = pytest.mark.cluster

NOTICE_SECONDS = 120
"""What EC2 gives a spot instance.
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html"""


@pytest.fixture
def whole(prod: Datacenter) -> Iterator[Datacenter]:
    """The cluster as it is declared, before the test and after it."""
    prod.ready(READY_SECONDS)
    yield prod
    Datacenter(prod.region, prod.project).ready(READY_SECONDS)


@pytest.fixture
def serve(whole: Datacenter) -> Iterator[Callable[[str], Service]]:
    """Starts a service whose instances are containers."""
    started: list[Service] = []

    def start(name: str) -> Service:
        started.append(Service(whole, name, contained=True).start())  # type: ignore[arg-type]
        return started[-1]

    yield start
    for service in started:
        service.stop()


class TestWhole(Whole):
    pass


def test_every_machine_is_in_service(prod: Datacenter) -> None:
    states = {pool.name: list(prod.states(pool.name).values()) for pool in prod.connection.pools}
    assert states == {"server": ["InService"] * 3, "services": ["InService"] * 2, "batch": ["InService"]}


def test_vault_opens_by_the_key_service(prod: Datacenter) -> None:
    seal = prod.cluster.vault.api.call("GET", "/v1/sys/seal-status").data
    assert (seal["type"], seal["sealed"]) == ("awskms", False)
    asked = {seen.whose for seen in prod.region.front.seen if seen.service == "kms" and seen.action == "Decrypt"}
    assert asked
    assert asked <= prod.states("server").keys()


def test_no_request_was_refused(prod: Datacenter) -> None:
    assert prod.region.front.refused == []
    assert prod.region.problems == []


def test_a_machine_asks_for_nothing_but_what_its_role_may(prod: Datacenter) -> None:
    """Here nobody enforces a policy: each request is held against that of the role, and of the key."""
    for pool in prod.connection.pools:
        allowed, machines = list(_allowed(prod, pool.name)), prod.states(pool.name)
        asked = {_permission(seen) for seen in prod.region.front.seen if seen.whose in machines}
        assert asked >= {("s3:GetObjectVersion", f"bundles/{pool.name}.tar.gz"), ("ec2:DescribeInstances", "")}
        for action, key in asked:
            fits = [keys for may, keys in allowed if action == may and (not key or fnmatchcase(key, keys))]
            assert fits, f"{pool.name}: {action} {key}"


def _permission(seen: Seen) -> tuple[str, str]:
    """The permission that a request needs, and for S3 the key of the object."""
    if seen.service != "s3":
        return f"{seen.service}:{seen.action}", ""
    method, _, target = seen.action.partition(" ")
    path, _, query = target.partition("?")
    return f"s3:{method.title()}Object{'Version' if 'versionId' in query else ''}", path.lstrip("/")


def _allowed(prod: Datacenter, pool: str) -> Iterator[tuple[str, str]]:
    """What the policies of the role of a pool's machines allow: an action, and for S3 a pattern of keys."""
    iam = boto3.client("iam", region_name=prod.region.name)
    role = prod.region.machines.of(next(iter(prod.states(pool)))).role
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        for statement in document["Statement"]:
            assert statement["Effect"] == "Allow"
            yield from product(statement["Action"], (one.partition("/")[2] for one in statement["Resource"]))


def test_the_preview_at_a_later_release_replaces_nothing(
    prod: Datacenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One with another number and other machine programs, so that every pool has another bundle."""
    later = tmp_path / "hashistack"
    shutil.copytree(Path(hashistack.__file__).parent, later, ignore=shutil.ignore_patterns("__pycache__"))
    (later / "version.py").write_text('VERSION = "99.0.0"\n')
    with (later / "machine" / "node" / "boot" / "boot").open("a") as program:
        program.write("# of a later release\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    steps = json.loads(prod.project.pulumi("preview", "--json"))["steps"]
    steps = [step for step in steps if "pulumi:providers:" not in step["urn"]]
    ops = {step["urn"]: step["op"] for step in steps}
    assert {urn: op for urn, op in ops.items() if op not in ("same", "update")} == {}
    bundles = [urn for urn, op in ops.items() if "-bundle-" in urn and op == "update"]
    assert len(bundles) == len(prod.connection.pools)
    templates = [urn for urn, op in ops.items() if "aws:ec2/launchTemplate:" in urn and op == "update"]
    assert len(templates) == len(prod.connection.pools)


def test_scale_in_drains(whole: Datacenter, serve: Callable[[str], Service]) -> None:
    before = whole.states("services")
    with Asking(serve("kept")) as asking:
        whole.resize("services", 1)
        (leaving,) = until(
            lambda: [i for i, s in whole.states("services").items() if s == "Terminating:Wait"], 60, "scale-in"
        )
        took = whole.gone(leaving, 240)
        name = f"services-{leaving.removeprefix('i-')}"
        until(lambda: whole.left(name), 60, f"nothing is left of {leaving}")
    print(f"{leaving} drained and gone within {took:.0f} s; {asking.asked} requests")
    assert asking.failed == []
    until(lambda: whole.states("services").keys() == before.keys() - {leaving}, 60, "the group is one smaller")
    whole.resize("services", 2)


def test_a_spot_notice_drains_in_time(whole: Datacenter, serve: Callable[[str], Service]) -> None:
    taken = next(iter(whole.states("services")))
    with Asking(serve("noticed")) as asking:
        ends = time.time() + NOTICE_SECONDS
        whole.region.machines.of(taken).spot = ("terminate", ends)
        name = f"services-{taken.removeprefix('i-')}"
        until(
            lambda: whole.left(name),
            NOTICE_SECONDS,
            lambda: f"{taken} has left:\n{whole.log(taken, 'termination-watch')}",
        )
        print(f"{taken} had left {ends - time.time():.0f} s before its end; {asking.asked} requests")
        whole.ec2.terminate_instances(InstanceIds=[taken])
    assert asking.failed == []


def test_what_is_down_at_boot_is_waited_for(whole: Datacenter) -> None:
    front, metadata = whole.region.front, whole.region.metadata
    before = whole.states("batch")
    denied: list[str] = []

    def no_metadata(instance: Instance, path: str) -> int | None:
        return 503 if instance.id not in known else None

    def no_storage(seen: Seen) -> int | None:
        if seen.service == "s3" and seen.whose not in known:
            denied.append(seen.whose)
            return 503
        return None

    known = {instance for pool in whole.connection.pools for instance in whole.states(pool.name)}
    metadata.outage, front.outage = no_metadata, no_storage
    try:
        whole.resize("batch", 2)
        late = whole.arrives("batch", before)
        until(lambda: "no metadata service yet" in whole.console(late), 120, "it asks for its user data")
        metadata.outage = lambda instance, path: None
        until(lambda: len(denied) >= 3, 120, "it asks for its bundle again and again")
        assert whole.states("batch")[late] == "Pending:Wait"
    finally:
        metadata.outage, front.outage = lambda instance, path: None, lambda seen: None
    until(lambda: whole.states("batch")[late] == "InService", 300, f"it is in service:\n{whole.console(late)}")
    whole.resize("batch", 1)
    until(lambda: len(whole.states("batch")) == 1, 300, "one is taken away again")


def test_a_machine_of_alpine_is_itself_again_after_a_reboot(whole: Datacenter) -> None:
    """Its init is OpenRC, which runs user data once, and what it installed was `apk`'s."""
    (instance,) = whole.states("batch")
    machine = whole.region.machines.container(instance)

    def run(command: str) -> str:
        return str(machine.exec_run(["sh", "-c", command])[1].decode())

    assert "Alpine Linux" in run("cat /etc/os-release")
    assert "hashistack" in run("rc-update show default")
    installed, resolvers = run("apk info"), run("cat /etc/resolv.conf")
    assert "unbound" in installed.split()
    booted, asked = "batch machine booted from bundle", run("cat /etc/hashistack/metadata")
    before = whole.console(instance).count(booted)
    whole.region.machines.reboot(instance)
    until(lambda: whole.console(instance).count(booted) > before, 120, lambda: f"it boots:\n{whole.console(instance)}")
    health = "/opt/hashistack/current/bin/health"
    until(lambda: machine.exec_run([health])[0] == 0, 120, lambda: f"it is well: {run(health)}")
    assert run("cat /etc/resolv.conf") == resolvers
    assert (run("apk info"), run("cat /etc/hashistack/metadata")) == (installed, asked)


def test_a_wrong_digest_is_refused_with_one_line(whole: Datacenter) -> None:
    group, before = whole.group("batch"), whole.states("batch")
    (found,) = whole.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[group])["AutoScalingGroups"]
    policy: dict[str, Any] = found["MixedInstancesPolicy"]
    pinned = policy["LaunchTemplate"]["LaunchTemplateSpecification"]
    template, version = pinned["LaunchTemplateId"], pinned["Version"]
    data = whole.ec2.describe_launch_template_versions(LaunchTemplateId=template, Versions=[version])
    script = base64.b64decode(data["LaunchTemplateVersions"][0]["LaunchTemplateData"]["UserData"]).decode()
    digest = next(pool.bundle for pool in whole.connection.pools if pool.name == "batch")
    # Another bundle under this one's name: the URL stays, the digest is wrong.
    wrong = script.replace(f"sha256={digest}", f"sha256={'0' * 64}")
    assert wrong != script
    made = whole.ec2.create_launch_template_version(
        LaunchTemplateId=template,
        LaunchTemplateData={
            **data["LaunchTemplateVersions"][0]["LaunchTemplateData"],
            "UserData": base64.b64encode(wrong.encode()).decode(),
        },
    )
    _pin(whole, group, policy, str(made["LaunchTemplateVersion"]["VersionNumber"]))
    try:
        whole.resize("batch", 2)
        bad = whole.arrives("batch", before)
        until(lambda: "refused" in whole.console(bad), 180, lambda: f"it refuses:\n{whole.console(bad)}")
        # Each of its tries says the same.
        (line,) = {line for line in whole.console(bad).splitlines() if "refused" in line}
        assert f"expected {'0' * 64}: refused, this machine stays as it was" in line
        until(lambda: whole.states("batch")[bad] == "Pending:Wait", 30, "it is not in service")
    finally:
        _pin(whole, group, policy, version)
    whole.autoscaling.terminate_instance_in_auto_scaling_group(InstanceId=bad, ShouldDecrementDesiredCapacity=True)
    until(lambda: whole.states("batch")[bad] == "Terminating:Wait", 60, "it is taken away")
    whole.autoscaling.complete_lifecycle_action(  # it has no termination-watch that could
        LifecycleHookName="hashistack-terminate",
        AutoScalingGroupName=group,
        InstanceId=bad,
        LifecycleActionResult="CONTINUE",
    )
    whole.gone(bad, 90)
    until(lambda: whole.states("batch").keys() == before.keys(), 60, "the group is as it was")


class TestUpgrade(Upgrade):
    pass


def test_every_new_machine_is_in_service(prod: Datacenter) -> None:
    wanted = {"server": ["InService"] * 3, "services": ["InService"] * 2, "batch": ["InService"]}

    def found() -> dict[str, list[str]]:
        return {pool: sorted(prod.living(pool).values()) for pool in wanted}

    until(lambda: found() == wanted, 240, lambda: f"all are in service: {found()}")


class TestLosses(Losses):
    pass


def test_no_request_was_refused_in_the_end(prod: Datacenter) -> None:
    assert prod.region.front.refused == []
    assert prod.region.problems == []


def _pin(prod: Datacenter, group: str, policy: dict[str, Any], version: str) -> None:
    specification = {**policy["LaunchTemplate"]["LaunchTemplateSpecification"], "Version": version}
    specification.pop("LaunchTemplateName", None)
    pinned = {**policy, "LaunchTemplate": {**policy["LaunchTemplate"], "LaunchTemplateSpecification": specification}}
    prod.autoscaling.update_auto_scaling_group(AutoScalingGroupName=group, MixedInstancesPolicy=pinned)

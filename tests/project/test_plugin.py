"""The stand-in for Google's provider under the real engine: what it makes is in the project, and changes change it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..box.authority import Authority
from ..box.prod import plugin
from ..provider.conftest import Project, project, pulumi_command  # noqa: F401 (fixtures)
from .accounts import Tokens
from .api import OPERATOR, Apis
from .compute import Compute
from .front import Front
from .iam import Iam
from .identity import Identity
from .plugin.resource import FRONT
from .secret_manager import SecretManager
from .storage import Storage

PROGRAM = """\
import pulumi
import pulumi_gcp as gcp

zones = gcp.compute.get_zones(region="europe-west1").names
bucket = gcp.storage.Bucket("things", location="EUROPE-WEST1", uniform_bucket_level_access=True,
    public_access_prevention="enforced", lifecycle_rules=[], force_destroy=True)
pushed = gcp.storage.BucketObject("one", bucket=bucket.name, name="one", content="{text}", content_type="text/plain")
secret = gcp.secretmanager.Secret("document", secret_id="document",
    replication=dict(user_managed=dict(replicas=[dict(location="europe-west1")])))
gcp.secretmanager.SecretVersion("document", secret=secret.id, secret_data=pulumi.Output.secret("hush"))
account = gcp.serviceaccount.Account("web", account_id="prod-web")
gcp.storage.BucketIAMMember("web", bucket=bucket.name, role="roles/storage.objectViewer",
    member=account.email.apply("serviceAccount:{{}}".format))
template = gcp.compute.InstanceTemplate(
    "template",
    machine_type="n2-standard-2",
    disks=[dict(boot=True, source_image="debian-12", disk_type="pd-balanced", disk_size_gb=20, labels=dict(a="b"))],
    network_interfaces=[dict(subnetwork="machines")],
    service_account=dict(email=account.email, scopes=["cloud-platform"]),
    scheduling=dict(graceful_shutdown=dict(enabled=True, max_duration=dict(seconds=3600))),
    metadata=pushed.generation.apply(lambda it: {{"startup-script": f"{{it:.0f}}"}}),
    labels=dict(text="{text}"),
)
pool = gcp.compute.RegionInstanceGroupManager(
    "pool",
    base_instance_name="prod-web",
    target_size=2,
    versions=[dict(instance_template=template.self_link_unique)],
    distribution_policy_zones=zones,
    distribution_policy_target_shape="EVEN",
    update_policy=dict(type="OPPORTUNISTIC", minimal_action="REPLACE", max_surge_fixed=3, max_unavailable_fixed=0),
    instance_lifecycle_policy=dict(default_action_on_failure="REPAIR", force_update_on_repair="YES"),
)
pulumi.export("bucket", bucket.name)
pulumi.export("pool", pool.name)
"""


class World:
    def __init__(self, directory: Path) -> None:
        tokens, iam, authority = Tokens(), Iam(), Authority(directory)
        self.iam, self.storage, self.secrets, self.compute = iam, Storage(iam=iam), SecretManager(iam=iam), Compute()
        services = {
            "storage": self.storage,
            "secretmanager": self.secrets,
            "compute": self.compute,
            "iam": Identity(iam),
        }
        self.apis = Apis(services, tokens, iam)
        self.front = Front("127.0.0.1", self.apis, authority.server(["localhost"], "127.0.0.1"), port=0)
        self.environment = {
            "GOOGLE_OAUTH_ACCESS_TOKEN": tokens.issue(OPERATOR),
            "HTTPLIB2_CA_CERTS": str(authority.pem),
            FRONT: self.front.url,
        }


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.front.close()


@pytest.fixture
def stack(world: World, project: Project, tmp_path: Path) -> Project:  # noqa: F811
    plugins = plugin(tmp_path / "plugin", "gcp", "tests.project.plugin.server")
    project.environment.update(world.environment, PATH=f"{plugins}:{project.environment['PATH']}")
    return project


def test_a_stack_is_made_changed_and_removed(stack: Project, world: World) -> None:
    compute = world.compute
    stack.write(PROGRAM.format(text="first"))
    stack.up()
    made = stack.outputs()
    assert world.storage.contents(made["bucket"]) == {"one": [b"first"]}
    assert world.secrets.secrets["document"].versions == [b"hush"]
    place = f"projects/_/buckets/{made['bucket']}"
    assert world.iam.allows("prod-web@x-project.iam.gserviceaccount.com", "storage.objects.get", f"{place}/objects/one")
    first = compute.groups[made["pool"]].template
    for _ in range(3):
        compute.settle()
    assert len(compute.vms) == 2

    stack.write(PROGRAM.format(text="second"))
    said = stack.up()
    assert stack.outputs() == made, said
    one, two = world.storage.objects[made["bucket"], "one"]
    now = compute.groups[made["pool"]].template
    assert [first.metadata, now.metadata] == [{"startup-script": str(each.generation)} for each in (one, two)]
    assert (now.labels, list(compute.templates)) == ({"text": "second"}, [now.name])
    assert {vm.template.name for vm in compute.vms} == {first.name}, "a new template changes no machine that runs"

    assert "hush" not in stack.run("stack", "export")
    for vm in compute.vms:
        vm.template.properties["scheduling"]["gracefulShutdown"]["enabled"] = False  # or this takes Google's hour
    stack.run("destroy", "--yes", "--skip-preview")
    assert (compute.groups, compute.templates, compute.vms, world.secrets.secrets) == ({}, {}, [], {})
    assert world.apis.refused == []

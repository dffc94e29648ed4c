"""AwsCluster as it is planned: what there is, and what must hold of it in every case."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import Any

import jsonschema
import pytest

from hashistack import AwsClusterArgs, AwsPoolOptions
from hashistack.aws import Volume, tags
from hashistack.machine.user_data import LIMIT_BYTES
from hashistack.ops.api.connection import Connection, schema
from hashistack.testing import Aws, record

from .cases import CLUSTERS, cluster, program
from .conftest import planned
from .plan import ACCOUNT, REGION, SECRET_WORD, Plan, document, plan, user_data


def test_the_resources_of_a_cluster(made: Plan, case: str, golden: Callable[[str, str], None]) -> None:
    lines = sorted(f"{each.type} {each.name}" for each in made)
    golden(f"aws/{case}.txt", "\n".join([f"{len(lines)} resources", *lines, ""]))


def test_everything_has_the_clusters_provider(made: Plan) -> None:
    """Where no default provider is to be had; that it is one and the same is seen here."""
    asked = [each.provider for each in made if each.type.startswith("aws:")]
    asked += [call.provider for call in made.calls if call.token.startswith("aws:")]
    assert {provider.rpartition("::")[0].rpartition("::")[2] for provider in asked} == {"second"}


# A1
def test_machines_ask_the_metadata_service_with_a_token_from_one_hop_and_have_no_public_address(made: Plan) -> None:
    for template in made.of("LaunchTemplate"):
        options = template.inputs["metadataOptions"]
        assert (options["httpTokens"], options["httpPutResponseHopLimit"]) == ("required", 1)
        assert options["instanceMetadataTags"] == "enabled"
        (interface,) = template.inputs["networkInterfaces"]
        assert interface["associatePublicIpAddress"] == "false"
        assert interface["securityGroups"]
    assert not any(subnet.inputs["mapPublicIpOnLaunch"] for subnet in made.of("Subnet"))


# A3
def test_every_disk_is_encrypted_gp3_and_goes_with_its_machine(made: Plan, case: str) -> None:
    for template in made.of("LaunchTemplate"):
        for mapping in template.inputs["blockDeviceMappings"]:
            ebs = mapping["ebs"]
            assert (ebs["encrypted"], ebs["volumeType"], ebs["deleteOnTermination"]) == ("true", "gp3", "true")
            assert ebs.get("kmsKeyId") == CLUSTERS[case].kms_key_arn
    (root,) = made.one("LaunchTemplate", "-server").inputs["blockDeviceMappings"]
    assert (root["deviceName"], root["ebs"]["volumeSize"]) == ("/dev/xvda", 50)


# A4
def test_pools_span_three_zones(made: Plan) -> None:
    for group in made.of("Group"):
        assert len(set(group.inputs["vpcZoneIdentifiers"])) == 3


def test_servers_are_behind_the_apis_load_balancer_but_no_balancer_decides_over_them(made: Plan) -> None:
    """An API that is down everywhere would end all servers at once, and with them the quorum."""
    group = made.one("Group", "-server").inputs
    assert len(group["targetGroupArns"]) == 3
    assert group["healthCheckType"] == "EC2"


# A7
def test_user_data_is_short_and_holds_no_secret(made: Plan) -> None:
    for template in made.of("LaunchTemplate"):
        text = user_data(template)
        assert len(text.encode()) <= LIMIT_BYTES
        assert SECRET_WORD not in text
        assert not template.secret_inputs, "an input that came from a secret"


def test_user_data_names_what_the_machine_needs(made: Plan) -> None:
    server, *clients = (user_data(made.one("LaunchTemplate", f"prod-{pool}")) for pool in _pools(made))
    assert "HS_SECRET_VAULT_INIT=arn:" in server and "HS_SECRET_SERVER=arn:" in server
    for client in clients:
        assert "HS_SECRET_CLIENT=arn:" in client
        assert "HS_SECRET_SERVER" not in client and "HS_SECRET_VAULT_INIT" not in client
        assert "HS_REGION=us-east-1" in client


def test_the_clients_document_holds_nothing_of_the_servers(made: Plan) -> None:
    client = document(made.one("SecretVersion", "client-version").inputs["secretString"])
    server = document(made.one("SecretVersion", "server-version").inputs["secretString"])
    assert not {"nomad_gossip", "nomad_management", "consul_management", "vault_operator_password"} & client.keys()
    assert client["key"] != server["key"]


def test_no_version_of_vaults_recovery_keys_is_made(made: Plan) -> None:
    assert {secret.name for secret in made.of("Secret")} >= {"prod-secrets-vault-init"}
    assert len(made.of("SecretVersion")) == 2


# V7
def test_the_seals_key_rotates_and_is_protected() -> None:
    key = planned("minimal").one("Key")
    assert key.protect
    assert key.inputs["enableKeyRotation"] is True
    assert key.inputs["deletionWindowInDays"] == 30


def test_an_existing_seal_key_is_used_and_none_is_made() -> None:
    assert planned("private-without-nat").of("Key") == []


@pytest.mark.parametrize("case", ["minimal", "private-without-nat"])
def test_the_bucket_is_protected_whosever_the_seals_key_is(case: str) -> None:
    """With a key of the user's own nothing else would stop `destroy` from emptying it, snapshots and all."""
    bucket = planned(case).one("Bucket")
    assert (bucket.protect, bucket.inputs["forceDestroy"]) == (True, False)


def test_a_throw_away_cluster_leaves_nothing_behind() -> None:
    made = cluster(protect=False)
    assert not any(resource.protect for resource in made)
    assert {secret.inputs["recoveryWindowInDays"] for secret in made.of("Secret")} == {0}
    assert all(group.inputs["forceDelete"] for group in made.of("Group"))


def test_a_launch_template_is_pinned_by_its_number(made: Plan) -> None:
    versions = []
    for group in made.of("Group"):
        mixed = group.inputs.get("mixedInstancesPolicy")
        where = mixed["launchTemplate"]["launchTemplateSpecification"] if mixed else group.inputs["launchTemplate"]
        versions.append(where["version"])
        assert "instanceRefresh" not in group.inputs
    assert set(versions) == {"1"}


def test_tags_are_on_machines_volumes_groups_and_everything_that_takes_them(made: Plan) -> None:
    connection = Connection.parse(made.outputs["connection"])
    bundles = {pool.name: pool.bundle for pool in connection.pools}
    for template, group in zip(made.of("LaunchTemplate"), made.of("Group"), strict=True):
        on_group = {tag["key"]: tag["value"] for tag in group.inputs["tags"]}
        assert all(tag["propagateAtLaunch"] for tag in group.inputs["tags"])
        pool = on_group[tags.POOL]
        assert on_group[tags.CLUSTER] == connection.name
        assert on_group["Name"] == f"{connection.name}-{pool}"
        assert (tags.SERVERS in on_group) is (pool == "server") is (on_group[tags.ROLE] == "server")
        specifications = {one["resourceType"]: one["tags"] for one in template.inputs["tagSpecifications"]}
        assert specifications.keys() == {"instance", "volume", "network-interface"}
        for given in specifications.values():
            assert given == {**on_group, tags.BUNDLE: bundles[pool]}
    for resource in made:
        if resource.custom and "tags" in resource.inputs and not resource.type.endswith(":Group"):
            assert resource.inputs["tags"][tags.CLUSTER] == connection.name, resource.name


def test_the_users_tags_are_everywhere() -> None:
    made = planned("own-vpc")
    tagged = [resource for resource in made if resource.custom and resource.type.startswith("aws:")]
    for resource in tagged:
        if isinstance(resource.inputs.get("tags"), dict):
            assert resource.inputs["tags"]["team"] == "platform", resource.name
    assert {"key": "team", "value": "platform", "propagateAtLaunch": True} in made.one("Group", "-server").inputs[
        "tags"
    ]


def test_the_connection_says_what_a_rollout_needs(made: Plan) -> None:
    jsonschema.validate(json.loads(made.outputs["connection"]), json.loads(schema()))
    connection = Connection.parse(made.outputs["connection"])
    assert connection.provider == "aws"
    assert connection.nomad.addresses[0].startswith("https://prod-api-") and connection.nomad.addresses[0].endswith(
        ":4646"
    )
    assert connection.consul.addresses[0].endswith(":8501") and connection.vault.addresses[0].endswith(":8200")
    assert not connection.vault.servers  # the load balancer leads to the active one
    health = made.one("TargetGroup", "-vault-api").inputs["healthCheck"]
    assert (health["path"], health["matcher"]) == ("/v1/sys/health", "200")
    for pool in connection.pools:
        assert pool.template == {
            "region": "us-east-1",
            "group": f"prod-{pool.name}",
            "launch_template": {"id": f"prod-{pool.name}-id", "version": "1"},
        }
        assert made.outputs["bundles"][pool.name] == pool.bundle


def test_own_settings_are_in_the_connection() -> None:
    own = {"server": {"job_gc_threshold": "5h"}}
    spec = {"servers": {"nomad_config": own}, "clients": [{"name": "web", "consul_config": {"log_level": "debug"}}]}
    pools = Connection.parse(cluster(spec).outputs["connection"]).pools
    assert [pool.settings for pool in pools] == [{"nomad_config": own}, {"consul_config": {"log_level": "debug"}}]


def test_the_servers_certificate_names_the_load_balancer(made: Plan) -> None:
    names = made.one("ClusterSecrets").inputs["roles"]["server"]["dns_names"]
    assert made.outputs["nomad"].removeprefix("https://").removesuffix(":4646") in names


def test_a_bundle_is_uploaded_before_its_machines_start(made: Plan) -> None:
    for pool in made.outputs["bundles"]:
        uploaded = made.one("BucketObjectv2", f"-bundle-{pool}")
        assert uploaded.inputs["key"] == f"bundles/{pool}.tar.gz"
        template = made.one("LaunchTemplate", f"prod-{pool}")
        assert uploaded.urn in template.depends_on
        group = made.one("Group", f"prod-{pool}")
        assert group.parent.endswith(f"::prod-{pool}")


def _bundle(made: Plan, pool: str) -> dict[str, str]:
    """The files of the pool's bundle."""
    import gzip
    import io
    import tarfile

    content = made.one("BucketObjectv2", f"-bundle-{pool}").inputs["contentBase64"]
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(b64decode(content)))) as archive:
        return {m.name: archive.extractfile(m).read().decode() for m in archive.getmembers()}  # type: ignore[union-attr]


def test_a_disk_that_is_a_host_volume_is_mounted_where_the_pool_says() -> None:
    workers = {"name": "workers", "host_volumes": {"data": {"path": "/srv/data"}}}
    options = AwsPoolOptions(volumes=[Volume("/dev/sdf", 500, "data"), Volume("/dev/sdg", 8)])
    files = _bundle(cluster({"clients": [workers]}, pools={"workers": options}), "workers")
    assert files["volumes"] == "/dev/sdf /srv/data\n"
    assert "bin/mount-volumes" in files
    client = json.loads(files["conf/nomad/40-role.json"])["client"]
    assert client["host_volume"] == {"data": {"path": "/srv/data", "read_only": False}}
    assert "volumes" not in _bundle(planned("minimal"), "workers")


def test_the_seal_and_the_discovery_are_in_the_servers_bundle() -> None:
    texts = _bundle(planned("minimal"), "server")
    vault = json.loads(texts["conf/vault/20-base.json"])
    assert vault["seal"]["awskms"]["region"] == "us-east-1"
    assert vault["seal"]["awskms"]["kms_key_id"].startswith(f"arn:aws:kms:us-east-1:{ACCOUNT}:key/")
    assert "bin/join-vault" in texts  # the machine's own program joins Vault, by what `peers` finds
    consul = json.loads(texts["conf/consul/20-base.json"])
    assert consul["retry_join"] == ["peers.hashistack.internal"]
    assert consul["http_config"]["allow_write_http_from"] == ["127.0.0.0/8", "10.0.0.0/16"]
    assert "forward-addr: 169.254.169.253" in texts["conf/unbound/20-base.json"]


def test_consul_takes_writes_from_the_subnets_of_a_vpc_of_yours() -> None:
    """They may be in another range than the VPC's first: its address alone would have writes refused with 403."""
    consul = json.loads(_bundle(planned("own-vpc"), "server")["conf/consul/20-base.json"])
    subnets = ["10.9.33.0/24", "10.9.34.0/24", "10.9.35.0/24"]
    assert consul["http_config"]["allow_write_http_from"] == ["127.0.0.0/8", *subnets]


def test_a_second_cluster_in_another_region_is_a_second_provider() -> None:
    made = plan(program(CLUSTERS["minimal"], region="ap-southeast-2"), region="ap-southeast-2")
    text = user_data(made.one("LaunchTemplate", "-server"))
    assert "HS_REGION=ap-southeast-2" in text and REGION not in text


def test_a_tag_rolls_no_machine() -> None:
    before, after = cluster(), cluster(tags={"cost": "42"})
    assert before.outputs["bundles"] == after.outputs["bundles"]
    old, new = ([user_data(one) for one in made.of("LaunchTemplate")] for made in (before, after))
    assert old == new


WORKERS: dict[str, Any] = {"name": "workers", "machine_type": "m6i.large", "machine_types": ["m5.large"]}


@pytest.mark.parametrize(
    ("change", "rolls"),
    [
        ({"machine_type": "m7i.large"}, True),
        ({"disk_gib": 60}, True),
        ({"machine_types": ["m5.large", "m6a.large"]}, False),
        ({"min": 1, "max": 9}, False),
    ],
)
def test_a_pool_rolls_when_its_machines_are_to_be_others(change: dict[str, Any], rolls: bool) -> None:
    before, after = cluster({"clients": [WORKERS]}), cluster({"clients": [{**WORKERS, **change}]})
    assert (before.outputs["bundles"]["workers"] != after.outputs["bundles"]["workers"]) is rolls
    assert before.outputs["bundles"]["server"] == after.outputs["bundles"]["server"]


def test_another_image_rolls_all_pools_and_a_newer_one_of_a_distribution_none() -> None:
    before, named = cluster(), cluster(image="ami-0fedcba987654321")
    assert not set(before.outputs["bundles"].values()) & set(named.outputs["bundles"].values())

    class Later(Aws):
        def answer(self, token: str, args: Mapping[str, Any]) -> Mapping[str, Any]:
            found = super().answer(token, args)
            return {**found, "id": "ami-0aaaaaaaaaaaaaaaa"} if token.endswith(":getAmi") else found

    later = Plan(record(program(AwsClusterArgs(spec={})), Later(REGION), disable_default_providers=["aws"]))
    assert later.one("LaunchTemplate", "-server").inputs["imageId"] == "ami-0aaaaaaaaaaaaaaaa"
    assert later.outputs["bundles"] == before.outputs["bundles"]


def test_more_machines_roll_none_and_are_no_more_resources() -> None:
    def sized(machines: int) -> Plan:
        clients = [{"name": "workers", "min": machines, "max": machines}]
        return cluster({"clients": clients, "network": {"cidr": "10.0.0.0/16"}})

    plans = [sized(machines) for machines in (3, 300, 3000)]
    assert len({tuple(sorted((each.type, each.name) for each in made)) for made in plans}) == 1
    assert len({json.dumps(made.outputs["bundles"]) for made in plans}) == 1


@pytest.mark.parametrize("pool", ["server", "workers"])
def test_another_nomad_shows_the_pools_that_roll(pool: str) -> None:
    before, after = cluster(), cluster({"versions": {"nomad": "1.10.5"}})
    assert before.outputs["bundles"][pool] != after.outputs["bundles"][pool]
    one, other = (made.one("LaunchTemplate", f"-{pool}").inputs["tagSpecifications"] for made in (before, after))
    assert one != other


def _pools(made: Plan) -> list[str]:
    """The servers' first."""
    return [pool.name for pool in Connection.parse(made.outputs["connection"]).pools]


def test_a_change_that_no_up_can_make_is_refused_before_anything_else_changes(made: Plan) -> None:
    """Whatever hangs on the cluster waits for the one resource that refuses."""
    first = made.one("Specification")
    for component in made:
        if component.parent.endswith("::prod") and component is not first:
            assert first.urn in component.depends_on, component.name

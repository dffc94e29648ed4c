"""GcpCluster as it is planned: what there is, and what must hold of it in every case."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from base64 import b64decode
from collections.abc import Callable

import jsonschema

from hashistack.gcp import labels
from hashistack.machine.user_data import LIMIT_BYTES
from hashistack.ops.api.connection import Connection, schema

from .cases import CLUSTERS, cluster
from .conftest import planned
from .plan import PROJECT, REGION, SECRET_WORD, Plan


def test_the_resources_of_a_cluster(made: Plan, case: str, golden: Callable[[str, str], None]) -> None:
    lines = sorted(f"{each.type} {each.name}" for each in made)
    golden(f"gcp/{case}.txt", "\n".join([f"{len(lines)} resources", *lines, ""]))


def test_resources_do_not_grow_with_machines() -> None:
    few, many = (cluster({"clients": [{"name": "w", "min": size, "max": size}]}) for size in (1, 900))
    assert len(list(few)) == len(list(many))


def test_everything_has_the_clusters_provider(made: Plan) -> None:
    asked = [each.provider for each in made if each.type.startswith("gcp:") and each.custom]
    asked += [call.provider for call in made.calls if call.token.startswith("gcp:")]
    assert {provider.rpartition("::")[0].rpartition("::")[2] for provider in asked} == {"second"}


def test_no_machine_has_an_external_address_or_a_key_in_metadata(made: Plan) -> None:
    for template in made.of("InstanceTemplate"):
        (interface,) = template.inputs["networkInterfaces"]
        assert "accessConfigs" not in interface and "ipv6AccessConfigs" not in interface
        assert template.inputs["metadata"]["enable-oslogin"] == "TRUE"
        assert template.inputs["metadata"]["block-project-ssh-keys"] == "TRUE"


def test_each_new_group_is_waited_for_and_its_machines_can_say_that_they_are_well(made: Plan) -> None:
    for group in made.of("RegionInstanceGroupManager"):
        ours = made.one("GcpInService", group.name.removeprefix("prod"))
        assert ours.inputs["group"] == group.name or ours.inputs["group"] == group.outputs["name"]
        assert (ours.inputs["project"], ours.inputs["region"]) == (PROJECT, REGION)
        assert group.urn in ours.depends_on
    for template in made.of("InstanceTemplate"):
        assert template.inputs["metadata"]["enable-guest-attributes"] == "TRUE"


def test_disks_say_their_type_and_go_with_their_machine(made: Plan, case: str) -> None:
    for template in made.of("InstanceTemplate"):
        for disk in template.inputs["disks"]:
            assert disk["autoDelete"] is True
            hyper = template.inputs["machineType"].startswith("c4a")
            assert disk["diskType"] == ("hyperdisk-balanced" if hyper else "pd-balanced")
            key = (disk.get("diskEncryptionKey") or {}).get("kmsKeySelfLink")
            assert key == CLUSTERS[case].kms_key


def test_nothing_is_let_in_from_everywhere(made: Plan) -> None:
    for rule in made.of("Firewall"):
        assert rule.inputs["direction"] == "INGRESS"
        assert "0.0.0.0/0" not in (rule.inputs.get("sourceRanges") or ())
        assert rule.inputs["targetServiceAccounts"]
        assert rule.inputs.get("sourceServiceAccounts") or rule.inputs.get("sourceRanges")


def test_no_role_is_a_basic_one_and_one_alone_is_the_projects(made: Plan) -> None:
    bindings = [each for each in made if each.type.endswith(("IAMMember", "IamMember"))]
    assert not {each.inputs["role"] for each in bindings} & {"roles/owner", "roles/editor", "roles/viewer"}
    assert {each.inputs["role"].rpartition(".")[2] for each in made.of("IAMMember")} == {"discoverer"}
    assert made.one("IAMCustomRole", "discoverer").inputs["permissions"] == ["compute.instances.list"]


def test_clients_reach_their_own_document_and_no_key() -> None:
    made = planned("minimal")
    client = "serviceAccount:prod-"  # of the site
    for each in made.of("SecretIamMember"):
        server = "server" in each.inputs["member"]
        assert ("client" in each.inputs["secretId"]) is not server, each.name
        assert each.inputs["member"].startswith(client)
    assert all("server" in each.inputs["member"] for each in made.of("CryptoKeyIAMMember"))


def test_a_machine_fetches_its_pools_bundle_and_tools_alone(made: Plan) -> None:
    for each in made.of("BucketIAMMember"):
        expression = each.inputs["condition"]["expression"]
        assert expression.count("resource.name.startsWith(") == expression.count("/objects/") > 0
        pool = next(pool for pool in made.outputs["bundles"] if f"-{pool}-" in each.name)
        allowed = {f"bundles/{pool}.tar.gz.base64", "tools/"}
        if pool == "server":
            allowed |= {"claims/", "snapshots/", "introductions/", "client-pools"}
        else:
            allowed |= {f"introductions/{pool}.jwt"}
        assert {part.partition('"')[0] for part in expression.split("/objects/")[1:]} <= allowed


def test_servers_introduce_and_are_told_each_pool(made: Plan) -> None:
    writes = made.one("BucketIAMMember", "-introduces").inputs
    assert "server" in writes["member"] and writes["condition"]["expression"].endswith('/objects/introductions/")')
    introducer = made.one("IAMCustomRole", "introducer").inputs
    assert introducer["permissions"] == ["storage.objects.create", "storage.objects.delete"]
    told = made.one("BucketObject", "-client-pools").inputs
    pools = {pool for pool in made.outputs["bundles"] if pool != "server"}
    assert told["name"] == "client-pools"
    assert {line.split()[0] for line in told["content"].splitlines()} == pools


def test_the_first_script_is_short_and_holds_no_secret(made: Plan) -> None:
    for template in made.of("InstanceTemplate"):
        text = template.inputs["metadata"]["startup-script"]
        assert template.inputs["metadata"]["user-data"] == text
        assert len(text.encode()) <= LIMIT_BYTES
        assert SECRET_WORD not in text and f"HS_PROJECT={PROJECT}" in text
        assert not template.secret_inputs


def test_machines_are_let_run_for_an_hour_when_they_are_to_stop(made: Plan) -> None:
    for template in made.of("InstanceTemplate"):
        shutdown = template.inputs["scheduling"]["gracefulShutdown"]
        assert shutdown == {"enabled": True, "maxDuration": {"seconds": 3600}}
        assert "HS_DRAIN_DEADLINE=3450\n" in template.inputs["metadata"]["startup-script"]


def test_groups_replace_none_unasked_and_machines_that_are_repaired_are_new(made: Plan) -> None:
    for group in made.of("RegionInstanceGroupManager"):
        policy = group.inputs["updatePolicy"]
        assert (policy["type"], policy["instanceRedistributionType"]) == ("OPPORTUNISTIC", "NONE")
        assert policy["maxSurgeFixed"] >= len(group.inputs["distributionPolicyZones"]) == 3
        assert group.inputs["instanceLifecyclePolicy"]["forceUpdateOnRepair"] == "YES"
        assert group.inputs["instanceLifecyclePolicy"]["onFailedHealthCheck"] == "DO_NOTHING"
        (version,) = group.inputs["versions"]
        assert "?uniqueId=" in version["instanceTemplate"]
        assert group.ignore_changes == ("targetSize",)


def test_a_pool_is_all_spot_with_its_other_types_in_order() -> None:
    made = planned("spot-arm64")
    scheduling = made.one("InstanceTemplate", "batch").inputs["scheduling"]
    assert (scheduling["provisioningModel"], scheduling["automaticRestart"]) == ("SPOT", False)
    group = made.one("RegionInstanceGroupManager", "batch").inputs
    assert group["distributionPolicyTargetShape"] == "BALANCED"
    choices = group["instanceFlexibilityPolicy"]["instanceSelections"]
    assert [choice["machineTypes"] for choice in sorted(choices, key=lambda it: it["rank"])] == [
        ["c4a-standard-4"],
        ["c4a-standard-8"],
        ["n4a-standard-4"],
    ]


def test_labels_are_on_machines_disks_and_everything_that_takes_them(made: Plan) -> None:
    connection = Connection.parse(made.outputs["connection"])
    bundles = {pool.name: pool.bundle for pool in connection.pools}
    for template in made.of("InstanceTemplate"):
        given = template.inputs["labels"]
        pool = given[labels.POOL]
        assert given[labels.BUNDLE] == labels.digest(bundles[pool]) and len(given[labels.BUNDLE]) == 52
        assert (labels.SERVERS in given) is (pool == "server") is (given[labels.ROLE] == "server")
        assert all(disk["labels"] == given for disk in template.inputs["disks"])
    for resource in made:
        if resource.custom and "labels" in resource.inputs:
            assert resource.inputs["labels"][labels.CLUSTER] == connection.name, resource.name


def _bundle(made: Plan, pool: str) -> dict[str, str]:
    """The files of the pool's bundle."""
    text = made.one("BucketObject", f"-bundle-{pool}").inputs["content"]
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(b64decode(text)))) as archive:
        return {m.name: archive.extractfile(m).read().decode() for m in archive.getmembers()}  # type: ignore[union-attr]


def test_a_disk_that_is_a_host_volume_is_mounted_where_the_pool_says() -> None:
    made = planned("own-vpc")
    files = _bundle(made, "workers")
    assert files["volumes"] == "data /srv/data\n"
    assert "bin/mount-volumes" in files
    client = json.loads(files["conf/nomad/40-role.json"])["client"]
    assert client["host_volume"] == {"data": {"path": "/srv/data", "read_only": False}}
    disks = made.one("InstanceTemplate", "-workers").inputs["disks"]
    sizes = [(disk.get("deviceName"), disk["diskSizeGb"]) for disk in disks]
    assert sizes == [(None, 50), ("data", 500), ("scratch", 10)]


def test_cloud_dns_reaches_the_servers_unbound_and_no_clients() -> None:
    made = planned("own-vpc")
    rules = {each.inputs["ipProtocol"]: each.inputs for each in made.of("ForwardingRule") if "-dns-" in each.name}
    assert {protocol: rule["ports"] for protocol, rule in rules.items()} == {"TCP": ["53"], "UDP": ["53"]}
    address = rules["UDP"]["ipAddress"]
    assert made.one("ManagedZone").inputs["forwardingConfig"]["targetNameServers"][0]["ipv4Address"] == address
    server, client = (_bundle(made, pool)["conf/unbound/20-base.json"] for pool in ("server", "workers"))
    assert f"interface: {address}" in server and "access-control: 35.199.192.0/19 allow" in server
    assert "35.199.192.0/19" not in client
    wall = made.one("Firewall", "-server-from-cloud-dns").inputs
    assert wall["sourceRanges"] == ["35.199.192.0/19", "35.191.0.0/16", "130.211.0.0/22"]
    assert sorted((each["protocol"], *each["ports"]) for each in wall["allows"]) == [("tcp", "53"), ("udp", "53")]
    assert not planned("minimal").of("ManagedZone")


def test_own_settings_are_in_the_connection() -> None:
    own = {"server": {"job_gc_threshold": "5h"}}
    spec = {"servers": {"nomad_config": own}, "clients": [{"name": "web", "consul_config": {"log_level": "debug"}}]}
    pools = Connection.parse(cluster(spec).outputs["connection"]).pools
    assert [pool.settings for pool in pools] == [{"nomad_config": own}, {"consul_config": {"log_level": "debug"}}]


def test_the_connection_says_what_a_rollout_needs(made: Plan) -> None:
    jsonschema.validate(json.loads(made.outputs["connection"]), json.loads(schema()))
    connection = Connection.parse(made.outputs["connection"])
    assert connection.provider == "gcp"
    assert connection.vault.addresses == ("https://10.0.0.9:8200",)
    for pool in connection.pools:
        most = pool.template.get("max", None)
        assert (most is None) is (pool.role == "server")
        assert most is None or most >= pool.count
        assert {**pool.template, "instance_template": "", "max": most} == {
            "max": most,
            "project": PROJECT,
            "region": REGION,
            "group": f"prod-{pool.name}",
            "instance_template": "",
        }


def test_the_servers_certificate_names_the_address(made: Plan) -> None:
    assert "10.0.0.9" in str(made.one("ClusterSecrets").inputs["roles"]["server"])


def test_destroy_and_up_again_finds_no_name_taken(made: Plan) -> None:
    """Rings and keys are never deleted: their names are Pulumi's, with random characters."""
    for each in (*made.of("KeyRing"), *made.of("CryptoKey")):
        assert "name" not in each.inputs


def test_the_bucket_is_protected_whosever_the_seals_key_is(made: Plan) -> None:
    """With a key of the user's own nothing else would stop `destroy` from emptying it, snapshots and all."""
    bucket = made.one("Bucket")
    assert (bucket.protect, bucket.inputs["forceDestroy"]) == (True, False)


def test_a_throw_away_cluster_is_protected_from_nothing() -> None:
    made = cluster(protect=False)
    assert not any(each.protect for each in made)
    assert made.one("Bucket").inputs["forceDestroy"]
    assert not any(each.inputs["deletionProtection"] for each in made.of("Secret"))


def test_clients_are_deleted_before_the_servers_through_which_they_drain() -> None:
    made = planned("minimal")
    servers, clients = (made.one("RegionInstanceGroupManager", name) for name in ("server", "workers"))
    assert servers.urn in clients.depends_on


def test_what_every_platform_asks_is_asked_before_anything_is_made() -> None:
    """The agents' own settings and the registries: the function of our plugin, and nothing of the cluster."""
    settings = {"servers": {"nomad_config": {"limits": {"http_max_conns_per_client": 200}}}}
    asked = [call.token for call in cluster(settings).calls]
    assert "hashistack:index:preflight" in asked
    assert "hashistack:index:preflight" not in [call.token for call in cluster({}).calls]

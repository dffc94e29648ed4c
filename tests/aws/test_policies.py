"""What a cluster's roles and keys may do: actions that exist, resources of the cluster, nothing by a wildcard."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import boto3
import pytest

from hashistack.aws import tags
from hashistack.aws.access import policies
from hashistack.aws.access.policies import ANYWHERE, Reach, Scope

from .cases import CLUSTERS, OWN_KEY, cluster
from .conftest import planned
from .plan import ACCOUNT, REGION, Plan, document

SCOPE = Scope("aws", REGION, ACCOUNT, "prod-1a2b")
BUCKET = "arn:aws:s3:::bucket"
SERVER = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:server-AbCdEf"
CLIENT = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:client-AbCdEf"
KEPT = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:vault-init-AbCdEf"

VOLUMES = {"SeeVolumes", "MakeVolumes", "TagVolumes", "UseVolumes", "AttachVolumes"}
"""What a pool with `csi` may besides."""

NOT_IN_THE_MODELS = {
    # The agent's own protocol. https://docs.aws.amazon.com/systems-manager/latest/userguide/systems-manager-setting-up-messageAPIs.html
    "ssm:UpdateInstanceInformation",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
    # Permissions of the operation ReEncrypt. https://docs.aws.amazon.com/kms/latest/developerguide/kms-api-permissions-reference.html
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
    # The permission of GetObject with a version. https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    "s3:GetObjectVersion",
}
"""Actions that are no operation of a service that botocore knows, and where AWS says that they are one."""


def _statements(made: Plan) -> Iterator[tuple[str, dict[str, Any]]]:
    for resource in made:
        for name in ("policy", "assumeRolePolicy"):
            if isinstance(resource.inputs.get(name), str):
                for statement in document(resource.inputs[name])["Statement"]:
                    yield resource.name, statement


def _list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _allowed(made: Plan, pool: str) -> dict[str, dict[str, Any]]:
    """The statements of a pool's role, by their names."""
    return {
        one["Sid"]: one for one in document(made.one("RolePolicy", f"-{pool}-policy").inputs["policy"])["Statement"]
    }


@cache
def _operations(service: str) -> frozenset[str]:
    return frozenset(boto3.client(service, region_name=REGION).meta.service_model.operation_names)


def test_every_action_exists(made: Plan) -> None:
    seen = 0
    for where, statement in _statements(made):
        for action in _list(statement["Action"]):
            if action.endswith(":*"):
                continue  # the next test's
            seen += 1
            service, _, operation = action.partition(":")
            assert action in NOT_IN_THE_MODELS or operation in _operations(service), f"{where}: {action}"
    assert seen >= 15


def test_no_action_is_a_wildcard(made: Plan) -> None:
    """But two: the account administers its key, and the bucket denies everything to those without TLS."""
    wild = {
        (statement["Sid"], statement["Effect"], action)
        for _, statement in _statements(made)
        for action in _list(statement["Action"])
        if "*" in action
    }
    expected = {("Plain", "Deny", "s3:*"), ("OldTls", "Deny", "s3:*")}
    assert wild - {("Account", "Allow", "kms:*")} == expected


def test_no_resource_is_a_wildcard_where_the_api_knows_resources(made: Plan) -> None:
    for where, statement in _statements(made):
        if statement["Effect"] == "Allow" and "Resource" in statement and "Principal" not in statement:
            for resource in _list(statement["Resource"]):
                assert resource != "*" or set(_list(statement["Action"])) <= ANYWHERE, f"{where}: {statement['Sid']}"


def test_every_resource_is_the_clusters_own(made: Plan, case: str) -> None:
    own = [f"arn:aws:s3:::{bucket.name}-id/" for bucket in made.of("Bucket")]
    own += [f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{each.name}-" for each in made.of("Secret")]
    own += [f"arn:aws:kms:{REGION}:{ACCOUNT}:key/prod-seal-key"] if made.of("Key") else []
    own += [OWN_KEY] if CLUSTERS[case].kms_key_arn or not made.of("Key") else []
    for pool in _pools(made):
        for sid, statement in _allowed(made, pool).items():
            if sid == "Lifecycle":
                _own_group(made, pool, statement)
                continue
            if sid in VOLUMES:
                continue  # by tags: `test_a_pool_with_csi_has_the_clusters_own_volumes_alone`
            for resource in _list(statement["Resource"]):
                assert resource == "*" or resource.startswith(tuple(own)), f"{pool} {sid}: {resource}"


def test_a_pool_with_csi_has_the_clusters_own_volumes_alone() -> None:
    made = planned("spot-arm64")
    csi = "ebs.csi.aws.com/cluster"
    site = next(
        tag["value"] for group in made.of("Group") for tag in group.inputs["tags"] if tag["key"] == tags.CLUSTER
    )
    volumes, instances = (f"arn:aws:ec2:{REGION}:{ACCOUNT}:{kind}/*" for kind in ("volume", "instance"))
    found = {sid: one for sid, one in _allowed(made, "services").items() if sid in VOLUMES}
    conditions = {sid: _conditions(one) for sid, one in found.items()}
    assert {sid: one["Resource"] for sid, one in found.items()} == {
        "SeeVolumes": ["*"],
        "MakeVolumes": [volumes],
        "TagVolumes": [volumes],
        "UseVolumes": [volumes],
        "AttachVolumes": [instances],
    }
    assert conditions == {
        "SeeVolumes": {"aws:RequestedRegion": REGION},
        "MakeVolumes": {f"aws:RequestTag/{tags.CLUSTER}": site, f"aws:RequestTag/{csi}": "true"},
        "TagVolumes": {"ec2:CreateAction": "CreateVolume"},
        # A machine's own disks have the cluster's tag, and never the other.
        "UseVolumes": {f"aws:ResourceTag/{tags.CLUSTER}": site, f"aws:ResourceTag/{csi}": "true"},
        "AttachVolumes": {f"aws:ResourceTag/{tags.CLUSTER}": site, "aws:ResourceTag/hashistack:role": "client"},
    }
    assert not VOLUMES & {*_allowed(made, "batch"), *_allowed(made, "server")}


def test_what_writes_flow_logs_is_held_to_the_same() -> None:
    made = cluster({}, flow_logs=True)
    assert made.one("RolePolicy", "-flow-logs")
    test_every_action_exists(made)
    test_no_action_is_a_wildcard(made)
    test_no_resource_is_a_wildcard_where_the_api_knows_resources(made)


def _own_group(made: Plan, pool: str, statement: dict[str, Any]) -> None:
    """The tags of the condition are those of the pool's own group, and of no other."""
    wanted = {key.removeprefix("autoscaling:ResourceTag/"): value for key, value in _conditions(statement).items()}
    assert wanted.keys() == {tags.CLUSTER, tags.POOL}
    fitting = [
        group.name
        for group in made.of("Group")
        if wanted.items() <= {tag["key"]: tag["value"] for tag in group.inputs["tags"]}.items()
    ]
    assert fitting == [f"prod-{pool}"]


def _conditions(statement: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = statement["Condition"]["StringEquals"]
    return found


def _pools(made: Plan) -> list[str]:
    return [policy.name.removeprefix("prod-identity-").removesuffix("-policy") for policy in made.of("RolePolicy")]


# A6
def test_a_client_neither_unseals_nor_reads_what_is_the_servers(made: Plan) -> None:
    for pool in set(_pools(made)) - {"server"}:
        allowed = _allowed(made, pool)
        assert not {"Unseal", "KeepSecrets", "Claim", "WriteEncrypted"} & allowed.keys()
        (secret,) = allowed["ReadSecrets"]["Resource"]
        assert ":secret:prod-secrets-client-" in secret
    assert len(_allowed(made, "server")["ReadSecrets"]["Resource"]) == 2


def test_each_pool_has_a_role_of_its_own(made: Plan) -> None:
    profiles = {
        template.name: template.inputs["iamInstanceProfile"]["arn"].rpartition("/")[2]
        for template in made.of("LaunchTemplate")
    }
    assert profiles == {f"prod-{pool}": f"prod-identity-{pool}" for pool in _pools(made)}


def test_a_machine_fetches_its_own_pools_bundle_alone(made: Plan) -> None:
    for pool in _pools(made):
        (bundle,) = _allowed(made, pool)["FetchBundle"]["Resource"]
        assert bundle.endswith(f"/bundles/{pool}.tar.gz")


def test_a_machine_reads_its_own_pools_introduction_alone_and_servers_write_them(made: Plan) -> None:
    for pool in _pools(made):
        allowed = _allowed(made, pool)
        if pool == "server":
            (written,) = allowed["Introduce"]["Resource"]
            assert (allowed["Introduce"]["Action"], "Introduction" in allowed) == (["s3:PutObject"], False)
            assert written.endswith("/introductions/*")
            assert allowed["ReadPools"]["Resource"] == [written.replace("introductions/*", "client-pools")]
        else:
            (read,) = allowed["Introduction"]["Resource"]
            assert (allowed["Introduction"]["Action"], "Introduce" in allowed) == (["s3:GetObject"], False)
            assert read.endswith(f"/introductions/{pool}.jwt")


def test_the_servers_are_told_each_pool(made: Plan) -> None:
    told = made.one("BucketObjectv2", "-client-pools").inputs
    assert told["key"] == "client-pools"
    assert {line.split()[0] for line in told["content"].splitlines()} == set(_pools(made)) - {"server"}


def test_a_shell_by_session_manager_is_on_request_and_reads_no_parameters() -> None:
    assert "Sessions" not in _allowed(planned("minimal"), "server")
    asked = _allowed(planned("own-vpc"), "workers")["Sessions"]["Action"]
    assert asked and not any("Parameter" in action for action in asked)


def test_an_own_key_is_used_through_the_services_alone() -> None:
    server, client = (_allowed(planned("own-vpc"), pool) for pool in ("server", "workers"))
    assert server["ReadEncrypted"]["Resource"] == [OWN_KEY]
    assert _conditions(client["ReadEncrypted"])["kms:ViaService"] == [
        f"s3.{REGION}.amazonaws.com",
        f"secretsmanager.{REGION}.amazonaws.com",
    ]
    # What writes to an encrypted bucket or secret needs a data key; clients write nothing.
    assert server["WriteEncrypted"]["Action"] == ["kms:GenerateDataKey"]


# V7
def test_no_machine_can_take_the_seals_key_away() -> None:
    (account, keep, clients) = document(planned("minimal").one("Key").inputs["policy"])["Statement"]
    assert account["Principal"]["AWS"] == f"arn:aws:iam::{ACCOUNT}:root"
    assert keep["Effect"] == clients["Effect"] == "Deny"
    assert {"kms:ScheduleKeyDeletion", "kms:DisableKey", "kms:PutKeyPolicy"} <= set(keep["Action"])
    made = planned("minimal")
    role = {f"aws:PrincipalTag/{key}": value for key, value in made.one("Role", "-server").inputs["tags"].items()}
    assert _conditions(keep).items() <= role.items()
    assert not _conditions(clients).items() <= role.items()
    client = {f"aws:PrincipalTag/{key}": value for key, value in made.one("Role", "-workers").inputs["tags"].items()}
    assert _conditions(clients).items() <= client.items()
    assert {"kms:Decrypt", "kms:Encrypt"} <= set(clients["Action"])


def test_only_ec2_takes_on_a_machines_role() -> None:
    (statement,) = json.loads(policies.machines_assume())["Statement"]
    assert (statement["Principal"], statement["Action"]) == ({"Service": "ec2.amazonaws.com"}, "sts:AssumeRole")


@pytest.mark.parametrize("role", ["server", "client"])
def test_a_policy_fits_into_a_role(role: str) -> None:
    """All of a role's own policies together have 10,240 characters.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    """
    reach = Reach(BUCKET, (SERVER, CLIENT), (KEPT,), OWN_KEY, (OWN_KEY, OWN_KEY))
    text = policies.machine(SCOPE, "p" * 45, role, reach, sessions=True)
    assert len(re.sub(r"\s", "", text)) < 5120

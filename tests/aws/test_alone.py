"""Components of a cluster on their own, in a stack that puts them together in its own way."""

from __future__ import annotations

from typing import Any

import pytest

from hashistack.aws import (
    AwsClientPool,
    AwsClientPoolArgs,
    AwsIdentity,
    AwsIdentityArgs,
    AwsSeal,
    AwsSealArgs,
    AwsSecrets,
    AwsSecretsArgs,
    AwsServerPool,
    AwsServerPoolArgs,
    Launch,
    Scope,
)
from hashistack.spec import ClientPool, ServerPool, UpgradePolicy

from .cases import OWN_KEY, explicit
from .plan import ACCOUNT, REGION, document, plan

SCOPE = Scope("aws", REGION, ACCOUNT, "a-1234")
LAUNCH = Launch(
    site="a-1234",
    security_group_ids=["sg-1"],
    subnet_ids=["subnet-1", "subnet-2", "subnet-3"],
    profile_arn=f"arn:aws:iam::{ACCOUNT}:instance-profile/p",
    bundle="0" * 64,
    user_data="#!/bin/sh\n",
)


def test_a_pool_of_servers() -> None:
    def program() -> dict[str, object]:
        pool = AwsServerPool("servers", AwsServerPoolArgs(ServerPool(), UpgradePolicy(), LAUNCH), explicit())
        return {"group": pool.group, "version": pool.template_version}

    assert plan(program).outputs == {"group": "servers", "version": "1"}


def test_a_pool_of_clients() -> None:
    def program() -> dict[str, object]:
        pool = ClientPool(name="batch", min=1, max=4, desired=2, spot=True, all_spot=True)
        made = AwsClientPool("batch", AwsClientPoolArgs(pool, UpgradePolicy(), LAUNCH), explicit())
        return {"group": made.group, "version": made.template_version}

    made = plan(program)
    assert made.outputs == {"group": "batch", "version": "1"}
    group = made.one("Group").inputs
    assert (group["minSize"], group["desiredCapacity"], group["vpcZoneIdentifiers"]) == (1, 2, LAUNCH.subnet_ids)
    assert made.one("LaunchTemplate").inputs["iamInstanceProfile"] == {"arn": LAUNCH.profile_arn}


def test_secrets_without_a_cluster() -> None:
    def program() -> dict[str, object]:
        made = AwsSecrets("kept", AwsSecretsArgs("a-1234", '{"ca": "S"}', '{"ca": "C"}', protect=False), explicit())
        return {"server": made.server_arn, "client": made.client_arn, "init": made.vault_init_arn}

    made = plan(program)
    assert len({*made.outputs.values()}) == 3
    assert [secret.inputs["recoveryWindowInDays"] for secret in made.of("Secret")] == [0, 0, 0]
    assert len(made.of("SecretVersion")) == 2, "Vault's recovery keys are nobody's but the servers'"


@pytest.mark.parametrize(("given", "keys"), [(None, 1), (OWN_KEY, 0)])
def test_a_seal(given: str | None, keys: int) -> None:
    def program() -> dict[str, object]:
        return {"key": AwsSeal("seal", AwsSealArgs(SCOPE, given), explicit()).key_arn}

    made = plan(program)
    assert len(made.of("Key")) == keys
    assert (made.outputs["key"] == OWN_KEY) is (given == OWN_KEY)


def test_an_identity_for_resources_of_another_stack() -> None:
    def arn(service: str, resource: str) -> str:
        return SCOPE.arn(service, resource)

    documents = {name: arn("secretsmanager", f"secret:{name}") for name in ("server", "client", "vault-init")}

    def program() -> dict[str, Any]:
        args = AwsIdentityArgs(
            SCOPE,
            pools=["web", "batch"],
            bucket_arn="arn:aws:s3:::bundles",
            server_secret_arn=documents["server"],
            client_secret_arn=documents["client"],
            vault_init_arn=documents["vault-init"],
            seal_key_arn=OWN_KEY,
        )
        made = AwsIdentity("who", args, explicit())
        return {"profiles": made.profiles, "roles": made.role_arns}

    made = plan(program)
    assert set(made.outputs["profiles"]) == set(made.outputs["roles"]) == {"server", "web", "batch"}
    may = {each.name: each.inputs["policy"] for each in made.of("RolePolicy")}
    for name, policy in may.items():
        statements = document(policy)["Statement"]
        reads = [str(one["Resource"]) for one in statements if "secretsmanager:GetSecretValue" in one["Action"]]
        assert (documents["server"] in str(reads)) is ("server" in name)
        assert (OWN_KEY in policy) is ("server" in name)

"""AwsIdentity: who a machine is to AWS. One role for the servers, one for each client pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

from hashistack.aws import names, tags
from hashistack.aws.access import policies
from hashistack.aws.access.policies import Reach, Scope
from hashistack.machine.roles import SERVER


@dataclass(frozen=True)
class AwsIdentityArgs:
    """What the roles are for.

    scope: the cluster's partition, region, account and id. pools: names of the client pools. bucket_arn: where bundles,
    binaries and claims are. server_secret_arn, client_secret_arn, vault_init_arn: the documents of `AwsSecrets`.
    seal_key_arn: the key of Vault's seal. key_arns: keys that bucket and secrets are encrypted with, if they are not
    AWS's own. sessions: operators may open a shell on machines by Session Manager; the image must have its agent.
    permissions_boundary_arn: the most that any role may do, where the account asks for one; none by default.
    csi: the pools, of those, where the CSI plugin for EBS may run.
    """

    scope: Scope
    pools: Sequence[str]
    bucket_arn: pulumi.Input[str]
    server_secret_arn: pulumi.Input[str]
    client_secret_arn: pulumi.Input[str]
    vault_init_arn: pulumi.Input[str]
    seal_key_arn: pulumi.Input[str]
    key_arns: Sequence[pulumi.Input[str]] = ()
    sessions: bool = False
    permissions_boundary_arn: pulumi.Input[str] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    csi: Sequence[str] = ()


class AwsIdentity(pulumi.ComponentResource):
    """Roles and instance profiles that can do what their machines do, and nothing else.

    Only servers read the servers' document and Vault's recovery keys, and only they use the seal's key. A machine
    completes lifecycle actions of its own pool's group and of no other.
    """

    profiles: Mapping[str, pulumi.Output[str]]
    """Pool to the ARN of its instance profile; the servers' pool is `server`."""
    role_arns: Mapping[str, pulumi.Output[str]]
    """Pool to the ARN of its role."""

    def __init__(self, name: str, args: AwsIdentityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hashistack:index:AwsIdentity", name, {}, opts)
        self._name, self._args, self._child = name, args, pulumi.ResourceOptions(parent=self)
        made = {pool: self._profile(pool, "server" if pool == SERVER else "client") for pool in (SERVER, *args.pools)}
        self.role_arns = {pool: role for pool, (role, _) in made.items()}
        self.profiles = {pool: profile for pool, (_, profile) in made.items()}
        self.register_outputs({"roleArns": self.role_arns})

    def _profile(self, pool: str, role: str) -> tuple[pulumi.Output[str], pulumi.Output[str]]:
        args, name = self._args, f"{self._name}-{pool}"
        own = tags.of_pool(args.scope.site, pool, role, args.tags)
        machine = aws.iam.Role(
            name,
            name_prefix=names.prefix(name, names.ROLE),
            assume_role_policy=policies.machines_assume(),
            description=f"Machines of pool {pool} of {args.scope.site}",
            permissions_boundary=args.permissions_boundary_arn,
            tags=own,
            opts=self._child,
        )
        aws.iam.RolePolicy(f"{name}-policy", role=machine.name, policy=self._document(pool, role), opts=self._child)
        profile = aws.iam.InstanceProfile(
            name,
            name_prefix=names.prefix(name, names.INSTANCE_PROFILE),
            role=machine.name,
            tags=own,
            opts=self._child,
        )
        return machine.arn, profile.arn

    def _document(self, pool: str, role: str) -> pulumi.Output[str]:
        args, server = self._args, role == "server"

        def rendered(found: Sequence[str]) -> str:
            bucket, server_secret, client_secret, vault_init, seal, *keys = found
            reach = Reach(
                bucket=bucket,
                secrets=(server_secret,) if server else (client_secret,),
                kept=(vault_init,) if server else (),
                seal=seal if server else None,
                keys=tuple(keys),
            )
            return policies.machine(args.scope, pool, role, reach, args.sessions, volumes=pool in args.csi)

        return pulumi.Output.all(
            args.bucket_arn,
            args.server_secret_arn,
            args.client_secret_arn,
            args.vault_init_arn,
            args.seal_key_arn,
            *args.key_arns,
        ).apply(rendered)

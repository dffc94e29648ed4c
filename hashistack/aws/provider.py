"""How the program's provider reaches AWS, for whoever asks AWS beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pulumi
from pulumi_aws import config

_ROLE: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "roleArn": ("RoleArn", str),
    "sessionName": ("RoleSessionName", str),
    "externalId": ("ExternalId", str),
    "sourceIdentity": ("SourceIdentity", str),
    "policy": ("Policy", str),
    "policyArns": ("PolicyArns", lambda arns: [{"arn": arn} for arn in arns]),
    "tags": ("Tags", lambda tags: [{"Key": key, "Value": value} for key, value in tags.items()]),
    "transitiveTagKeys": ("TransitiveTagKeys", list),
}
"""The provider's name of a setting to that of AssumeRole, and how its value is written there. Not `duration`: a session
is renewed when it ends."""

_SERVICES = {"elasticloadbalancingv2": "elbv2", "servicequotas": "service-quotas"}
"""What boto3 calls otherwise than the provider, of what we ask."""


def configured(resource: pulumi.Resource | None) -> dict[str, Any] | None:
    """The stack's settings (`aws:profile`, `aws:assumeRoles`, `aws:endpoints`), as `ops.session.session` takes them.

    None where `resource` has an explicit provider, whose settings are known only while the program runs: see `access`.
    """
    if _explicit(resource):
        return None
    return access_of(config.profile, getattr(config, "assume_roles", None), config.endpoints)


def access(resource: pulumi.Resource | None) -> pulumi.Output[dict[str, Any]]:
    """The same of the provider that `resource` has; of an explicit one without its roles, which Pulumi shows nobody.

    Secret where anything is set: a role's external id may be one, and whoever declares something with it has the state
    keep it.
    """
    provider = _explicit(resource)
    if provider is None:
        said = configured(resource) or {}
        return pulumi.Output.secret(said) if said else pulumi.Output.from_input(said)
    told = pulumi.Output.all(*(pulumi.get(provider, name) for name in ("profile", "endpoints")))
    return told.apply(lambda it: access_of(it[0], None, it[1]))


def _explicit(resource: pulumi.Resource | None) -> pulumi.ProviderResource | None:
    return resource.get_provider("aws:index:x") if resource is not None else None


def access_of(profile: str | None, roles: Any, endpoints: Any) -> dict[str, Any]:
    """Settings as `ops.session.session` takes them: what is set, and nothing else.

    roles, endpoints: as the provider has them, in JSON or plain.
    """
    told = {"profile": profile, "roles": [_role(each) for each in _plain(roles)], "endpoints": _endpoints(endpoints)}
    return {name: value for name, value in told.items() if value}


def _role(said: Mapping[str, Any]) -> dict[str, Any]:
    return {to: written(said[name]) for name, (to, written) in _ROLE.items() if said.get(name)}


def _endpoints(said: Any) -> dict[str, str]:
    merged = {name: url for each in _plain(said) for name, url in each.items() if url}
    return {_SERVICES.get(name, name): url for name, url in merged.items()}


def _plain(said: Any) -> list[Any]:
    return list((json.loads(said) if isinstance(said, str) else said) or [])

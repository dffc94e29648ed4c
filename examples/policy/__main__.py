"""A policy pack for stacks that have clusters: `pulumi preview --policy-pack DIRECTORY`. The rules are in rules.py.

The numbers below are a beginning: change them here, or for one run by `--policy-pack-config FILE`.
"""

import json
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from typing import Any

import rules
from pulumi_policy import EnforcementLevel, PolicyConfigSchema, PolicyPack, ResourceValidationPolicy

from hashistack import ClusterSpec

LOCAL, CLOUD = "hashistack:index:LocalSite", "hashistack:index:Specification"
"""Types of the resources whose input `spec` is a cluster's whole specification."""
DATA = {"aws:s3/bucket:Bucket", "aws:kms/key:Key", "gcp:storage/bucket:Bucket", "gcp:kms/cryptoKey:CryptoKey"}
KINDS = {int: "integer", dict: "object", list: "array"}


def policy(name: str, about: Any, setting: str, default: Any, validate: Callable[..., None], **more: Any) -> Any:
    """A policy with one setting. about: has its description as its docstring."""
    schema = PolicyConfigSchema({setting: {"type": KINDS[type(default)], "default": default}})
    return ResourceValidationPolicy(name, about.__doc__, validate, config_schema=schema, **more)


def of_clusters(
    rule: Callable[[ClusterSpec, Any], Iterator[str]], setting: str, default: Any, types: tuple[str, ...], **more: Any
) -> Any:
    """A policy that asks a rule about each cluster's specification, where a resource of these types has it."""

    def validate(args: Any, report: Callable[[str], None]) -> None:
        if args.resource_type in types:
            spec = ClusterSpec.parse(json.loads(args.props["spec"]))
            for sentence in rule(spec, args.get_config()[setting]):
                report(sentence)

    return policy(rule.__name__.replace("_", "-"), rule, setting, default, validate, **more)


def protected(args: Any, report: Callable[[str], None]) -> None:
    stack = args.urn.split(":")[2]
    ours = args.resource_type in DATA and "hashistack:index:" in args.urn
    if ours and not any(fnmatch(stack, pattern) for pattern in args.get_config()["throwaway"]):
        for sentence in rules.protected(args.name, args.opts.protect):
            report(sentence)


PolicyPack(
    "clusters",
    [
        # A local cluster ignores spot and zones.
        of_clusters(rules.spot_share, "percent", 50, (CLOUD,)),
        of_clusters(rules.zones, "least", 3, (CLOUD,)),
        of_clusters(
            rules.oldest, "versions", {"nomad": "1.11.0", "consul": "1.22.0", "vault": "1.21.0"}, (LOCAL, CLOUD)
        ),
        # Shown, and nothing stops: the default releases, the newest that hashistack's own tests have run, have some.
        of_clusters(rules.known_holes, "accepted", [], (LOCAL, CLOUD), enforcement_level=EnforcementLevel.ADVISORY),
        policy("protected", rules.protected, "throwaway", ["dev*", "test*"], protected),
    ],
    EnforcementLevel.MANDATORY,
)

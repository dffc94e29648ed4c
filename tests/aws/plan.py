"""A program's plan without an engine: each resource as it is declared, with its inputs and options."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi.runtime import mocks, rpc

ACCOUNT = "123456789012"
REGION = "eu-west-1"
SECRET_MARK = "1b47061264138c4ac30d75fd1eb44270"  # what the engine's protocol marks a secret value with
SECRET_WORD = "SECRET-"
"""All secret values of the stand-in begin with it: where it appears, a secret does."""

_ARNS = {
    "aws:iam/role:Role": "arn:aws:iam::{account}:role/{name}",
    "aws:iam/instanceProfile:InstanceProfile": "arn:aws:iam::{account}:instance-profile/{name}",
    "aws:kms/key:Key": "arn:aws:kms:{region}:{account}:key/11111111-2222-3333-4444-{hash}",
    "aws:s3/bucket:Bucket": "arn:aws:s3:::{name}",
    "aws:secretsmanager/secret:Secret": "arn:aws:secretsmanager:{region}:{account}:secret:{name}-AbCdEf",
    "aws:lb/targetGroup:TargetGroup": "arn:aws:elasticloadbalancing:{region}:{account}:targetgroup/{name}/6d0ecf83",
}


@dataclass(frozen=True)
class Resource:
    """One resource as a program declares it. secrets: its inputs that are, or hold, a secret value."""

    type: str
    name: str
    custom: bool
    inputs: Mapping[str, Any]
    secrets: frozenset[str]
    parent: str
    provider: str
    protect: bool
    retain_on_delete: bool
    ignore_changes: tuple[str, ...]
    dependencies: frozenset[str]


@dataclass
class Plan:
    """Everything that was declared, in no order, and the functions that were called."""

    resources: list[Resource] = field(default_factory=list)
    calls: list[tuple[str, Mapping[str, Any], str]] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)

    def of(self, type: str) -> list[Resource]:
        """All of a type, by its last word: `LaunchTemplate`."""
        return sorted((each for each in self.resources if each.type.endswith(f":{type}")), key=lambda each: each.name)

    def one(self, type: str, name: str = "") -> Resource:
        """The one of a type whose name ends so."""
        (found,) = [each for each in self.of(type) if each.name.endswith(name)]
        return found

    def __iter__(self) -> Iterator[Resource]:
        return iter(self.resources)

    @property
    def lines(self) -> str:
        """`type name` of all, sorted: the golden list."""
        return "".join(sorted(f"{each.type} {each.name}\n" for each in self.resources))


class _Recorder(mocks.MockMonitor):
    def __init__(self, cloud: Cloud, plan: Plan) -> None:
        super().__init__(cloud)
        self._plan = plan

    def RegisterResource(self, request: Any) -> Any:
        if request.type != "pulumi:pulumi:Stack":
            inputs = rpc.deserialize_properties(request.object)
            self._plan.resources.append(
                Resource(
                    type=request.type,
                    name=request.name,
                    custom=bool(request.custom),
                    inputs=_plain(inputs),
                    secrets=frozenset(name for name, value in request.object.items() if SECRET_MARK in str(value)),
                    parent=request.parent,
                    provider=request.provider,
                    protect=bool(request.protect),
                    retain_on_delete=bool(request.retainOnDelete),
                    ignore_changes=tuple(request.ignoreChanges),
                    dependencies=frozenset(request.dependencies),
                )
            )
        return super().RegisterResource(request)

    def Invoke(self, request: Any) -> Any:
        self._plan.calls.append((request.tok, rpc.deserialize_properties(request.args), request.provider))
        return super().Invoke(request)


class Cloud(mocks.Mocks):
    """What AWS and our plugin answer."""

    def __init__(self, region: str = REGION) -> None:
        self.region = region

    def call(self, args: mocks.MockCallArgs) -> dict[str, Any]:
        answers: dict[str, dict[str, Any]] = {
            "aws:index/getRegion:getRegion": {"id": self.region, "name": self.region, "region": self.region},
            "aws:index/getPartition:getPartition": {"id": "aws", "partition": "aws"},
            "aws:index/getCallerIdentity:getCallerIdentity": {"id": ACCOUNT, "accountId": ACCOUNT},
            "aws:index/getAvailabilityZones:getAvailabilityZones": {
                "id": self.region,
                "names": [f"{self.region}{letter}" for letter in "abcd"],
            },
            "aws:ec2/getAmi:getAmi": {"id": "ami-0123456789abcdef0", "rootDeviceName": "/dev/xvda"},
            "aws:ec2/getVpc:getVpc": {"id": "vpc-1", "cidrBlock": "10.9.0.0/16"},
            "aws:ec2/getSubnet:getSubnet": {"id": "subnet-1", "availabilityZone": f"{self.region}a"},
        }
        return {**args.args, **answers[args.token]}

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        name = f"{args.name}-0abc123"
        state = {"name": name, **_plain(args.inputs)}
        facts = {"region": self.region, "account": ACCOUNT, "name": name, "hash": f"{hash(name) % 10**12:012}"}
        if args.typ in _ARNS:
            state["arn"] = _ARNS[args.typ].format(**facts)
        if args.typ == "aws:ec2/launchTemplate:LaunchTemplate":
            state["latestVersion"] = 7
            return "lt-0123456789abcdef0", state
        if args.typ == "aws:lb/loadBalancer:LoadBalancer":
            state["dnsName"] = f"{name}-0123456789abcdef.elb.{self.region}.amazonaws.com"
        return name, {**state, **_ours(args)}


def _ours(args: mocks.MockResourceArgs) -> dict[str, Any]:
    """The outputs of our own resources."""
    kind = args.typ.rpartition(":")[2]
    if kind in ("CertificateAuthority", "RoleCertificate"):
        key = pulumi.Output.secret(f"{SECRET_WORD}key-of-{args.name}")
        return {"cert_pem": f"cert-of-{args.name}", "key_pem": key, "not_after": "2036-01-01T00:00:00+00:00"}
    if kind == "GossipKey":
        return {"key": pulumi.Output.secret(f"{SECRET_WORD}{args.name}")}
    if kind == "TokenSet":
        return {"ids": pulumi.Output.secret({name: f"{SECRET_WORD}{name}" for name in args.inputs["names"]})}
    if kind == "Tools":
        arch = args.inputs["arch"]
        return {
            "tools": {
                tool: {"version": version, "sha256": (tool + arch).encode().hex().ljust(64, "0"), "path": f"/t/{tool}"}
                for tool, version in args.inputs["versions"].items()
            }
        }
    return {}


def _plain(value: Any) -> Any:
    """A value of the protocol without the wrapping of secrets."""
    if rpc.is_rpc_secret(value):
        return _plain(rpc.unwrap_rpc_secret(value))
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def plan(
    program: Callable[[], Mapping[str, Any] | None], region: str = REGION, project: str = "prod", stack: str = "main"
) -> Plan:
    """Runs a program, and returns what it declares once all is known. The values that it returns are its outputs."""
    made = Plan()
    pulumi.runtime.set_mocks(Cloud(region), project=project, stack=stack, monitor=_Recorder(Cloud(region), made))

    @pulumi.runtime.test
    def run() -> pulumi.Output[None]:
        returned = program() or {}
        return pulumi.Output.all(**returned).apply(made.outputs.update)

    run()
    return made


def document(text: str) -> dict[str, Any]:
    """A policy document, or another JSON text, as plain data."""
    found: dict[str, Any] = json.loads(text)
    return found

"""Row A5, and what is in the bucket."""

from __future__ import annotations

import json

import pytest

from hashistack.aws.access.artifacts import _version
from hashistack.testing import Recording

from .stacks import recorded

OBJECT = "aws:s3/bucketObjectv2:BucketObjectv2"


def test_the_bucket_is_private_versioned_encrypted_and_speaks_tls(minimal: Recording) -> None:
    bucket = "prod-artifacts-bucket-id"
    kinds = ("bucketPublicAccessBlock", "bucketVersioning", "bucketServerSideEncryptionConfiguration", "bucketPolicy",
             "bucketOwnershipControls", "bucketLifecycleConfiguration")  # fmt: skip
    found = {}
    for kind in kinds:
        (found[kind],) = minimal.of(f"aws:s3/{kind}:{kind[0].upper()}{kind[1:]}")
        assert found[kind].inputs["bucket"] == bucket
    access = found["bucketPublicAccessBlock"].inputs
    assert all(access[key] is True for key in
               ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"))  # fmt: skip
    assert found["bucketVersioning"].inputs["versioningConfiguration"] == {"status": "Enabled"}
    (rule,) = found["bucketServerSideEncryptionConfiguration"].inputs["rules"]
    assert rule["applyServerSideEncryptionByDefault"]["sseAlgorithm"] == "AES256"
    policy = json.loads(found["bucketPolicy"].inputs["policy"])
    assert {statement["Effect"] for statement in policy["Statement"]} == {"Deny"}
    arn = "arn:aws:s3:::prod-artifacts-bucket-id"
    (plain,) = [each for each in policy["Statement"] if each["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}]
    assert (plain["Principal"], plain["Action"], plain["Resource"]) == ("*", "s3:*", [arn, f"{arn}/*"])
    protected = {each.urn for kind, each in found.items() if kind != "bucketLifecycleConfiguration"}
    for pushed in minimal.of(OBJECT):
        assert protected <= set(pushed.depends_on), "an object keeps the encryption that it was put with"


def test_tools_are_under_their_digests_bundles_under_their_pools_and_all_stay(minimal: Recording) -> None:
    pushed = {each.name: each for each in minimal.of(OBJECT)}
    assert sorted(pushed) == [
        "prod-artifacts-bundle-server",
        "prod-artifacts-client-pools",
        *(f"prod-artifacts-{tool}-amd64" for tool in ("cni", "consul", "nomad", "vault")),
    ]
    assert pushed["prod-artifacts-bundle-server"].inputs["key"] == "bundles/server.tar.gz"
    versions = minimal.named("prod-artifacts-tools-amd64").inputs["versions"]
    for tool, file in {"cni": "cni.tar", "consul": "consul", "nomad": "nomad", "vault": "vault"}.items():
        it = pushed[f"prod-artifacts-{tool}-amd64"].inputs
        assert it["key"] == f"tools/{tool}/{versions[tool]}/{'5e' * 32}/{file}"
        assert it["source"].path == f"/cache/{tool}/{file}"
    # An older bundle's machines, and those that a group starts from an older template, still fetch.
    assert all(each.retain_on_delete for each in pushed.values())
    (lifecycle,) = minimal.of("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration")
    ending, written_over = [rule for rule in lifecycle.inputs["rules"] if any("xpiration" in key for key in rule)]
    assert ending["filter"] == {"prefix": "snapshots/"}
    assert ending["expiration"] == {"days": 3}, "72 of one an hour"
    assert written_over["filter"] == {"prefix": "introductions/"}, "nothing else ends"
    assert "expiration" not in written_over, "what lets clients in stays"


def test_machines_are_told_where_everything_is(minimal: Recording) -> None:
    assert minimal.result["bundle"] == (
        "s3://prod-artifacts-bucket-id/bundles/server.tar.gz?versionId=3L4kqtJlcpXroDTDmJ.rmSpX"
    )
    by_name = {each["name"]: each for each in minimal.result["binaries"]}
    assert by_name.keys() == {"consul", "nomad", "vault"}
    for name, it in by_name.items():
        assert it["url"] == f"s3://prod-artifacts-bucket-id/tools/{name}/{it['version']}/{it['sha256']}/{name}"


def test_each_architecture_gets_what_its_pools_need() -> None:
    name = "a-name-that-is-rather-long-for-a-load-balancer-artifacts"
    tools = {each.name: each.inputs for each in recorded("two-architectures").of("hashistack:index:Tools")}
    assert {key.rpartition("-")[2]: sorted(it["versions"]) for key, it in tools.items()} == {
        "amd64": ["cni", "consul", "nomad", "vault"],
        "arm64": ["cni", "consul", "nomad"],
    }
    assert tools[f"{name}-tools-arm64"]["packed"] is True
    assert tools[f"{name}-tools-arm64"]["static"] is True


@pytest.mark.parametrize(("said", "version"), [("", "null"), (None, "null"), ("null", "null"), ("3L4k", "3L4k")])
def test_an_object_from_before_versioning_was_in_force_has_a_version_too(said: str | None, version: str) -> None:
    assert _version(said) == version

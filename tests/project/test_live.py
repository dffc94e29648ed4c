"""A whole cluster's resources, each made by the requests that the provider sends: Google's documents take them all."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hashistack.gcp.ops.session import Google
from hashistack.testing import record

from ..gcp.cases import CLUSTERS, program
from .accounts import Tokens
from .api import OPERATOR, Apis
from .compute import PROJECT, Compute
from .iam import Iam
from .identity import Identity, Resources
from .kms import Key, Rest
from .live import Live
from .secret_manager import SecretManager
from .storage import Storage

BUCKET = "prod-artifacts-bucket"
SERVER, BATCH, SERVICES = (
    f"prod-ffff-{pool}@{PROJECT}.iam.gserviceaccount.com" for pool in ("server", "batch", "services")
)


class Small(Live):
    """With tools of a few bytes."""

    def __init__(self, google: Google, directory: Path) -> None:
        super().__init__(google)
        object.__setattr__(self, "directory", directory)

    directory: Path

    def outputs(self, type: str, name: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        if type != "hashistack:index:Tools":
            return super().outputs(type, name, inputs)
        made = {}
        for tool, version in inputs["versions"].items():
            file = self.directory / tool
            file.write_text(f"{tool} {version}")
            made[tool] = {"version": version, "sha256": "5e" * 32, "path": str(file)}
        return {"tools": made}


class Made:
    def __init__(self, directory: Path) -> None:
        self.iam, self.tokens = Iam(), Tokens()
        self.storage, self.secrets, self.compute = (
            Storage(iam=self.iam),
            SecretManager(iam=self.iam),
            Compute(looks=False),
        )
        self.keys: dict[str, Key] = {}
        services = {
            "storage": self.storage,
            "secretmanager": self.secrets,
            "compute": self.compute,
            "cloudkms": Rest(self.keys, self.iam),
            "iam": Identity(self.iam),
            "cloudresourcemanager": Resources(self.iam),
        }
        self.apis = Apis(services, self.tokens, self.iam)
        google = Google(partial(self.apis.http, self.tokens.issue(OPERATOR)))
        self.result = record(program(CLUSTERS["spot-arm64"]), Small(google, directory)).result

    def may(self, email: str, permission: str, resource: str) -> bool:
        return self.iam.allows(email, permission, resource)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PULUMI_HOME", str(tmp_path_factory.mktemp("pulumi")))
        return Made(tmp_path_factory.mktemp("tools"))


def test_google_takes_every_request(made: Made) -> None:
    assert made.apis.refused == []
    assert {group.name: group.target for group in made.compute.groups.values()} == {
        "prod-server": 3, "prod-services": 2, "prod-batch": 2,
    }  # fmt: skip


def test_a_group_makes_machines_that_know_their_account_and_bundle(made: Made) -> None:
    for _ in range(3):
        made.compute.settle()
    assert {vm.template.account for vm in made.compute.vms} == {SERVER, BATCH, SERVICES}
    spot = {vm.template.account for vm in made.compute.vms if vm.template.spot}
    assert spot == {BATCH}
    for vm in made.compute.vms:
        place = vm.template.metadata["startup-script"].partition("url='gs://")[2].partition("'")[0]
        bucket, _, key = place.partition("#")[0].partition("/")
        generation = int(place.rpartition("#")[2])
        assert generation in {each.generation for each in made.storage.objects[bucket, key]}


def test_machines_may_read_what_they_boot_from_and_no_other_pools(made: Made) -> None:
    objects = f"projects/_/buckets/{BUCKET}/objects"
    tool = next(key for key in made.storage.contents(BUCKET) if key.startswith("tools/"))
    for email, pool in ((SERVER, "server"), (BATCH, "batch"), (SERVICES, "services")):
        read = partial(made.may, email, "storage.objects.get")
        assert read(f"{objects}/bundles/{pool}.tar.gz.base64") and read(f"{objects}/{tool}")
        assert not any(read(f"{objects}/bundles/{other}.tar.gz.base64") for other in {"server", "batch"} - {pool})
        assert made.may(email, "compute.instances.list", f"projects/{PROJECT}")
        assert made.may(email, "storage.objects.create", f"{objects}/snapshots/x.tar") is (email == SERVER)
        assert not made.may(email, "storage.objects.delete", f"{objects}/snapshots/x.tar")


@pytest.mark.parametrize(
    ("secret", "readers"), [("server", {SERVER}), ("client", {BATCH, SERVICES}), ("vault-init", {SERVER})]
)
def test_a_document_is_read_by_its_role(made: Made, secret: str, readers: set[str]) -> None:
    place = f"projects/{PROJECT}/secrets/prod-ffff-{secret}"
    assert {
        each for each in (SERVER, BATCH, SERVICES) if made.may(each, "secretmanager.versions.access", place)
    } == readers


def test_the_servers_alone_use_the_seals_key(made: Made) -> None:
    (key,) = made.keys
    # What Vault asks at its start whether it may.
    for permission in ("cryptoKeys.get", "cryptoKeyVersions.useToEncrypt", "cryptoKeyVersions.useToDecrypt"):
        allowed = {each for each in (SERVER, BATCH, SERVICES) if made.may(each, f"cloudkms.{permission}", key)}
        assert allowed == {SERVER}

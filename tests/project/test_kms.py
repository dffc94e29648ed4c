"""Cloud KMS as a client of its gRPC API meets it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.cloud.kms_v1.types import resources, service
from google.iam.v1 import iam_policy_pb2

from ..box.authority import Authority
from .accounts import Tokens
from .iam import Iam
from .kms import Key, Kms

NAME = "projects/x-project/locations/europe-west1/keyRings/ring/cryptoKeys/vault"
SERVER = "server@x-project.iam.gserviceaccount.com"
KMS = "/google.cloud.kms.v1.KeyManagementService"


class World:
    def __init__(self, directory: Path) -> None:
        self.now = 0.0
        self.tokens, self.iam = Tokens(), Iam(clock=lambda: self.now)
        authority = Authority(directory)
        certificate = authority.issue(["cloudkms.googleapis.com"], "127.0.0.1")
        self.kms = Kms("127.0.0.1:0", certificate, self.tokens, self.iam)
        self.kms.keys[NAME] = Key()
        self.ca, self.token = authority.pem.read_bytes(), self.tokens.issue(SERVER)

    def allow(self) -> None:
        for role in ("cryptoKeyEncrypterDecrypter", "viewer"):
            self.iam.bind(f"serviceAccount:{SERVER}", f"roles/cloudkms.{role}", NAME)

    def call(self, method: str, request: Any, answer: Any, token: str | None = None) -> Any:
        credentials = grpc.ssl_channel_credentials(self.ca)
        metadata = (("authorization", f"Bearer {token or self.token}"),)
        with grpc.secure_channel(self.kms.address, credentials) as channel:
            ask = channel.unary_unary(
                method, request_serializer=type(request).serialize, response_deserializer=answer.deserialize
            )
            return ask(request, metadata=metadata, timeout=10)

    def encrypt(self, text: bytes) -> bytes:
        request = service.EncryptRequest(name=NAME, plaintext=text)
        return bytes(self.call(f"{KMS}/Encrypt", request, service.EncryptResponse).ciphertext)

    def decrypt(self, sealed: bytes, token: str | None = None) -> bytes:
        request = service.DecryptRequest(name=NAME, ciphertext=sealed)
        return bytes(self.call(f"{KMS}/Decrypt", request, service.DecryptResponse, token).plaintext)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.kms.close()


def refusal(call: Any, *args: Any) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as refused:
        call(*args)
    code: grpc.StatusCode = refused.value.code()
    return code


def test_what_was_encrypted_is_decrypted_after_a_rotation_too(world: World) -> None:
    world.allow()
    sealed = world.encrypt(b"x" * 32)
    world.kms.rotate(NAME)
    assert world.decrypt(sealed) == b"x" * 32
    assert world.encrypt(b"x")[:2] == b"\0\2"
    assert [seen.method for seen in world.kms.seen] == ["cloudkms.Encrypt", "cloudkms.Decrypt", "cloudkms.Encrypt"]
    found = world.call(f"{KMS}/GetCryptoKey", service.GetCryptoKeyRequest(name=NAME), resources.CryptoKey)
    assert found.primary.name == f"{NAME}/cryptoKeyVersions/2"


def test_what_another_key_encrypted_is_refused(world: World) -> None:
    world.allow()
    sealed = world.encrypt(b"x")
    world.kms.keys[NAME] = Key()
    assert refusal(world.decrypt, sealed) == grpc.StatusCode.INVALID_ARGUMENT


def test_who_is_nobody_is_refused(world: World) -> None:
    world.allow()
    assert refusal(world.decrypt, b"", "ya29.made-up") == grpc.StatusCode.UNAUTHENTICATED
    assert world.kms.refused == [f"no good token: Decrypt {NAME}"]


def test_rights_come_late(world: World) -> None:
    world.iam.late = 120
    world.allow()
    assert refusal(world.encrypt, b"x") == grpc.StatusCode.PERMISSION_DENIED
    assert refusal(world.encrypt, b"x") == grpc.StatusCode.PERMISSION_DENIED
    world.now = 120
    world.encrypt(b"x")


def test_of_a_keys_permissions_one_is_told_ones_own(world: World) -> None:
    world.iam.bind(f"serviceAccount:{SERVER}", "roles/cloudkms.cryptoKeyEncrypterDecrypter", NAME)
    wanted = ["cloudkms.cryptoKeyVersions.useToEncrypt", "cloudkms.cryptoKeys.get"]
    request = iam_policy_pb2.TestIamPermissionsRequest(resource=NAME, permissions=wanted)
    with grpc.secure_channel(world.kms.address, grpc.ssl_channel_credentials(world.ca)) as channel:
        ask = channel.unary_unary(
            "/google.iam.v1.IAMPolicy/TestIamPermissions",
            request_serializer=iam_policy_pb2.TestIamPermissionsRequest.SerializeToString,
            response_deserializer=iam_policy_pb2.TestIamPermissionsResponse.FromString,
        )
        said = ask(request, metadata=(("authorization", f"Bearer {world.token}"),), timeout=10)
    assert list(said.permissions) == wanted[:1]


def test_a_key_that_there_is_not(world: World) -> None:
    world.allow()
    del world.kms.keys[NAME]
    assert refusal(world.encrypt, b"x") == grpc.StatusCode.NOT_FOUND


def test_it_may_be_down(world: World) -> None:
    world.kms.outage = lambda seen: grpc.StatusCode.UNAVAILABLE
    assert refusal(world.encrypt, b"x") == grpc.StatusCode.UNAVAILABLE

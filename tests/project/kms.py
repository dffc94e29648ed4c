"""Cloud KMS over gRPC: keys with versions, which encrypt and decrypt, in the published messages of its API."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.cloud.kms_v1.types import resources, service
from google.iam.v1 import iam_policy_pb2

from .accounts import Tokens
from .api import Call, Refused, Seen
from .iam import Iam

_NONCE = 12


@dataclass
class Key:
    """versions: of which the last encrypts; None is one that was destroyed."""

    versions: list[bytes | None] = field(default_factory=lambda: [AESGCM.generate_key(256)])


class Kms:
    """Serves on `address` (``host:port``, port 0: any) with a certificate, as `Authority.issue` makes it.

    keys: by id (`projects/…/cryptoKeys/<key>`). seen: what was asked, by methods' names. outage: may refuse any call.
    iam: None allows everything to who has a good token.
    """

    def __init__(self, address: str, certificate: tuple[bytes, bytes], tokens: Tokens, iam: Iam | None = None) -> None:
        self.keys: dict[str, Key] = {}
        self.seen: list[Seen] = []
        self.refused: list[str] = []
        self.outage: Callable[[Seen], grpc.StatusCode | None] = lambda seen: None
        self._tokens, self._iam, self._lock = tokens, iam, threading.Lock()
        alone = (("grpc.so_reuseport", 0),)  # or two at one address share its connections
        self._server = grpc.server(ThreadPoolExecutor(8, thread_name_prefix="kms"), options=alone)
        self._server.add_generic_rpc_handlers(
            (
                _handlers(
                    "google.cloud.kms.v1.KeyManagementService",
                    GetCryptoKey=(self._get, service.GetCryptoKeyRequest.deserialize, resources.CryptoKey.serialize),
                    Encrypt=(self._encrypt, service.EncryptRequest.deserialize, service.EncryptResponse.serialize),
                    Decrypt=(self._decrypt, service.DecryptRequest.deserialize, service.DecryptResponse.serialize),
                ),
                _handlers(
                    "google.iam.v1.IAMPolicy",
                    TestIamPermissions=(
                        self._test,
                        iam_policy_pb2.TestIamPermissionsRequest.FromString,
                        iam_policy_pb2.TestIamPermissionsResponse.SerializeToString,
                    ),
                ),
            )
        )
        host, _, _ = address.rpartition(":")
        chain, private = certificate
        bound = self._server.add_secure_port(address, grpc.ssl_server_credentials([(private, chain)]))
        self.address = f"{host}:{bound}"
        self._server.start()

    def close(self) -> None:
        self._server.stop(0).wait()

    @property
    def rest(self) -> Rest:
        """Its API over HTTP, by which a stack makes keys."""
        return Rest(self.keys, self._iam or Iam())

    def rotate(self, name: str) -> None:
        """Another version encrypts from now on; what the older ones encrypted can still be read."""
        self.keys[name].versions.append(AESGCM.generate_key(256))

    def _get(self, asked: Any, context: grpc.ServicerContext) -> Any:
        key = self._key(context, "GetCryptoKey", asked.name, "cloudkms.cryptoKeys.get")
        version = f"{asked.name}/cryptoKeyVersions/{len(key.versions)}"
        primary = resources.CryptoKeyVersion(name=version, state="ENABLED", algorithm="GOOGLE_SYMMETRIC_ENCRYPTION")
        return resources.CryptoKey(name=asked.name, primary=primary, purpose="ENCRYPT_DECRYPT")

    def _encrypt(self, asked: Any, context: grpc.ServicerContext) -> Any:
        key = self._key(context, "Encrypt", asked.name, "cloudkms.cryptoKeyVersions.useToEncrypt")
        number, nonce = len(key.versions), secrets.token_bytes(_NONCE)
        secret = key.versions[-1]
        if secret is None:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"{asked.name}/cryptoKeyVersions/{number} is destroyed.")
        sealed = AESGCM(secret).encrypt(nonce, asked.plaintext, asked.additional_authenticated_data)
        return service.EncryptResponse(
            name=f"{asked.name}/cryptoKeyVersions/{number}", ciphertext=number.to_bytes(2, "big") + nonce + sealed
        )

    def _decrypt(self, asked: Any, context: grpc.ServicerContext) -> Any:
        key = self._key(context, "Decrypt", asked.name, "cloudkms.cryptoKeyVersions.useToDecrypt")
        number, rest = int.from_bytes(asked.ciphertext[:2], "big"), asked.ciphertext[2:]
        secret = key.versions[number - 1] if 0 < number <= len(key.versions) else None
        try:
            if secret is None:
                raise InvalidTag
            plain = AESGCM(secret).decrypt(rest[:_NONCE], rest[_NONCE:], asked.additional_authenticated_data)
        except (InvalidTag, ValueError):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "Decryption failed: the ciphertext is invalid.")
        return service.DecryptResponse(plaintext=plain, used_primary=number == len(key.versions))

    def _test(self, asked: Any, context: grpc.ServicerContext) -> Any:
        """Of the permissions that are asked about, those that the caller has."""
        whose = self._whose(context, "TestIamPermissions", asked.resource)
        allowed = [
            one for one in asked.permissions if self._iam is None or self._iam.allows(whose, one, asked.resource)
        ]
        return iam_policy_pb2.TestIamPermissionsResponse(permissions=allowed)

    def _key(self, context: grpc.ServicerContext, method: str, name: str, permission: str) -> Key:
        whose = self._whose(context, method, name)
        if self._iam and not self._iam.allows(whose, permission, name):
            # As Google has it: who may not see a key isn't told whether it is there.
            words = f"Permission '{permission}' denied on resource '{name}' (or it may not exist)."
            context.abort(grpc.StatusCode.PERMISSION_DENIED, words)
        if name not in self.keys:
            context.abort(grpc.StatusCode.NOT_FOUND, f"CryptoKey {name} not found.")
        return self.keys[name]

    def _whose(self, context: grpc.ServicerContext, method: str, resource: str) -> str:
        given = str(dict(context.invocation_metadata()).get("authorization", ""))
        whose = self._tokens.whose(given.removeprefix("Bearer "))
        if whose is None:
            with self._lock:
                self.refused.append(f"no good token: {method} {resource}")
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "Request had invalid authentication credentials.")
        seen = Seen(str(whose), f"cloudkms.{method}", resource)
        with self._lock:
            self.seen.append(seen)
        if down := self.outage(seen):
            context.abort(down, "the test says that this is down")
        return str(whose)


@dataclass
class Rest:
    """Rings and keys are made, and their policies read and written."""

    keys: dict[str, Key]
    iam: Iam

    def projects_locations_keyRings_create(self, call: Call) -> Any:
        return {"name": f"{'/'.join(call.path[2:])}/{call.query['keyRingId']}"}

    def projects_locations_keyRings_cryptoKeys_create(self, call: Call) -> Any:
        name = f"{'/'.join(call.path[2:])}/{call.query['cryptoKeyId']}"
        if name in self.keys:
            raise Refused(409, "alreadyExists", f"CryptoKey {name} already exists.")
        self.keys[name] = Key()
        return {"name": name, "purpose": call.said["purpose"]}

    def projects_locations_keyRings_cryptoKeys_getIamPolicy(self, call: Call) -> Any:
        return self.iam.policy("/".join(call.path[2:]).partition(":")[0])

    def projects_locations_keyRings_cryptoKeys_setIamPolicy(self, call: Call) -> Any:
        return self.iam.replace("/".join(call.path[2:]).partition(":")[0], call.said["policy"])


def _handlers(name: str, **methods: tuple[Any, Any, Any]) -> grpc.GenericRpcHandler:
    """A service: method to what answers it, and how its messages are read and written."""
    made: Mapping[str, Any] = {
        method: grpc.unary_unary_rpc_method_handler(answer, request_deserializer=read, response_serializer=written)
        for method, (answer, read, written) in methods.items()
    }
    return grpc.method_handlers_generic_handler(name, made)

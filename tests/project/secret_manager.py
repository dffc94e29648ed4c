"""Secret Manager: secrets with versions, aliases and etags.

It names resources by the project's number, whatever it was asked by.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from .api import Call, Refused
from .iam import Iam

_PERMISSIONS = {
    "access": "secretmanager.versions.access",
    "addVersion": "secretmanager.versions.add",
    "create": "secretmanager.secrets.create",
    "delete": "secretmanager.secrets.delete",
    "destroy": "secretmanager.versions.destroy",
    "get": "secretmanager.secrets.get",
    "getIamPolicy": "secretmanager.secrets.getIamPolicy",
    "setIamPolicy": "secretmanager.secrets.setIamPolicy",
    "patch": "secretmanager.secrets.update",
}


@dataclass
class Secret:
    """versions: their contents, of which None were destroyed."""

    versions: list[bytes | None] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    etag: int = 1


@dataclass
class SecretManager:
    project: str = "x-project"
    number: str = "123456789012"
    secrets: dict[str, Secret] = field(default_factory=dict)
    iam: Iam = field(default_factory=Iam)
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def needs(self, call: Call) -> tuple[str, str]:
        """The permission that a call needs, and the resource."""
        verb = call.method.rpartition(".")[2]
        of_version = ".versions." in call.method and verb == "get"
        permission = "secretmanager.versions.get" if of_version else _PERMISSIONS[verb]
        # Whoever asks by the project's number asks about the same.
        place = "/".join(("projects", self.project, *call.path[4:])).partition(":")[0]
        return permission, place

    def projects_secrets_getIamPolicy(self, call: Call) -> Any:
        return self.iam.policy(self.needs(call)[1])

    def projects_secrets_setIamPolicy(self, call: Call) -> Any:
        return self.iam.replace(self.needs(call)[1], call.said["policy"])

    def projects_secrets_create(self, call: Call) -> Any:
        name = call.query["secretId"]
        if name in self.secrets:
            raise Refused(409, "alreadyExists", f"Secret [{self._place(name)}] already exists.")
        self.secrets[name] = Secret(labels=dict(call.said.get("labels", {})))
        return self._described(name)

    def projects_secrets_get(self, call: Call) -> Any:
        self._secret(call)
        return self._described(self._name(call))

    def projects_secrets_patch(self, call: Call) -> Any:
        secret = self._secret(call)
        if call.said.get("etag", self._etag(secret)) != self._etag(secret):
            message = "The etag provided in the request does not match the resource's current etag."
            raise Refused(400, "failedPrecondition", message, canonical="FAILED_PRECONDITION")
        masked = call.query["updateMask"].split(",")
        if "versionAliases" in masked:
            wanted = {alias: str(number) for alias, number in call.said.get("versionAliases", {}).items()}
            if unknown := [n for n in wanted.values() if not 0 < int(n) <= len(secret.versions)]:
                raise Refused(400, "invalid", f"version {unknown[0]} does not exist")
            secret.aliases = wanted
        if "labels" in masked:
            secret.labels = dict(call.said.get("labels", {}))
        secret.etag += 1
        return self._described(self._name(call))

    def projects_secrets_delete(self, call: Call) -> Any:
        self._secret(call)
        del self.secrets[self._name(call)]
        return {}

    def projects_secrets_addVersion(self, call: Call) -> Any:
        secret = self._secret(call)
        secret.versions.append(b64decode(call.said["payload"]["data"], validate=True))
        return self._version(self._name(call), len(secret.versions))

    def projects_secrets_versions_access(self, call: Call) -> Any:
        number, content = self._found(call)
        if content is None:
            place = self._version_place(self._name(call), number)
            message = f"Secret Version [{place}] is in DESTROYED state."
            raise Refused(400, "failedPrecondition", message, canonical="FAILED_PRECONDITION")
        place = self._version_place(self._name(call), number)
        return {"name": place, "payload": {"data": b64encode(content).decode()}}

    def projects_secrets_versions_get(self, call: Call) -> Any:
        number, _ = self._found(call)
        return self._version(self._name(call), number)

    def projects_secrets_versions_destroy(self, call: Call) -> Any:
        number, _ = self._found(call)
        self._secret(call).versions[number - 1] = None
        return self._version(self._name(call), number)

    def _name(self, call: Call) -> str:
        return call.path[5].partition(":")[0]

    def _secret(self, call: Call) -> Secret:
        name = self._name(call)
        if call.path[3] not in (self.project, self.number) or name not in self.secrets:
            raise Refused(404, "notFound", f"Secret [{self._place(name)}] not found or has no versions.")
        return self.secrets[name]

    def _found(self, call: Call) -> tuple[int, bytes | None]:
        secret, wanted = self._secret(call), call.path[7].partition(":")[0]
        number = len(secret.versions) if wanted == "latest" else int(secret.aliases.get(wanted, _digits(wanted)))
        if not 0 < number <= len(secret.versions):
            name = self._name(call)
            raise Refused(404, "notFound", f"Secret Version [{self._version_place(name, wanted)}] not found.")
        return number, secret.versions[number - 1]

    def _place(self, name: str) -> str:
        return f"projects/{self.number}/secrets/{name}"

    def _version_place(self, name: str, version: object) -> str:
        return f"{self._place(name)}/versions/{version}"

    def _etag(self, secret: Secret) -> str:
        return f'"{secret.etag:014x}"'

    def _described(self, name: str) -> Any:
        secret = self.secrets[name]
        return {
            "name": self._place(name),
            "createTime": self.clock().isoformat(),
            "labels": secret.labels,
            "versionAliases": secret.aliases,
            "etag": self._etag(secret),
        }

    def _version(self, name: str, number: int) -> Any:
        gone = self.secrets[name].versions[number - 1] is None
        state = "DESTROYED" if gone else "ENABLED"
        return {"name": self._version_place(name, number), "createTime": self.clock().isoformat(), "state": state}


def _digits(text: str) -> str:
    return text if text.isdigit() else "0"

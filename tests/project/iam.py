"""Who may do what: bindings on resources, which take effect when Google gets to it.

Roles are those that the components give, with the permissions that matter here, and custom ones.
https://cloud.google.com/iam/docs/roles-permissions
"""

from __future__ import annotations

import re
import time
from base64 import b64encode
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

ROLES: Mapping[str, frozenset[str]] = {
    "roles/cloudkms.cryptoKeyEncrypterDecrypter": frozenset(
        ("cloudkms.cryptoKeyVersions.useToEncrypt", "cloudkms.cryptoKeyVersions.useToDecrypt")
    ),
    "roles/cloudkms.viewer": frozenset(("cloudkms.cryptoKeys.get", "cloudkms.cryptoKeys.list")),
    "roles/secretmanager.secretAccessor": frozenset(("secretmanager.versions.access",)),
    "roles/storage.objectCreator": frozenset(("storage.objects.create",)),
    "roles/storage.objectViewer": frozenset(("storage.objects.get", "storage.objects.list")),
}
_CONDITION = re.compile(r'resource\.name\.startsWith\("([^"]*)"\)')


@dataclass(frozen=True)
class Binding:
    """One member's role on a resource and all below it. prefixes: of the resources for which it holds; () for all.
    since: when it counts, by `Iam.clock`."""

    member: str
    role: str
    condition: str = ""
    prefixes: tuple[str, ...] = ()
    since: float = 0.0


@dataclass
class Iam:
    """late: seconds until a new binding counts; Google says two minutes, and sometimes seven or more.
    https://cloud.google.com/iam/docs/access-change-propagation"""

    late: float = 0.0
    clock: Callable[[], float] = time.monotonic
    roles: dict[str, frozenset[str]] = field(default_factory=lambda: dict(ROLES))
    policies: dict[str, list[Binding]] = field(default_factory=dict)
    """By resource."""

    def role(self, name: str, permissions: Collection[str]) -> None:
        """A custom role: projects/<project>/roles/<id>."""
        self.roles[name] = frozenset(permissions)

    def bind(self, member: str, role: str, resource: str, condition: str = "") -> None:
        """member: `serviceAccount:<email>`. condition: CEL, of the one form that the components write."""
        if role not in self.roles:
            raise ValueError(f"there is no role {role}")
        prefixes = tuple(_CONDITION.findall(condition))
        if condition and " || ".join(f'resource.name.startsWith("{each}")' for each in prefixes) != condition:
            raise ValueError(f"a condition of this form is not known here: {condition}")
        made = Binding(member, role, condition, prefixes, self.clock() + self.late)
        self.policies.setdefault(resource, []).append(made)

    def allows(self, email: str, permission: str, resource: str) -> bool:
        return any(
            each.member == f"serviceAccount:{email}"
            and permission in self.roles[each.role]
            and (not each.prefixes or resource.startswith(each.prefixes))
            and self.clock() >= each.since
            for on, bindings in self.policies.items()
            if resource == on or resource.startswith(f"{on}/")
            for each in bindings
        )

    def policy(self, resource: str) -> dict[str, Any]:
        """A resource's policy, as the APIs have it."""
        bindings: dict[tuple[str, str], list[str]] = {}
        for each in self.policies.get(resource, ()):
            bindings.setdefault((each.role, each.condition), []).append(each.member)
        told = [
            {"role": role, "members": members, **({"condition": {"expression": condition}} if condition else {})}
            for (role, condition), members in bindings.items()
        ]
        etag = b64encode(str(len(self.policies.get(resource, ()))).encode()).decode()
        return {"version": 3, "etag": etag, "bindings": told}

    def replace(self, resource: str, policy: Mapping[str, Any]) -> dict[str, Any]:
        """Another policy; what was in the one before counts since then."""
        before = {(each.member, each.role, each.condition): each for each in self.policies.pop(resource, ())}
        for binding in policy.get("bindings", ()):
            for member in binding["members"]:
                key = (member, binding["role"], binding.get("condition", {}).get("expression", ""))
                if key in before:
                    self.policies.setdefault(resource, []).append(before[key])
                else:
                    self.bind(key[0], key[1], resource, key[2])
        return self.policy(resource)

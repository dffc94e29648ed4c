"""Who may do what: bindings on resources, which take effect when Google gets to it.

Roles are those that the components give, with the permissions that matter here, and custom ones.
https://cloud.google.com/iam/docs/roles-permissions
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

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


@dataclass
class Iam:
    """late: seconds until a new binding counts; Google says two minutes, and sometimes seven or more.
    https://cloud.google.com/iam/docs/access-change-propagation"""

    late: float = 0.0
    clock: Callable[[], float] = time.monotonic
    roles: dict[str, frozenset[str]] = field(default_factory=lambda: dict(ROLES))
    _bindings: list[tuple[str, str, str, tuple[str, ...], float]] = field(default_factory=list)

    def role(self, name: str, permissions: Collection[str]) -> None:
        """A custom role: projects/<project>/roles/<id>."""
        self.roles[name] = frozenset(permissions)

    def bind(self, member: str, role: str, resource: str, condition: str = "") -> None:
        """member: `serviceAccount:<email>`. resource: on which, and on all that is below it. condition: CEL, of the one
        form that the components write."""
        if role not in self.roles:
            raise ValueError(f"there is no role {role}")
        prefixes = tuple(_CONDITION.findall(condition))
        if condition and " || ".join(f'resource.name.startsWith("{each}")' for each in prefixes) != condition:
            raise ValueError(f"a condition of this form is not known here: {condition}")
        self._bindings.append((member, role, resource, prefixes, self.clock() + self.late))

    def allows(self, email: str, permission: str, resource: str) -> bool:
        return any(
            member == f"serviceAccount:{email}"
            and permission in self.roles[role]
            and (resource == on or resource.startswith(f"{on}/"))
            and (not prefixes or resource.startswith(prefixes))
            and self.clock() >= since
            for member, role, on, prefixes, since in self._bindings
        )

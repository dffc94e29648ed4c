"""IAM's own API and Resource Manager's: service accounts, custom roles, and the project's policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .api import Call, Refused
from .compute import PROJECT
from .iam import Iam


class Identity:
    """accounts: emails."""

    def __init__(self, iam: Iam) -> None:
        self.iam, self.accounts = iam, set[str]()

    def projects_serviceAccounts_create(self, call: Call) -> Any:
        email = f"{call.said['accountId']}@{PROJECT}.iam.gserviceaccount.com"
        if email in self.accounts:
            raise Refused(409, "alreadyExists", f"Service account {call.said['accountId']} already exists.")
        self.accounts.add(email)
        return {"name": f"projects/{PROJECT}/serviceAccounts/{email}", "email": email}

    def projects_serviceAccounts_delete(self, call: Call) -> Any:
        self.accounts.discard(call.path[-1])
        return {}

    def projects_roles_create(self, call: Call) -> Any:
        name = f"projects/{PROJECT}/roles/{call.said['roleId']}"
        self.iam.role(name, call.said["role"]["includedPermissions"])
        return {"name": name, **call.said["role"]}

    def projects_roles_delete(self, call: Call) -> Any:
        return {"name": "/".join(call.path[2:]), "deleted": True}


class Resources:
    """The project's policy, and those of its organization that are in effect, by constraint."""

    def __init__(self, iam: Iam, organization: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self.iam, self.organization = iam, organization or {}

    def projects_getEffectiveOrgPolicy(self, call: Call) -> Any:
        assert call.path[-1].partition(":")[0] == PROJECT, call.path
        constraint = call.said["constraint"]
        return {"constraint": constraint, **self.organization.get(constraint.removeprefix("constraints/"), {})}

    def projects_getIamPolicy(self, call: Call) -> Any:
        return self.iam.policy(f"projects/{PROJECT}")

    def projects_setIamPolicy(self, call: Call) -> Any:
        return self.iam.replace(f"projects/{PROJECT}", call.said["policy"])

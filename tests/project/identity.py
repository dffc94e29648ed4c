"""IAM's own API and Resource Manager's: service accounts, custom roles, and the project's policy."""

from __future__ import annotations

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
    """The project's policy."""

    def __init__(self, iam: Iam) -> None:
        self.iam = iam

    def projects_getIamPolicy(self, call: Call) -> Any:
        return self.iam.policy(f"projects/{PROJECT}")

    def projects_setIamPolicy(self, call: Call) -> Any:
        return self.iam.replace(f"projects/{PROJECT}", call.said["policy"])

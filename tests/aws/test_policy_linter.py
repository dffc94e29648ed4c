"""The policies as somebody else's linter reads them: parliament, which knows each action's resources and conditions."""

from __future__ import annotations

import json
import warnings
from typing import Any

import pytest

from hashistack.aws.access import policies
from hashistack.aws.access.policies import Reach, Scope

with warnings.catch_warnings():
    warnings.simplefilter("ignore", ResourceWarning)  # it leaves its own files open
    import parliament

REGION, ACCOUNT = "eu-central-1", "123456789012"
SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:server-AbCdEf"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
SCOPE = Scope("aws", REGION, ACCOUNT, "prod-1a2b")
WHOLE = Reach("arn:aws:s3:::bucket", (SECRET,), (SECRET,), KEY, (KEY,))


def findings(text: str) -> list[tuple[str, Any]]:
    return [(found.issue, found.detail) for found in parliament.analyze_policy_string(text).findings]


@pytest.mark.parametrize("sessions", [False, True])
@pytest.mark.parametrize("role", ["server", "client"])
def test_a_machines_policy_is_sound(role: str, sessions: bool) -> None:
    assert findings(policies.machine(SCOPE, "pool", role, WHOLE, sessions)) == []


def test_a_keys_policy_is_sound() -> None:
    """The star of a key's own policy is that key. https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html"""
    assert [issue for issue, _ in findings(policies.seal_key(SCOPE))] == ["RESOURCE_STAR"]


def test_the_linter_would_say_so() -> None:
    """An action of the machines' own, on a resource that it does not know."""
    document = json.loads(policies.machine(SCOPE, "pool", "server", WHOLE))
    (secrets,) = (one for one in document["Statement"] if one["Sid"] == "ReadSecrets")
    secrets["Resource"] = ["arn:aws:s3:::bucket/key"]
    assert [issue for issue, _ in findings(json.dumps(document))] == ["RESOURCE_MISMATCH"]

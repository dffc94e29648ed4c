"""How long the names of Google Cloud's resources may be: the one place that knows it.

Physical names are Pulumi's: the logical name in lower case and eight random characters, so that a resource can be made
before the one that it replaces is gone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Final

from hashistack.spec.names import GCP_RESOURCE
from hashistack.spec.problems import Problem, show

COMPONENT: Final = 20
"""Of 63 characters of a name, those that are left for a cluster's component beside our words and Pulumi's eight."""
_ACCOUNT: Final = 30  # and 6 at least. https://cloud.google.com/iam/docs/service-accounts-create


def account_id(site: str, pool: str) -> str:
    """The id of a pool's service account: `<site>-<pool>`, or its beginning and eight hex digits."""
    plain = f"{site}-{pool}"
    name = re.sub(r"[^a-z0-9-]", "-", plain.lower())
    if name == plain and 6 <= len(name) <= _ACCOUNT:
        return name
    return f"{name[: _ACCOUNT - 9].rstrip('-')}-{sha256(plain.encode()).hexdigest()[:8]}"


def role_id(site: str, word: str) -> str:
    """The id of a custom role: letters, digits, "_" and "."."""
    return f"{site.replace('-', '_')}.{word}"[-64:]


def resource(name: str, pool: str) -> str:
    """The logical name of what a pool has, from its component's: lower case, and short enough for Pulumi to add to."""
    plain = re.sub(r"[^a-z0-9-]", "-", f"{name}-{pool}".lower())
    if plain == f"{name}-{pool}" and len(plain) <= 45:
        return plain
    return f"{plain[:36].rstrip('-')}-{sha256(f'{name}-{pool}'.encode()).hexdigest()[:8]}"


def instances(site: str, pool: str) -> str:
    """What a pool's instances are called; their group appends five characters. Nothing of ours reads it."""
    return re.sub(r"[^a-z0-9-]", "-", f"{site}-{pool}".lower())[:58].rstrip("-")


def problems(component: str) -> Iterator[Problem]:
    """What is wrong with the name that a program gives the cluster's component."""
    if found := GCP_RESOURCE.problem(component, "the component's name"):
        yield found
    elif len(component) > COMPONENT:
        yield Problem(
            "the component's name",
            f"is {len(component)} characters long, Google's names have room for {COMPONENT} (got {show(component)})",
            "Shorten it.",
        )

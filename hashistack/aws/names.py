"""How long the names of AWS resources may be: the one place that knows it.

Physical names are Pulumi's: the logical name and eight random characters, so that a resource can be made before the one
that it replaces is gone. Where that would be too long, or has characters that AWS refuses, the provider gets a
shorter prefix instead and makes the rest of the name itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_RANDOM = 8
"""Characters that Pulumi appends to a logical name: "-" and seven hex digits."""


@dataclass(frozen=True)
class Kind:
    """One kind of name: its longest form, the longest prefix that the provider takes, and what it may contain."""

    most: int
    prefix: int
    strange: str = r"[^A-Za-z0-9-]"


# Limits: each service's API reference; prefixes: what is left of them beside the provider's 26 characters, or, for load
# balancers, the provider's own limit.
BUCKET = Kind(63, 37, r"[^a-z0-9-]")
INSTANCE_PROFILE = Kind(128, 38, r"[^A-Za-z0-9+=,.@_-]")
LAUNCH_TEMPLATE = Kind(128, 99, r"[^A-Za-z0-9().\-/_]")
LOAD_BALANCER = Kind(32, 6)
ROLE = Kind(64, 38, r"[^A-Za-z0-9+=,.@_-]")
SECURITY_GROUP = Kind(255, 100, r"[^A-Za-z0-9 ._:/()#,@\[\]+=&;{}!$*-]")
TARGET_GROUP = Kind(32, 6)


def prefix(name: str, kind: Kind) -> str | None:
    """The ``name_prefix`` of a resource whose logical name is ``name``; None where Pulumi's own naming fits."""
    # Pulumi lowers a bucket's name by itself.
    plain = name.lower() if kind is BUCKET else name
    if len(plain) + _RANDOM <= kind.most and not re.search(kind.strange, plain):
        return None
    return re.sub(kind.strange, "-", plain)[: kind.prefix - 1].strip("-") + "-"


def description(text: str) -> str:
    """``text`` as a security group's or a rule's description: 255 characters at most, and no apostrophes."""
    return re.sub(r"[^A-Za-z0-9 ._:/()#,@\[\]+=&;{}!$*-]", "", text)[:255]

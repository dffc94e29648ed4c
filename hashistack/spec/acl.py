"""Access control of Consul and Nomad."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator

from hashistack.spec.durations import Duration, within
from hashistack.spec.problems import FieldError
from hashistack.spec.section import Section


def _refused(anonymous: bool) -> bool:
    if anonymous:
        raise FieldError("access without a token is refused", "Set it to false; give each user and program a token.")
    return anonymous


class Acl(Section):
    """Access control lists: always on, everything denied that no token allows."""

    hints: ClassVar[Mapping[str, str]] = {"enabled": "Access control is always on. Remove it."}

    default_policy: Literal["deny"] = "deny"
    """What holds where no rule does."""
    anonymous: Annotated[bool, AfterValidator(_refused)] = False
    """Whether requests without a token may do anything: never."""
    token_ttl: Annotated[Duration, within("1s", "1h")] = "30s"  # noqa: S105 - a duration
    """How long an agent remembers a token: the time until a revoked one stops working."""
    policy_ttl: Annotated[Duration, within("1s", "1h")] = "30s"
    """How long an agent remembers a policy."""

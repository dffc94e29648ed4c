"""How long a cluster may stay, whose it is, and which run of a CI made it: said in the environment of the first `up`.

`hashistack gc` goes by it. It holds from the cluster's making on: what is labelled with it can't be labelled anew.
"""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from hashistack.errors import HashistackError

TTL: Final = "HASHISTACK_TTL"
"""A Go duration ("4h", "90m"); without one a cluster stays. `hashistack up --ttl` sets it for the engine."""
OWNER: Final = "HASHISTACK_OWNER"
"""Whose it is; else this user."""
RUN: Final = "HASHISTACK_RUN"
"""Which run of a CI made it; else what `RUNS` say."""
RUNS: Final = ("GITHUB_RUN_ID", "CI_PIPELINE_ID", "BUILD_TAG")
"""As GitHub, GitLab and Jenkins call it."""


@dataclass(frozen=True)
class Tenure:
    """expires: ISO 8601 in UTC. "" where nothing says it, of each."""

    expires: str
    owner: str
    run: str


def tenure(environment: Mapping[str, str], now: datetime) -> Tenure:
    """What the environment says of a cluster that is made `now` (UTC). Raises HashistackError for a bad duration."""
    run = next((environment[name] for name in (RUN, *RUNS) if environment.get(name)), "")
    return Tenure(_expires(environment.get(TTL, ""), now), environment.get(OWNER) or _user(), run)


def since(moment: str, now: datetime) -> float:
    """Seconds from a label's moment in ISO 8601 to `now`; 0 where it says none."""
    try:
        return (now - datetime.fromisoformat(moment)).total_seconds()
    except (ValueError, TypeError):  # a label is a text of somebody
        return 0.0


def is_over(expires: str, now: datetime) -> bool:
    """Whether a label's time has passed; one that can't be read has not."""
    return since(expires, now) > 0


def _expires(ttl: str, now: datetime) -> str:
    if not ttl:
        return ""
    from hashistack.spec.durations import seconds  # an `up` that changes nothing loads no specification
    from hashistack.spec.problems import FieldError

    try:
        length = timedelta(seconds=seconds(ttl))
        return (now + length).isoformat(timespec="seconds")
    except FieldError as error:
        raise HashistackError(f"--ttl ({TTL}) {ttl!r} {error.what}", error.remedy) from None
    except OverflowError:
        raise HashistackError(f"--ttl ({TTL}) {ttl!r} is longer than a calendar", "leave it out") from None


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a passwd entry
        return ""

"""Jobs whose failures or data stop no rollout, for one run: the way past a job that a roll did make worse.

Not in the specification, where a list that was needed once would go on to hide failures. The command sets the variable
for the engine that it starts; `pulumi up` takes it from its own environment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from hashistack.errors import HashistackError

VARIABLE = "HASHISTACK_IGNORE_JOBS"
"""`namespace/job`, several with commas."""

_NAME = re.compile(r"[A-Za-z0-9-]{1,128}/[^\s,]+")
"""A namespace and a job's id, which may have slashes itself.
https://developer.hashicorp.com/nomad/docs/other-specifications/namespace
"""


class JobNameInvalid(HashistackError):
    """What was given to be ignored is no job; the text names each and what is wanted."""


def parse(words: Iterable[str], where: str) -> frozenset[str]:
    """The jobs, as `namespace/job`. `where`: what the words were given to, for the error.

    Raises:
        JobNameInvalid: names every one that is not of this form.
    """
    found = frozenset(words)
    if wrong := sorted(word for word in found if not _NAME.fullmatch(word)):
        raise JobNameInvalid("\n".join(f"{where} {word}: is no job" for word in wrong), "give NAMESPACE/JOB")
    return found


def ignored_jobs() -> frozenset[str]:
    """Those that the environment names. Raises JobNameInvalid."""
    words = (word.strip() for word in os.environ.get(VARIABLE, "").split(","))
    return parse((word for word in words if word), VARIABLE)


def ignore(words: Iterable[str]) -> None:
    """Add jobs to those that the environment names, here and in what is started from here. Raises JobNameInvalid."""
    os.environ[VARIABLE] = ",".join(sorted(ignored_jobs() | parse(words, "--ignore-job")))

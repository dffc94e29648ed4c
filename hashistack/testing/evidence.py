"""What the machines of a cluster said last, for the report of a failed test."""

from __future__ import annotations

from collections.abc import Iterable

from hashistack.errors import HashistackError
from hashistack.ops.api.connection import Connection
from hashistack.ops.support.redaction import Redaction

_LOGS = ("nomad", "consul", "vault", "docker", "boot", "console")
"""Whose logs of a machine are shown; a cloud's machine has its console alone."""


def said(connection: Connection, secrets: Iterable[str], lines: int) -> dict[str, str]:
    """Machine, with its state, to the last lines of each of its logs. None of the secrets is in it."""
    from hashistack.platforms import driver, operations

    redaction, platform = Redaction(secrets), operations(connection.provider)
    found: dict[str, str] = {}
    for one in driver(connection).instances():
        try:
            logs = platform.logs(connection, one.name)
        except HashistackError as error:
            logs = {"console.log": str(error)}
        shown = [(file, text) for file, text in sorted(logs.items()) if file.partition(".")[0] in _LOGS]
        told = [f"{file}: {line}" for file, text in shown for line in text.rstrip().splitlines()[-lines:]]
        found[f"{one.name} ({one.state})"] = redaction.text("\n".join(told))
    return found

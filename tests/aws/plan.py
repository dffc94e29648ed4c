"""What a program declares, looked at by the last words of types and names."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hashistack.testing import Aws, Call, Recording, Registered, record

REGION = "us-east-1"
"""Not the region of the default provider: whatever asks that one finds another."""
ACCOUNT = "123456789012"
SECRET_WORD = "SECRET-"
"""All secret values of the recording begin with it: where it appears, a secret does."""


class Plan:
    """A recording. `outputs` is what its program returned."""

    def __init__(self, recording: Recording) -> None:
        self.outputs: Mapping[str, Any] = recording.result
        self.calls: list[Call] = recording.calls
        self._resources = recording.resources

    def __iter__(self) -> Iterator[Registered]:
        return iter(self._resources)

    def of(self, kind: str) -> list[Registered]:
        """All of a type, by its last word (`LaunchTemplate`) and in the order of their names."""
        return sorted((each for each in self if each.type.endswith(f":{kind}")), key=lambda each: each.name)

    def one(self, kind: str, name: str = "") -> Registered:
        """The one of a type whose name ends so."""
        (found,) = [each for each in self.of(kind) if each.name.endswith(name)]
        return found

    def lookups(self, function: str) -> list[Mapping[str, Any]]:
        """The arguments of all calls of a function, by its last word (`getAmi`)."""
        return [call.args for call in self.calls if call.token.endswith(f":{function}")]


def plan(program: Callable[[], Any], region: str = REGION, **options: Any) -> Plan:
    """Runs a program where no default provider is to be had; it returns a mapping of outputs."""
    return Plan(record(program, Aws(region), disable_default_providers=["aws"], **options))


def user_data(template: Registered) -> str:
    """A launch template's user data as the machine gets it."""
    return b64decode(template.inputs["userData"]).decode()


def document(text: str) -> dict[str, Any]:
    """A policy document, or another JSON text, as plain data."""
    found: dict[str, Any] = json.loads(text)
    return found

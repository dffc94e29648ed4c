"""The stack's output `connection`: what is written is read, has its documented form, and says its format."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from hashistack.ops.api.connection import FORMAT, Connection, ConnectionInvalid, Endpoint, Pool, schema
from hashistack.ops.api.policy import Policy

SCHEMA: dict[str, Any] = json.loads(schema())
SERVERS = ("https://127.0.0.1:24000", "https://127.0.0.1:24001")
WRITTEN = Connection(
    *("test-1f", "local", "dc1", "global", "CA", "CERT", "KEY"),
    nomad=Endpoint("https://127.0.0.1:24007", "nomad-token", servers=SERVERS),
    consul=Endpoint("https://127.0.0.1:24015", "consul-token"),
    vault=Endpoint("https://127.0.0.1:24023", "pw", "operator"),
    pools=(
        Pool(
            *("server", "server", 3, "b1", Policy(drain_deadline=1.5), {"region": "x", "sizes": [1, 2]}),
            settings={"nomad_config": {"server": {"job_gc_threshold": "5h"}}},
        ),
    ),
    versions={"nomad": "1.11.3"},
)


def strict(form: Any) -> Any:
    """The schema without room for what it does not document."""
    if isinstance(form, list):
        return [strict(item) for item in form]
    if not isinstance(form, dict):
        return form
    closed = {key: strict(value) for key, value in form.items()}
    return {"additionalProperties": False, **closed} if isinstance(closed.get("properties"), dict) else closed


def test_what_is_written_is_read_and_is_as_documented() -> None:
    document = json.loads(WRITTEN.text())
    jsonschema.validate(document, strict(SCHEMA))
    assert document["format"] == FORMAT == SCHEMA["properties"]["format"]["const"]
    assert Connection.parse(WRITTEN.text()) == WRITTEN
    # Numbers come back from Pulumi as doubles.
    document["pools"][0]["count"] = 3.0
    assert Connection.parse({**document, "format": float(FORMAT)}) == WRITTEN


def required(form: dict[str, Any], *path: str) -> list[tuple[str, ...]]:
    inner = [(name, part) for name, part in form["properties"].items() if part.get("required")]
    return [
        *((*path, name) for name in form["required"]),
        *(found for name, part in inner for found in required(part, *path, name)),
    ]


@pytest.mark.parametrize("path", [path for path in required(SCHEMA) if path != ("format",)], ids="/".join)
def test_what_is_documented_as_required_is_asked_for_by_name(path: tuple[str, ...]) -> None:
    document = json.loads(WRITTEN.text())
    part = document
    for name in path[:-1]:
        part = part[name]
    del part[path[-1]]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, SCHEMA)
    if path == ("versions",):
        return  # a stack of an earlier release has none, and is read
    with pytest.raises(ConnectionInvalid, match=f"has no {'.'.join(path)}$"):
        Connection.parse(document)


def test_one_of_a_release_before_formats_is_read() -> None:
    old = json.loads(WRITTEN.text())
    del old["format"]
    old["nomad"] = {"addresses": list(SERVERS), "token": "nomad-token"}
    old["consul"] = {"addresses": ["https://lb:8501/"], "token": "consul-token"}
    old["vault"] = {"addresses": ["https://lb:8200"], "username": "operator", "password": "pw"}
    read = Connection.parse(old)
    assert read.nomad == Endpoint(SERVERS[0], "nomad-token", servers=SERVERS)
    assert read.consul == Endpoint("https://lb:8501", "consul-token")
    assert read.vault.addresses == ("https://lb:8200",)
    old["vault"]["addresses"] = []
    with pytest.raises(ConnectionInvalid, match=r"vault\.address is empty"):
        Connection.parse(old)


@pytest.mark.parametrize("number", [FORMAT + 1, "two", None])
def test_one_of_a_later_release_is_refused_by_its_number(number: object) -> None:
    later = {"format": number, "everything": "else"}
    with pytest.raises(ConnectionInvalid, match=rf"has format {number!r}; .* reads format {FORMAT}\. Next: install"):
        Connection.parse(later)


def test_own_calls_ask_the_servers_themselves_where_they_can() -> None:
    assert WRITTEN.nomad.addresses == SERVERS
    assert WRITTEN.vault.addresses == ("https://127.0.0.1:24023",)


def test_a_repr_shows_no_secret() -> None:
    assert not [secret for secret in WRITTEN.secrets if secret in repr(WRITTEN)]

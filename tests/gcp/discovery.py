"""Judges requests to Google's APIs by the discovery documents that google-api-python-client brings along.

What is checked: method and path, names and types of the query, and of the body unknown fields, types, enumerations,
patterns and fields that only Google writes. "" and null are absent: Terraform's provider sends them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import googleapiclient

_DOCUMENTS = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"
_PYTHON = {"string": str, "boolean": bool, "integer": int, "number": (int, float), "object": dict, "array": list}


class NotInTheDocument(Exception):
    """A request that the API does not have; the text says what of it."""


@cache
def document(api: str, version: str = "v1") -> Mapping[str, Any]:
    """The discovery document of an API (`compute`, `storage`, `secretmanager`, `cloudkms`, `iam`, `dns`)."""
    found: dict[str, Any] = json.loads((_DOCUMENTS / f"{api}.{version}.json").read_text())
    return found


@cache
def methods(api: str) -> tuple[tuple[str, re.Pattern[str], Mapping[str, Any]], ...]:
    """HTTP method, form of the path and description of each method."""

    def found(resources: Mapping[str, Any]) -> Iterator[tuple[str, re.Pattern[str], Mapping[str, Any]]]:
        for resource in resources.values():
            for method in resource.get("methods", {}).values():
                paths = [document(api)["servicePath"] + method.get("flatPath", method["path"])]
                paths += [media["path"] for media in method.get("mediaUpload", {}).get("protocols", {}).values()]
                for path in paths:
                    form = re.sub(r"\\\{\w+\\\}", "([^/:]+)", re.escape(path.lstrip("/")))
                    yield method["httpMethod"], re.compile(f"/{form}"), method
            yield from found(resource.get("resources", {}))

    return tuple(found(document(api)["resources"]))


def judge(api: str, http_method: str, path: str, query: Mapping[str, str], body: Any = None) -> str:
    """The id of the method (`storage.objects.get`) that a request calls. Raises `NotInTheDocument`.

    body: parsed JSON; None where there is none, or where it is a file's content.
    """
    for method, form, described in methods(api):  # noqa: B007 (the one that is found)
        if method == http_method and form.fullmatch(path):
            break
    else:
        raise NotInTheDocument(f"{api} has no {http_method} {unquote(path)}")
    known = {**document(api)["parameters"], **described.get("parameters", {}), "uploadType": {"type": "string"}}
    faults = [f"{name} is no parameter" for name in query if name not in known]
    for name, text in query.items():
        if name in known:
            faults += _value(api, {**known[name], "type": "string"}, text, name)
    if body is not None:
        if "request" not in described:
            faults.append("it takes no body")
        else:
            faults += _value(api, described["request"], body, "")
    if faults:
        raise NotInTheDocument(f"{described['id']}: {'; '.join(faults)}")
    return str(described["id"])


def faults_of(api: str, schema: str, value: Any, answer: bool = False) -> list[str]:
    """What of a value is not as the schema of that name (`InstanceTemplate`) has it. answer: Google writes it."""
    return list(_value(api, {"$ref": schema}, value, "", answer))


def answers(api: str, method: str) -> str:
    """The name of the schema of a method's answers (`compute.instances.get`); "" where it answers nothing."""
    return next(str(described.get("response", {}).get("$ref", "")) for *_, described in methods(api)
                if described["id"] == method)  # fmt: skip


def _value(api: str, schema: Mapping[str, Any], value: Any, path: str, answer: bool = False) -> Iterator[str]:
    if "$ref" in schema:
        schema = {**document(api)["schemas"][schema["$ref"]], **{k: v for k, v in schema.items() if k != "$ref"}}
    if value is None or value == "" or schema.get("type") in (None, "any"):
        return
    if schema.get("readOnly") and not answer:
        yield f"{path} is Google's to write"
    kind = _PYTHON[schema["type"]]
    if not isinstance(value, kind) or (isinstance(value, bool) and schema["type"] != "boolean"):
        yield f"{path} is {json.dumps(value)}, and no {schema['type']}"
    elif isinstance(value, dict):
        properties, more = schema.get("properties", {}), schema.get("additionalProperties")
        for name, item in value.items():
            if name in properties or more:
                yield from _value(api, properties.get(name, more), item, f"{path}.{name}".lstrip("."), answer)
            else:
                yield f"{path}.{name}".lstrip(".") + " is no field"
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _value(api, schema["items"], item, f"{path}[{index}]", answer)
    elif isinstance(value, str):
        if value not in schema.get("enum", [value]):
            yield f"{path} is {value}, and none of {', '.join(schema['enum'])}"
        if "pattern" in schema and not re.fullmatch(schema["pattern"], value):
            yield f"{path} is {value}, and not of the form {schema['pattern']}"

"""The schema of the plugin's package, from the types: what programs in YAML, TypeScript and others are checked by.

`python -m hashistack.component.schema` writes it to `provider/schema.json`.
"""

from __future__ import annotations

import ast
import dataclasses
import json
import re
import types
from collections.abc import Awaitable, Mapping, Sequence
from inspect import cleandoc, get_annotations, getsource
from textwrap import dedent
from typing import Any, Final, Literal, Union, get_args, get_origin

import pulumi

from hashistack.provider import registry
from hashistack.provider.component_types import SCHEMA, arguments_of, hints, outputs_of
from hashistack.spec.schema import schema as specification

_PACKAGE: Final = "hashistack:index"
_SPEC: Final = "ClusterSpec"
_SIMPLE: Final = {str: "string", bool: "boolean", int: "integer", float: "number"}
_OF_SPEC: Final = {"$ref": f"#/types/{_PACKAGE}:{_SPEC}", "plain": True}
_ANY: Final = {"$ref": "pulumi.json#/Any"}
RESERVED: Final = {"pulumi"}
"""Names that no property of a schema may have, or no language host takes it; these are then set in Python alone."""
JOB: Final = {
    "description": "A job in a cluster that another stack may have made; see docs/own-stack.md.",
    "inputProperties": {
        "connection": {"type": "string", "secret": True, "description": "The cluster's output of that name."},
        "job": {"type": "string", "description": "The job, as HCL or Nomad's own JSON."},
        "variables": {
            "type": "object",
            "additionalProperties": _ANY,
            "description": "Values of the variables that the HCL declares; the others have their defaults.",
        },
    },
    "requiredInputs": ["connection", "job"],
    "properties": {
        "job_id": {"type": "string", "description": "What Nomad calls the job."},
        "job_version": {"type": "integer", "description": "Nomad's number for what was deployed last."},
    },
    "required": ["job_id", "job_version"],
}


def text() -> str:
    """The schema as it is committed."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def schema() -> dict[str, Any]:
    """The schema, without the version, which the plugin says."""
    found = _specification()
    resources: dict[str, Any] = {}
    for token in registry.components():
        component = registry.component(token)
        arguments = arguments_of(component)
        inputs = _properties(arguments, found)
        resources[token] = {
            "isComponent": True,
            "description": " ".join(cleandoc(component.__doc__ or "").split()),
            "inputProperties": inputs,
            "requiredInputs": [one.name for one in dataclasses.fields(arguments) if _needed(one)],
            "properties": _outputs(component),
            "required": outputs_of(component),
        }
    resources[f"{_PACKAGE}:NomadJob"] = JOB
    return {
        "name": "hashistack",
        "description": "Reference Nomad, Consul and Vault clusters anywhere.",
        # Without a name of its own the SDK for Node would be called @pulumi/hashistack.
        "language": {"nodejs": {"packageName": "hashistack", "respectSchemaVersion": True}},
        "types": dict(sorted(found.items())),
        "resources": resources,
    }


def described(arguments: type) -> dict[str, str]:
    """What a dataclass's docstring says of each of its fields, as `name, other: text.`"""
    doc = " ".join(cleandoc(arguments.__doc__ or "").split())
    names = "|".join(sorted((one.name for one in dataclasses.fields(arguments)), key=len, reverse=True))
    marks = [*re.finditer(rf"(?:^|(?<=[.;] ))((?:{names})(?:, (?:{names}))*): ", doc)]
    ends = [*(mark.start() for mark in marks[1:]), len(doc)]
    return {
        name: _sentence(doc[mark.end() : end])
        for mark, end in zip(marks, ends, strict=True)
        for name in mark[1].split(", ")
    }


def _sentence(words: str) -> str:
    words = words.strip().rstrip(".;") + "."
    return words[0].upper() + words[1:]


def _properties(arguments: type, found: dict[str, Any]) -> dict[str, Any]:
    of, told = hints(arguments), described(arguments)
    return {
        one.name: {
            **(_OF_SPEC if _SPEC in str(one.type) else _type(of[one.name], found)),
            "description": told[one.name],
        }
        for one in dataclasses.fields(arguments)
    }


def _outputs(component: type) -> dict[str, Any]:
    of, told = get_annotations(component, eval_str=True), attributes(component)
    return {
        name: {**_input(_type(get_args(of[name])[0], {})), "description": told[name], **_secret(name)}
        for name in outputs_of(component)
    }


def attributes(of: type) -> dict[str, str]:
    """A class's annotated attributes with the docstrings that follow them, on one line each."""
    body = ast.parse(dedent(getsource(of))).body[0]
    assert isinstance(body, ast.ClassDef)  # noqa: S101 - what getsource gives for a class
    return {
        field.target.id: " ".join(str(after.value.value).split())
        for field, after in zip(body.body, body.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
    }


def _secret(name: str) -> dict[str, bool]:
    return {"secret": True} if name == "connection" else {}


def _needed(one: dataclasses.Field[Any]) -> bool:
    return one.default is one.default_factory  # both MISSING


def _type(hint: Any, found: dict[str, Any]) -> dict[str, Any]:
    """A type of an argument. What may be no output is `plain`."""
    if hint in _SIMPLE:
        return {"type": _SIMPLE[hint], "plain": True}
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return {"type": "string", "plain": True}
    if origin in (Union, types.UnionType):
        beside = [one for one in inner if one is not types.NoneType]
        outputs = [one for one in beside if get_origin(one) in (Awaitable, pulumi.Output)]
        (value,) = (one for one in beside if one not in outputs)
        said = _type(value, found)
        return _input(said) if outputs else said
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        name = f"{_PACKAGE}:{hint.__name__}"
        if name not in found:
            found[name] = {}  # itself may be inside of it
            found[name] = {
                "type": "object",
                "description": " ".join(cleandoc(hint.__doc__ or "").split()),
                "properties": _properties(hint, found),
                "required": [one.name for one in dataclasses.fields(hint) if _needed(one)],
            }
        return {"$ref": f"#/types/{name}", "plain": True}
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _type(inner[1], found), "plain": True}
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return {"type": "array", "items": _type(inner[0], found), "plain": True}
    raise TypeError(f"{hint} has no form in a schema")


def _input(said: Mapping[str, Any]) -> dict[str, Any]:
    """The same where outputs may stand: at the value, and in it."""
    return {
        key: _input(value) if isinstance(value, Mapping) else value for key, value in said.items() if key != "plain"
    }


def _specification() -> dict[str, Any]:
    """The sections of the specification as types of the package."""
    whole = specification()
    sections = {_SPEC: whole, **whole["$defs"]}
    return {f"{_PACKAGE}:{name}": _section(node) for name, node in sections.items() if "properties" in node}


def _section(node: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "description": " ".join(node.get("description", "").split()),
        "properties": {name: _field(one) for name, one in node["properties"].items() if name not in RESERVED},
        "required": sorted(node.get("required", ())),
    }


def _field(node: Mapping[str, Any]) -> dict[str, Any]:
    choices = node.get("enum", ())
    told = node.get("description", "")
    only = f" One of {', '.join(map(str, choices))}." if choices else ""
    return {**_plain(node), "description": f"{told}{only}"}


def _plain(node: Mapping[str, Any]) -> dict[str, Any]:
    """A node of the specification's JSON Schema."""
    if "anyOf" in node:
        beside = [_plain(one) for one in node["anyOf"] if one.get("type") != "null"]
        return beside[0] if len(beside) == 1 else {**_ANY, "plain": True}
    if "$ref" in node:
        return {"$ref": f"#/types/{_PACKAGE}:{node['$ref'].rpartition('/')[2]}", "plain": True}
    match node.get("type"):
        case "array":
            return {"type": "array", "items": _plain(node["items"]), "plain": True}
        case "object":
            inner = node.get("additionalProperties")
            of = _plain(inner) if isinstance(inner, Mapping) else _ANY
            return {"type": "object", "additionalProperties": of, "plain": True}
        case "string" | "integer" | "number" | "boolean":
            return {"type": node["type"], "plain": True}
    return {"type": "string", "plain": True} if "enum" in node or "const" in node else {**_ANY, "plain": True}


if __name__ == "__main__":
    SCHEMA.write_text(text(), encoding="utf-8")

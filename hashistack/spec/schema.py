"""The JSON Schema of a specification, for editors and for those who do not read Python."""

from __future__ import annotations

import ast
import inspect
import json
from textwrap import dedent
from typing import Any

from hashistack.spec.cluster import ClusterSpec
from hashistack.spec.section import Section


def schema() -> dict[str, Any]:
    """The JSON Schema of `ClusterSpec`; each field is described by the docstring that follows it."""
    result = ClusterSpec.model_json_schema()
    result["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    for section in Section.__subclasses__():
        node = result if section is ClusterSpec else result["$defs"].get(section.__name__)
        if node is not None:
            for field, text in descriptions(section).items():
                node["properties"][field]["description"] = text
    return result


def text() -> str:
    """The schema as it is published."""
    return json.dumps(schema(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def descriptions(section: type[Section]) -> dict[str, str]:
    """A section's fields with their docstrings, on one line each."""
    # Read here and not by pydantic, which would parse the sources at every import.
    body = ast.parse(dedent(inspect.getsource(section))).body[0]
    assert isinstance(body, ast.ClassDef)  # noqa: S101 - what getsource gives for a class
    found = {}
    for field, after in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(after, ast.Expr):
            name = field.target.id
            if name in section.model_fields and isinstance(after.value, ast.Constant):
                found[name] = inspect.cleandoc(str(after.value.value)).replace("\n", " ")
    return found

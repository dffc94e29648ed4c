"""Each field of the specification and of the components' arguments is a promise: something reads it."""

from __future__ import annotations

import ast
import dataclasses
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

import hashistack
from hashistack import AwsClusterArgs, AwsPoolOptions, ClusterSpec, LocalClusterArgs
from hashistack.machine.roles import TOOLS

PACKAGE = Path(hashistack.__file__).parent


def models(kind: Any, found: dict[str, type[BaseModel]] | None = None) -> dict[str, type[BaseModel]]:
    """The models that a specification is made of, by name."""
    found = {} if found is None else found
    model = isinstance(kind, type) and not isinstance(kind, types.GenericAlias) and issubclass(kind, BaseModel)
    if model and kind.__name__ not in found:
        found[kind.__name__] = kind
        for field in kind.model_fields.values():
            models(field.annotation, found)
    for inner in get_args(kind):
        models(inner, found)
    return found


def read() -> set[str]:
    """Every attribute that is read in the package, and the tools, whose versions are read by name."""

    def names() -> Iterator[str]:
        for path in PACKAGE.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                    yield node.attr

    return {*names(), *TOOLS}


READ = read()
FIXED = {("Acl", "anonymous")}
"""What can have one value alone: the specification refuses any other."""
FIELDS = [
    *((name, field) for name, model in models(ClusterSpec).items() for field in model.model_fields),
    *(
        (args.__name__, field.name)
        for args in (AwsClusterArgs, AwsPoolOptions, LocalClusterArgs)
        for field in dataclasses.fields(args)
    ),
]


@pytest.mark.parametrize(("owner", "field"), FIELDS)
def test_something_reads_the_field(owner: str, field: str) -> None:
    assert field in READ or (owner, field) in FIXED, (
        f"{owner}.{field} is declared and nothing reads it: implement it, or remove it"
    )


def test_the_walk_sees_the_fields_that_were_promises_once() -> None:
    assert {("Snapshots", "interval"), ("Snapshots", "retain"), ("Snapshots", "enabled"), ("Dns", "search")} <= set(
        FIELDS
    )

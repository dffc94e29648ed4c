"""What a component takes and gives out, by the types of its class: for the schema, and for `construct`."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

import pulumi

SCHEMA: Final = Path(__file__).with_name("schema.json")
"""The package's schema, written by `component/schema.py` from the types."""


def made(hint: Any, value: Any) -> Any:
    """A value of an argument, as its type wants it: numbers travel as doubles, options as plain objects."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):  # beside None, and outputs of it
        fits = [one for one in inner if dataclasses.is_dataclass(one) or get_origin(one) in (Mapping, Sequence)]
        return made(fits[0] if len(fits) == 1 else None, value)
    if isinstance(value, Mapping) and dataclasses.is_dataclass(hint) and isinstance(hint, type):
        of = hints(hint)
        return hint(**{name: made(of.get(name), one) for name, one in value.items()})
    if isinstance(value, Mapping):
        each = inner[1] if origin is Mapping else None
        return {key: made(each, one) for key, one in value.items()}
    if isinstance(value, list):
        return [made(inner[0] if origin is Sequence else None, one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def hints(of: type) -> dict[str, Any]:
    """The types of a dataclass's fields."""
    # `pulumi.Input` names an output's type by a text, and a specification comes as plain data.
    known = {"Output": pulumi.Output, "T": pulumi.output.T, "ClusterSpec": Mapping[str, Any]}
    return get_type_hints(of, localns=known)


def arguments_of(component: type) -> type:
    """The dataclass of a component's arguments."""
    found: type = get_type_hints(component.__init__)["args"]  # type: ignore[misc]
    return found


def outputs_of(component: type) -> list[str]:
    """The names of what a component gives out."""
    return [name for name in component.__annotations__ if not name.startswith("_")]

"""A specification out of a file that the user names, and a cluster's own among those of its stack."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hashistack.cli.errors import Refusal
from hashistack.ops.api.connection import Connection
from hashistack.spec import ClusterSpec


def read(file: Path) -> ClusterSpec:
    """The specification in a YAML or JSON file; `-` is standard input.

    Raises:
        Refusal: the file can't be read, or is no YAML.
        SpecError: it is no specification; has every problem.
    """
    import yaml

    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except OSError as error:
        raise Refusal(f"{file}: {error.strerror}", "name a file with a specification") from error
    try:
        data = yaml.safe_load(text)
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise Refusal(f"{file} is neither YAML nor JSON: {error}", "correct it") from error
    return ClusterSpec.parse({} if data is None else data)


def of_cluster(specs: Sequence[Mapping[str, Any]], connection: Connection, remedy: str) -> Mapping[str, Any]:
    """The specification of this cluster, whose id begins with its name. Raises Refusal."""
    found = [spec for spec in specs if spec["name"] == connection.name.rpartition("-")[0]]
    if len(found) != 1:
        raise Refusal(f"{len(found)} specifications are those of {connection.name}", remedy)
    return found[0]

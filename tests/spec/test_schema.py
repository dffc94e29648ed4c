"""The JSON Schema that is published."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from hashistack.spec.schema import schema, text


def test_the_command_prints_the_reviewed_schema(golden: Callable[[str, str], None]) -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "hashistack.spec"], check=True, capture_output=True, text=True
    ).stdout
    assert printed == text()
    assert json.loads(printed) == schema()
    golden("spec/schema.json", printed)


def test_every_field_is_described() -> None:
    root: dict[str, Any] = schema()
    nodes = {"ClusterSpec": root, **root["$defs"]}
    missing = [
        f"{name}.{field}"
        for name, node in nodes.items()
        for field, facts in node.get("properties", {}).items()
        if not facts.get("description")
    ]
    assert missing == []

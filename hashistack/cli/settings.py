"""What a stack's configuration says in plain text, read from its files before the engine runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hashistack.cli.errors import Refusal


def settings(directory: Path, project: str, stack: str) -> dict[str, Any]:
    """Configuration keys with their namespace (`aws:region`) to values: the project's defaults, then the stack's.

    Encrypted values are left out. Raises Refusal for a file that can't be read.
    """
    found: dict[str, Any] = {}
    for file in (directory / "Pulumi.yaml", directory / f"Pulumi.{stack}.yaml"):
        for key, value in _config(file).items():
            name = key if ":" in key else f"{project}:{key}"
            if isinstance(value, Mapping) and file.name == "Pulumi.yaml" and {"value", "default"} & value.keys():
                value = value.get("value", value.get("default"))
            if isinstance(value, Mapping) and value.keys() == {"secure"}:
                found.pop(name, None)
                continue
            found[name] = value
    return found


def _config(file: Path) -> Mapping[str, Any]:
    import yaml

    if not file.exists():
        return {}
    try:
        read = yaml.safe_load(file.read_text()) or {}
    except (OSError, yaml.YAMLError) as error:
        raise Refusal(f"{file} can't be read: {' '.join(str(error).split())}") from None
    config = read.get("config") if isinstance(read, dict) else None
    return config if isinstance(config, dict) else {}

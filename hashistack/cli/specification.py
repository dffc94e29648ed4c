"""A specification out of a file that the user names."""

from __future__ import annotations

import sys
from pathlib import Path

from hashistack.cli.errors import Refusal
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

"""What `import hashistack` costs a program that only wants the name."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from statistics import median

from bench.figure import Figure, load

RUNS = 10
SDKS = ("boto3", "docker", "google", "grpc", "pulumi", "pulumi_aws", "pulumi_gcp", "pydantic")
"""None of these may be loaded by the import alone."""


def figures() -> Iterator[Figure]:
    """Median of ten fresh processes, and how many SDKs the import loads."""
    before = load()
    floor = median(_seconds("pass") for _ in range(RUNS))
    whole = median(_seconds("import hashistack") for _ in range(RUNS))
    note = f"median of {RUNS} fresh processes; floor: python -c pass"
    yield Figure("import hashistack", whole * 1000, "ms", floor * 1000, limit=150, note=note, load=before)
    code = f"import hashistack, sys; print(*[name for name in {SDKS!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = done.stdout.split()
    yield Figure("SDKs that it loads", len(loaded), "", limit=0, note=", ".join(loaded), load=before)


def _seconds(code: str) -> float:
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.monotonic() - started

"""Questions a second and their latency, asked from inside a machine's network: unbound's cache, and Consul itself."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 3


@dataclass(frozen=True)
class Answered:
    """questions per second, the 99th percentile of their latency in ms, and how many were lost or refused."""

    per_second: float
    p99_ms: float
    failed: int


def ask(pid: int, name: str, port: int) -> Answered:
    """Ask for the A record of ``name`` for three seconds, from the network namespace of process ``pid``."""
    command = ["nsenter", "-t", str(pid), "-n", sys.executable, "-m", "bench.udp_client", name, str(port), str(SECONDS)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECONDS + 20, cwd=ROOT)
    return Answered(**json.loads(done.stdout))

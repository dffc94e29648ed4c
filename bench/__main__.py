"""`python -m bench [NAME…] [-o json]`: measures what is named, or everything. Exit code 1 when a target is missed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator

from bench import cluster, docker_tasks, idle, imports, leaders, planner, preview, roll, sizes
from bench.docker_tasks import NotStarted
from bench.figure import Figure, show
from bench.floor import FloorFailed
from bench.leaders import KillFailed
from bench.workspace import EngineFailed

BENCHES: dict[str, Callable[[], Iterator[Figure]]] = {
    "import": imports.figures,
    "sizes": sizes.figures,
    "planner": planner.figures,
    "preview": preview.figures,
    "cluster": cluster.figures,
    "docker": docker_tasks.figures,
    "idle": idle.figures,
    "roll": roll.figures,
    "leaders": leaders.figures,
}


def main() -> int:
    """Measure, show, and say by the exit code whether every target is met (2: nothing could be measured)."""
    parser = argparse.ArgumentParser("python -m bench", description="What hashistack costs, beside a floor.")
    parser.add_argument("name", nargs="*", metavar="NAME", help=f"{', '.join(BENCHES)} (default: all)")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.name if name not in BENCHES]:
        parser.error(f"no bench is called {', '.join(unknown)}; there are: {', '.join(BENCHES)}")
    figures: list[Figure] = []
    failed = False
    for name in arguments.name or BENCHES:
        try:
            figures.extend(BENCHES[name]())
        except (EngineFailed, FloorFailed, KillFailed, NotStarted) as error:
            print(f"{name}: {error}", file=sys.stderr)
            failed = True
    show(figures, arguments.output)
    return 2 if failed else int(any(figure.verdict == "missed" for figure in figures))


if __name__ == "__main__":
    sys.exit(main())

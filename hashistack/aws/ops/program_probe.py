"""What a program is going to declare, read before the engine runs it: nothing is made, and AWS is not asked.

The program runs in a process of its own, without an engine, up to its first AwsCluster.
"""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hashistack.errors import HashistackError

SECONDS = 60.0
"""For a program to come to its cluster; most of it is the import of pulumi_aws, about 3 s."""


@dataclass(frozen=True)
class Ahead:
    """A cluster as a program declares it: the specification's plain data, and whether the VPC is the user's own."""

    spec: Mapping[str, Any]
    own_vpc: bool = False


class Unreadable(HashistackError):
    """The program does not come to a cluster without an engine; the text says why."""


class _Reached(BaseException):
    """The program has come to its cluster. No program catches it by mistake."""


def read(directory: Path, project: str, stack: str, settings: Mapping[str, Any]) -> Ahead:
    """The first cluster of the program in `directory`.

    Args:
        settings: the stack's configuration, keys with their namespace.

    Raises:
        Unreadable: it declares none, or can't do so without an engine.
    """
    with TemporaryDirectory(prefix="hashistack-") as private:
        answer = Path(private, "answer")
        asked = {"project": project, "stack": stack, "settings": dict(settings), "answer": str(answer)}
        try:
            done = subprocess.run(
                [sys.executable, "-m", "hashistack.aws.ops.program_probe"],
                cwd=directory,
                input=json.dumps(asked),
                capture_output=True,
                text=True,
                timeout=SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise Unreadable(f"it did not come to a cluster within {SECONDS:.0f} s") from None
        if not answer.exists():
            said = [line for line in done.stderr.splitlines() if line.strip()]
            raise Unreadable(said[-1].strip()[:300] if said else "it declares no AwsCluster")
        found = json.loads(answer.read_text())
    return Ahead(found["spec"], found["own_vpc"])


def main() -> None:
    """The process that runs the program: the question comes on standard input, the answer goes to a private file."""
    import pulumi

    from hashistack.aws import cluster
    from hashistack.aws.args import AwsClusterArgs
    from hashistack.spec import ClusterSpec

    asked = json.load(sys.stdin)

    class Mocks(pulumi.runtime.Mocks):
        def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
            return f"{args.name}-id", dict(args.inputs)

        def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[Any, Any], None]:
            return {}, None

    class Recorder:
        def __init__(self, name: str, args: AwsClusterArgs, opts: object = None) -> None:
            spec = args.spec.model_dump(mode="json") if isinstance(args.spec, ClusterSpec) else dict(args.spec)
            Path(asked["answer"]).write_text(json.dumps({"spec": spec, "own_vpc": args.vpc_id is not None}))
            raise _Reached

    pulumi.runtime.set_mocks(Mocks(), project=asked["project"], stack=asked["stack"])
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in asked["settings"].items()}
    pulumi.runtime.set_all_config(texts)
    cluster.AwsCluster = Recorder  # type: ignore[misc, assignment]
    sys.path.insert(0, str(Path.cwd()))
    try:
        runpy.run_path("__main__.py", run_name="__main__")
    except _Reached:
        return


if __name__ == "__main__":
    main()

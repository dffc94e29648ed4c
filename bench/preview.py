"""What components cost in a preview of examples/prod: beside a flat program that declares the same resources."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.figure import Figure, load
from bench.workspace import Workspace

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "prod" / "__main__.py"
PAIRS = 5
SIZES = (3, 300, 3000)
"""Machines of the pool of services: the number of resources must not depend on it."""

_REGION = "eu-central-1"
_FLAT = """\
import json
from pathlib import Path

import pulumi
import pulumi_aws


def read(found):
    return pulumi.StringAsset(found["asset"]) if "asset" in found else found


declared = json.loads(Path({declared!r}).read_text(), object_hook=read)
for token, args in declared["calls"]:
    pulumi.runtime.invoke(token, args)
made = {{}}
for urn, type, name, inputs, version, needs in declared["resources"]:
    if type.startswith("aws:"):
        _, module, kind = type.split(":")
        getattr(getattr(pulumi_aws, module.split("/")[0]), kind)  # a lazy module is loaded by what is asked of it
    opts = pulumi.ResourceOptions(version=version, depends_on=[made[need] for need in needs if need in made])
    made[urn] = pulumi.CustomResource(type, name, inputs, opts)
"""


def figures() -> Iterator[Figure]:
    """Previews of both, turn and turn about, against a stand-in for AWS's plugin. Needs root, for AWS's addresses."""
    from hashistack.testing import Aws, record

    recorded = {size: record(_program(size), Aws(_REGION)) for size in SIZES}
    counts = {size: len(recording.resources) for size, recording in recorded.items()}
    note = ", ".join(f"{size} machines a pool: {count}" for size, count in counts.items())
    yield Figure("resources of examples/prod", counts[SIZES[-1]], "", counts[SIZES[0]], ratio_limit=1, note=note)
    with tempfile.TemporaryDirectory(prefix="hashistack-bench-") as private, _region(Path(private)):
        directory = Path(private)
        declared = directory / "declared.json"
        known = recorded[SIZES[0]]
        flat = [each for each in known.resources if each.custom and not each.type.startswith("pulumi:")]
        program = {
            "calls": [(call.token, call.args) for call in known.calls],
            # Each waits for what it is made of, as in any program that works.
            "resources": [
                (each.urn, each.type, each.name, each.inputs, _version(each.type), each.depends_on) for each in flat
            ],
        }
        # What a binary holds is unknown in a first preview: the flat program has a text in its place.
        declared.write_text(json.dumps(program, default=lambda asset: {"asset": asset.path}))
        ours = Workspace(directory, "prod", EXAMPLE.read_text())
        floor = Workspace(directory, "bench-flat", _FLAT.format(declared=str(declared)))
        for workspace in (ours, floor):
            workspace.configure("aws:region", _REGION)
        ours.preview(), floor.preview()
        before = load()
        pairs = [(ours.preview(), floor.preview()) for _ in range(PAIRS)]
        value, least = (min(times) for times in zip(*pairs, strict=True))
        note = f"best of {PAIRS}; floor: {len(flat)} resources in a flat program, of the same classes of pulumi_aws"
        yield Figure("preview of examples/prod", value, "s", least, ratio_limit=1.2, note=note, load=before)


def _program(size: int) -> Any:
    from hashistack import AwsCluster, AwsClusterArgs

    pool: Mapping[str, Any] = {"name": "services", "min": size, "max": size, "desired": size}
    spec = {"name": "prod", "clients": [pool, {"name": "batch", "min": 1, "max": 6}]}
    return lambda: AwsCluster("prod", AwsClusterArgs(spec=spec)) and None


def _version(type: str) -> str:
    from importlib.metadata import version

    from hashistack.version import VERSION

    return VERSION if type.startswith("hashistack:") else version("pulumi-aws")


@contextmanager
def _region(directory: Path) -> Iterator[None]:
    """The tests' region in a box, and their plugin on PATH, in the environment of whoever is started meanwhile."""
    from tests.box.prod import plugin
    from tests.region.region import Region

    plugins = plugin(directory / "bin", "aws", "tests.region.plugin.server")
    before = dict(os.environ)
    with Region(_REGION) as region:
        os.environ.update(region.environment, PATH=f"{plugins}{os.pathsep}{os.environ['PATH']}")
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)

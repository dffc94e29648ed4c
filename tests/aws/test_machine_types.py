"""What a machine type's name says, against EC2's own list as moto has it."""

from __future__ import annotations

import gzip
import json
from importlib.resources import files

import pytest

from hashistack.aws.pools.machine_types import REFERENCE, architecture, problems


def test_every_type_of_ec2_is_told_by_its_name() -> None:
    packed = (files("moto") / "ec2" / "resources" / "instance_types.json.gz").read_bytes()
    types = json.loads(gzip.decompress(packed))
    assert len(types) > 1000
    wrong = {
        name: found
        for name, facts in types.items()
        if (found := architecture(name)) != _of(facts["ProcessorInfo"]["SupportedArchitectures"])
    }
    assert wrong == {}


def _of(architectures: list[str]) -> str | None:
    if any("mac" in each for each in architectures):
        return None
    return "arm64" if "arm64" in architectures else "amd64"


@pytest.mark.parametrize("name", ["n1-standard-4", "e2-medium", "large", "m5", "Standard_D2s_v3", "m5.", ".large"])
def test_what_is_no_type_of_ec2(name: str) -> None:
    assert architecture(name) is None


@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_the_reference_type_is_of_its_architecture(arch: str) -> None:
    assert list(problems("servers.machine_type", [REFERENCE[arch]], arch)) == []
    (problem,) = problems("servers.machine_type", [REFERENCE["arm64" if arch == "amd64" else "amd64"]], arch)
    assert f"the pool is {arch}" in problem.what and "Set `arch:" in problem.remedy

"""examples/prod as it is: the same program and specification on Google Cloud, by a stack's configuration alone."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest

from hashistack.testing import Aws, Cloud, Gcp, Recording, record

PROD = Path(__file__).parents[2] / "examples" / "prod" / "__main__.py"
SPEC = {
    "name": "shop",
    "servers": {"count": 5},
    "clients": [{"name": "web", "min": 3, "max": 9}, {"name": "batch", "spot": True, "all_spot": True}],
}


def run(cloud: Cloud, **config: Any) -> Recording:
    values = {f"prod:{key}": value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}

    def program() -> dict[str, Any]:
        pulumi.runtime.set_all_config(values)
        runpy.run_path(str(PROD))
        return {}

    return record(program, cloud, project="prod")


def test_prod_on_google_cloud_is_three_servers_and_two_pools(golden: Callable[[str, str], None]) -> None:
    made = run(Gcp(), provider="gcp")
    groups = {
        each.name: each.inputs["targetSize"]
        for each in made.of("gcp:compute/regionInstanceGroupManager:RegionInstanceGroupManager")
    }
    assert groups == {"prod-server": 3, "prod-services": 2, "prod-batch": 2}
    lines = sorted(f"{each.type} {each.name}" for each in made.resources)
    golden("gcp/examples-prod.txt", "\n".join([f"{len(lines)} resources", *lines, ""]))


def test_the_same_specification_serves_both_clouds() -> None:
    on_google = run(Gcp(), provider="gcp", cluster=SPEC, protect=False, operators=["10.200.0.0/16"])
    on_aws = run(Aws(), cluster=SPEC, protect=False, operators=["10.200.0.0/16"])
    sizes = {
        each.name: each.inputs["targetSize"]
        for each in on_google.of("gcp:compute/regionInstanceGroupManager:RegionInstanceGroupManager")
    }
    assert (
        sizes
        == {each.name: each.inputs["desiredCapacity"] for each in on_aws.of("aws:autoscaling/group:Group")}
        == {"prod-server": 5, "prod-web": 3, "prod-batch": 2}
    )
    assert not any(each.protect for each in on_google.resources)
    assert any(each.inputs.get("sourceRanges") == ["10.200.0.0/16"] for each in on_google.resources)


@pytest.mark.parametrize("provider", ["azrue", "GCP"])
def test_another_cloud_is_refused(provider: str) -> None:
    with pytest.raises(pulumi.RunError, match=f"aws or gcp, not {provider}"):
        run(Aws(), provider=provider)


def test_people_reach_machines_by_identity_aware_proxy_where_sessions_are_wanted() -> None:
    for wanted in (False, True):
        made = run(Gcp(), provider="gcp", sessions=wanted)
        assert any(each.name.endswith("-from-iap") for each in made.resources) is wanted


@pytest.mark.parametrize("missing", ["project", "region"])
def test_without_project_or_region_it_says_which_and_how(missing: str) -> None:
    with pytest.raises(pulumi.RunError, match=rf"gcp:{missing}: is not set\. Run `pulumi config set gcp:{missing}"):
        run(Gcp(**{missing: ""}), provider="gcp")


@pytest.mark.parametrize(("cloud", "other"), [("Aws", "pulumi_gcp"), ("Gcp", "pulumi_aws")])
def test_a_stack_loads_the_sdk_of_its_own_cloud_alone(cloud: str, other: str, tmp_path: Path) -> None:
    """So that nobody has to install the other one."""
    program = f"""
import runpy, sys
sys.modules["{other}"] = None
import pulumi
from hashistack.testing import {cloud}, record
def program():
    pulumi.runtime.set_all_config({{"prod:provider": "{cloud.lower()}"}})
    runpy.run_path({str(PROD)!r})
    return {{}}
print(len(record(program, {cloud}(), project="prod").resources))
"""
    environment = {**os.environ, "PULUMI_HOME": str(tmp_path)}
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=False)
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) > 50

"""The job of EBS's plugin for volumes: Nomad reads it, and what it asks of AWS is what the pool's role may do."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from hashistack.aws import tags
from hashistack.aws.access import policies
from hashistack.aws.access.policies import Reach, Scope
from hashistack.spec.versions import newest_proven
from hashistack.toolchain import resolve

JOB = Path(__file__).parents[2] / "jobs" / "csi-ebs.nomad.hcl"


def test_it_gives_volumes_the_tag_by_which_the_role_may_use_them() -> None:
    order = ["job", "run", "-output", "-var", "cluster=shop-1a2b", "-var", "pool=storage", str(JOB)]
    program = resolve("nomad", newest_proven("nomad")).path
    read = json.loads(subprocess.run([program, *order], capture_output=True, text=True, check=True).stdout)["Job"]
    (constraint,) = read["Constraints"]
    assert (constraint["LTarget"], constraint["RTarget"]) == ("${meta.pool}", "storage")
    (task,) = read["TaskGroups"][0]["Tasks"]
    assert (task["Driver"], task["Config"]["privileged"]) == ("docker", True)
    assert task["Config"]["network_mode"] == "host"  # machines drop what other networks send to the metadata service
    (given,) = (one.partition("=")[2] for one in task["Config"]["args"] if one.startswith("--extra-tags="))
    scope = Scope("aws", "eu-west-1", "123456789012", "shop-1a2b")
    document = json.loads(policies.machine(scope, "storage", "client", Reach("b", ()), volumes=True))
    (make,) = (one for one in document["Statement"] if one["Sid"] == "MakeVolumes")
    assert given == f"{tags.CLUSTER}=shop-1a2b"
    assert make["Condition"]["StringEquals"][f"aws:RequestTag/{tags.CLUSTER}"] == "shop-1a2b"

"""Stacks as a release made them, under today's code and the real engine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ..box.prod import plugin
from ..provider.conftest import Project, project, pulumi_command  # noqa: F401 (fixtures)
from ..region.account import account

RECORDED = Path(__file__).with_name("recorded")
REGION = "eu-central-1"
PROGRAM = """\
import pulumi
from hashistack import {platform}Cluster, {platform}ClusterArgs
spec = {{"name": "upgrade", "clients": [{{"name": name, "desired": 1}} for name in {pools}]}}
cluster = {platform}Cluster("upgrade", {platform}ClusterArgs(spec=spec))
pulumi.export("connection", cluster.connection)
"""
IN_PLACE = {"forceDestroy", "heartbeatTimeout", "launchTemplate", "policy", "rules", "tagSpecifications", "userData"}
"""Inputs of our AWS resources that AWS changes in place. What becomes of a resource when another differs, nobody here
knows: look it up, and add it here, or name the loss."""
RENEWED = {"secretString"}
"""Inputs that a renewal of keys changes too, whatever AWS does then."""
STAY = {"pulumi:providers:aws", "pulumi:providers:hashistack", "aws:s3/bucketObjectv2:BucketObjectv2"}
"""Types that need not be kept: providers, and objects of the bucket, which stay there when nobody declares them."""
_recorded: set[str] = set()
"""Platforms whose state this run has recorded."""


@dataclass
class Recorded:
    """A stack, with the state of a release in it."""

    platform: str
    project: Project

    def declare(self, *pools: str) -> None:
        """A program with these pools of clients."""
        self.project.write(PROGRAM.format(platform=self.platform, pools=list(pools)))

    def lost(self) -> set[str]:
        """What today's code would not keep of the state: `TYPE NAME: ` and what is done, or to which inputs."""
        there = json.loads(self.project.run("stack", "export"))["deployment"]["resources"]
        said = self.project.run("preview", "--json", "--show-sames", within=300)
        steps = {step["urn"]: _loss(step) for step in json.loads(said[said.index("{\n") :])["steps"]}
        losses = {(one["type"], one["urn"]): steps.get(one["urn"], "delete") for one in there}
        return {
            f"{type} {urn.rpartition('::')[2]}: {what}"
            for (type, urn), what in losses.items()
            if what and type not in STAY
        }


def _loss(step: dict[str, Any]) -> str:
    """What a step of the engine does to a resource; "" where that keeps it."""
    if step["op"] in ("same", "update"):
        of_aws = step["urn"].split("::")[2].rpartition("$")[2].startswith("aws:")
        return (
            ", ".join(sorted({*step["diffReasons"]} - IN_PLACE - RENEWED)) if of_aws and step["op"] == "update" else ""
        )
    return str(step["op"])


@pytest.fixture
def stack(
    project: Project,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[Callable[[str], Recorded]]:
    """Makes the stack of a platform (`Local`, `Aws`)."""
    record: bool = request.config.getoption("--record-states")

    def made(platform: str) -> Recorded:
        found, file = Recorded(platform, project), RECORDED / f"{platform.lower()}.json"
        found.declare("web", "batch")
        if platform == "Aws":
            project.run("config", "set", "aws:region", REGION)
        if record and platform not in _recorded:
            _recorded.add(platform)
            project.run("up", "--yes", "--skip-preview", within=500)
            state = _small(json.loads(project.run("stack", "export")))
            for here in (str(project.directory.resolve()), str(Path.home())):
                state = state.replace(here, "/home/me")
            file.write_text(state)
            if platform == "Local":
                project.run("destroy", "--yes", "--skip-preview", within=300)
        project.run("stack", "import", "--file", str(file))
        return found

    with account(monkeypatch) as environment:
        plugins = plugin(tmp_path / "plugin", "aws", "tests.region.plugin.server")
        project.environment |= {**environment, "PATH": f"{plugins}:{project.environment['PATH']}"}
        yield made


def _small(state: dict[str, Any]) -> str:
    """A state as it is kept, a line for a resource. Left out are bundles, of which each release makes others, and where
    on a machine a resource was declared."""
    resources = state["deployment"]["resources"]
    for one in resources:
        for place in ("sourcePosition", "stackTrace"):
            one.pop(place, None)
        for props in (one.get("inputs", {}), one.get("outputs", {})):
            if "contentBase64" in props:
                props["contentBase64"] = ""
    lines = ",\n".join(json.dumps(one) for one in resources)
    state["deployment"]["resources"] = []
    return json.dumps(state).replace('"resources": []', f'"resources": [\n{lines}\n]') + "\n"

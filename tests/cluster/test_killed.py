"""`up` killed anywhere, with all that it started: the same command goes on, and `down` leaves nothing."""

from __future__ import annotations

import os
import random
import secrets
import time
from collections.abc import Callable

import docker

from .datacenter import Datacenter
from .project import Project, sites, small

SEED = "HASHISTACK_TESTS_SEED"
"""Repeats a run: the seed is printed when a test fails."""
KILLS = 5
LATEST_SECONDS = 8.0
"""Machines are made, and boot, within this time; later there is only waiting."""


def _killed_after(project: Project, seconds: float, *command: str) -> None:
    with project.start(*command) as process:
        time.sleep(seconds)  # the random moment is the test's subject, not a condition
        project.kill()
        process.communicate()


def test_up_killed_five_times_converges(
    docker_client: docker.DockerClient, make_project: Callable[[str], Project]
) -> None:
    seed = int(os.environ.get(SEED) or secrets.randbits(32))
    moments = sorted((random.Random(seed).uniform(0.5, LATEST_SECONDS) for _ in range(KILLS)), reverse=True)  # noqa: S311
    print(f"{SEED}={seed}: killed after {[round(moment, 1) for moment in moments]} s")
    project = make_project("killed")
    project.configure(cluster=small(f"k{secrets.token_hex(2)}"), arguments={"wait": "servers"})
    for moment in moments:
        _killed_after(project, moment, "up")
    print(project.run("up"))
    datacenter = Datacenter(docker_client, project)
    assert sites(docker_client, project) == {datacenter.site}
    assert len(datacenter.servers) == 3
    assert len(datacenter.clients) == 1
    assert datacenter.healthy()["can_lose"] == {"nomad": 1, "consul": 1, "vault": 1}
    # Killed while it destroys, too.
    _killed_after(project, moments[-1], "down", "--yes")
    project.run("down", "--yes")
    assert datacenter.left.now(docker_client) == []
    assert sites(docker_client, project) == set()


def test_down_right_after_a_kill_leaves_nothing(
    docker_client: docker.DockerClient, make_project: Callable[[str], Project]
) -> None:
    project = make_project("aborted")
    project.configure(cluster=small(f"a{secrets.token_hex(2)}"), arguments={"wait": "servers"})
    with project.start("up") as process:
        while not any(c.status == "running" for c in docker_client.containers.list(filters=_of(project))):
            assert process.poll() is None, process.communicate()
        project.kill()
        process.communicate()
    assert sites(docker_client, project)
    project.run("down", "--yes")
    assert sites(docker_client, project) == set()
    assert project.processes() == {}


def _of(project: Project) -> dict[str, list[str]]:
    return {"label": [f"hashistack.project={project.directory}", "hashistack.pool"]}

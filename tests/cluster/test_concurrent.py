"""Two at work on one stack: one of them is told who the other is."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable

import docker

from .project import Project, sites, small


def test_two_ups_at_once_have_one_clear_loser(
    docker_client: docker.DockerClient, make_project: Callable[[str], Project]
) -> None:
    project = make_project("contested")
    project.configure(cluster=small(f"c{secrets.token_hex(2)}"), arguments={"wait": "servers"})
    # Before any other test: the machine may have to make the image first.
    with project.start("up") as first, project.start("up") as second:
        said = {process: process.communicate(timeout=900)[0] for process in (first, second)}
    codes = sorted(process.returncode for process in said)
    assert codes == [0, 2], said
    loser = next(text for process, text in said.items() if process.returncode == 2)
    winner = next(text for process, text in said.items() if process.returncode == 0)
    assert "ready in" in winner
    assert re.search(r"locked by \S+@\S+, process \d+, since \d{4}-", loser), loser
    assert "Traceback" not in loser
    assert len(loser.strip().splitlines()) <= 4, loser
    assert len(sites(docker_client, project)) == 1

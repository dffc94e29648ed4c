"""A cluster that does not become ready: who was late, its last words, and a clean slate."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable

import docker

from .project import Project, sites, small


def test_a_failed_create_names_the_late_cleans_up_and_the_next_up_works(
    docker_client: docker.DockerClient, make_project: Callable[[str], Project]
) -> None:
    project = make_project("late")
    cluster = small(f"l{secrets.token_hex(2)}")
    filters = {"label": [f"hashistack.project={project.directory}"]}
    machines = {"label": [*filters["label"], "hashistack.pool"]}

    project.configure(cluster=cluster, arguments={"wait": "servers", "timeout_seconds": 0.5, "keep_on_failure": True})
    said = project.run("up", code=2)
    assert "The machines are kept" in said
    assert len(docker_client.containers.list(filters=machines)) == 4

    project.configure(cluster=cluster, arguments={"wait": "servers", "timeout_seconds": 0.5, "keep_on_failure": False})
    project.run("down", "--yes")
    said = project.run("up", code=2)
    assert "not ready after" in said
    # Which machine, which of its services, and the last lines of that service's log.
    assert re.search(r"^\s*(server|work)-\d+: (consul|nomad|vault|dns|boot) is .+\n\s{2,}\S", said, re.M), said
    assert "The machines were removed" in said
    assert "Traceback" not in said
    assert docker_client.containers.list(all=True, filters=filters) == []
    assert docker_client.volumes.list(filters=filters) == []

    project.configure(cluster=cluster, arguments={"wait": "servers"})
    assert "ready in" in project.run("up")
    assert len(docker_client.containers.list(filters=machines)) == 4
    assert len(sites(docker_client, project)) == 1

"""Taking a cluster's containers away."""

from __future__ import annotations

from typing import Any

import requests
from docker.errors import APIError, NotFound

from hashistack.local.removal import remove_containers


class Busy:
    """Docker while somebody else removes one container, and another is gone already."""

    def __init__(self) -> None:
        self.api = self
        self.awaited: list[str] = []

    def remove_container(self, container: str, v: bool, force: bool) -> None:
        response = requests.Response()
        response.status_code = 409 if container == "going" else 404
        raise (APIError if container == "going" else NotFound)("removal is in progress", response=response)

    def wait(self, container: str, timeout: float, condition: str) -> None:
        self.awaited.append(f"{container} {condition}")


def test_a_container_that_somebody_else_removes_is_waited_for() -> None:
    """Its volumes and its network are in use until it is gone."""
    docker: Any = Busy()
    remove_containers(docker, [{"Id": "going"}, {"Id": "gone"}])
    assert docker.awaited == ["going removed"]

"""What goes with a cluster, and what a user has put beside it: it is named, and it stays."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import requests
from docker.errors import APIError, NotFound

from hashistack.local.docker_client import DockerFailed
from hashistack.local.removal import remove_network, remove_volume


def refused(status: int) -> APIError:
    response = requests.Response()
    response.status_code = status
    return APIError("refused", response=response, explanation="network x has active endpoints")


class Api:
    """A network with these endpoints; `late`: containers that come into it while it is removed."""

    def __init__(self, endpoints: dict[str, str], late: tuple[str, ...] = ()) -> None:
        self.endpoints, self.late = endpoints, list(late)
        self.gone = False

    def inspect_network(self, network: str) -> dict[str, Any]:
        if self.gone:
            raise NotFound("no such network")
        return {"Name": "hosts-1234", "Containers": {id: {"Name": name} for id, name in self.endpoints.items()}}

    def disconnect_container_from_network(self, container: str, network: str, force: bool) -> None:
        assert force
        key = next(id for id, name in self.endpoints.items() if container in (id, name))
        assert container == (self.endpoints[key] if key.startswith("ep-") else key)
        del self.endpoints[key]

    def remove_network(self, network: str) -> None:
        if self.late:
            late = self.late.pop(0)
            self.endpoints[late] = late
        if self.endpoints:
            raise refused(403)
        self.gone = True


def test_a_container_of_somebody_else_is_taken_off_and_named() -> None:
    api, told = Api({"c1": "my-app", "ep-9": "stale"}), []
    remove_network(SimpleNamespace(api=api), "n", told.append)  # type: ignore[arg-type]
    assert api.gone
    assert told == [
        "container my-app is not of this cluster: it was disconnected from network hosts-1234",
        "container stale is not of this cluster: it was disconnected from network hosts-1234",
    ]


def test_one_that_comes_meanwhile_is_too() -> None:
    api, told = Api({}, late=("slow",)), []
    remove_network(SimpleNamespace(api=api), "n", told.append)  # type: ignore[arg-type]
    assert api.gone
    assert len(told) == 1


def test_one_that_always_comes_back_is_no_endless_loop() -> None:
    with pytest.raises(APIError):
        remove_network(SimpleNamespace(api=Api({}, late=tuple("abcdef"))), "n", print)  # type: ignore[arg-type]


def test_a_network_that_is_gone_is_fine() -> None:
    api = Api({})
    api.gone = True
    remove_network(SimpleNamespace(api=api), "n", print)  # type: ignore[arg-type]


def test_a_volume_that_somebody_mounts_stays_and_the_user_is_named() -> None:
    def remove_volume_(name: str, force: bool) -> None:
        raise refused(409)

    users = [{"Id": "c" * 64, "Names": ["/my-app"]}, {"Id": "d" * 64, "Names": []}]
    api = SimpleNamespace(remove_volume=remove_volume_, containers=lambda **given: users)
    with pytest.raises(DockerFailed) as caught:
        remove_volume(SimpleNamespace(api=api), "hosts-1234-server-secrets")  # type: ignore[arg-type]
    assert "is mounted by dddddddddddd, my-app, which is not of this cluster" in caught.value.what
    assert caught.value.remedy == "docker rm -f dddddddddddd my-app, then repeat"

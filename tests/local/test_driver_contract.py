"""LocalDriver keeps the contract of every platform, over a Docker in memory."""

from __future__ import annotations

import itertools
import json
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from docker.errors import NotFound

from hashistack.local.driver import LocalDriver
from hashistack.ops.rollout.driver import PoolDriver

from ..ops.pool_driver_contract import POOL, PoolDriverContract
from .test_driver import declared

SITE = "hosts-1a2b"


class Docker:
    """The verbs that a driver uses, and a dictionary of containers."""

    def __init__(self) -> None:
        self.found: dict[str, dict[str, Any]] = {}
        self.away = False
        self._created = itertools.count(1)
        self._ids = itertools.count(1)

    def _look(self, container: str) -> dict[str, Any]:
        self._answer()
        if container not in self.found:
            raise NotFound("No such container")
        return self.found[container]

    def _answer(self) -> None:
        if self.away:
            raise requests.exceptions.ConnectionError("Connection refused")

    def containers(self, **given: Any) -> list[dict[str, Any]]:
        self._answer()
        return [one for one in self.found.values() if one["State"] != "created"]

    def inspect_network(self, name: str) -> dict[str, Any]:
        self._answer()
        return {"Id": "n", "IPAM": {"Config": [{"Subnet": "10.0.0.0/24", "Gateway": "10.0.0.1"}]}}

    def create_host_config(self, **given: Any) -> dict[str, Any]:
        return given

    def create_volume(self, name: str, **given: Any) -> dict[str, str]:
        self._answer()
        return {"Name": name}

    def create_endpoint_config(self, **given: Any) -> dict[str, Any]:
        return given

    def create_networking_config(self, given: Any) -> Any:
        return given

    def create_container(self, image: str, name: str = "", labels: Any = None, **given: Any) -> dict[str, str]:
        self._answer()
        id = f"c{next(self._ids)}"
        self.found[id] = {
            "Id": id,
            "Names": [f"/{name}"],
            "Labels": labels,
            "State": "created",
            "Created": next(self._created),
            "NetworkSettings": {"Networks": {}},
            "Policy": "unless-stopped",
        }
        return {"Id": id}

    def put_archive(self, container: str, path: str, data: bytes) -> bool:
        return bool(self._look(container))

    def start(self, container: str) -> None:
        self._look(container)["State"] = "running"

    def stop(self, container: str, timeout: int) -> None:
        self._look(container)["State"] = "exited"

    def get_archive(self, container: str, path: str) -> Any:
        self._look(container)
        raise NotFound("no such file")

    def inspect_container(self, container: str) -> dict[str, Any]:
        found = self._look(container)
        return {
            "RestartCount": 0,
            "HostConfig": {"RestartPolicy": {"Name": found["Policy"]}},
            "NetworkSettings": {"Networks": {SITE: {"NetworkID": "n"}}},
            "Config": {"Labels": found["Labels"]},
            "State": {"Running": found["State"] == "running", "Status": found["State"]},
        }

    def update_container(self, container: str, restart_policy: Any) -> None:
        self._look(container)["Policy"] = restart_policy["Name"]

    def kill(self, container: str, signal: str) -> None:
        self._look(container)

    def remove_container(self, container: str, **given: Any) -> None:
        self._look(container)
        del self.found[container]

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the driver uses a verb that is not here: {name}")


class Platform:
    def __init__(self) -> None:
        self.docker = Docker()
        self._driver = LocalDriver(declared(SITE), SimpleNamespace(api=self.docker))  # type: ignore[arg-type]
        self._driver.grow(POOL, 2)

    def driver(self) -> PoolDriver:
        return self._driver

    def vanish(self) -> None:
        self.docker.away = True


class TestLocalDriver(PoolDriverContract):
    @pytest.fixture
    def platform(self) -> Platform:
        return Platform()

    def test_it_keeps_no_secret_in_labels(self, platform: Platform) -> None:
        assert "secret" not in json.dumps([one["Labels"] for one in platform.docker.found.values()])

"""AwsDriver keeps the contract of every platform, over moto."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from hashistack.ops.rollout.driver import PoolDriver

from ...ops.pool_driver_contract import POOL, PoolDriverContract
from .conftest import Site
from .lifecycle import Lifecycle


class Platform:
    def __init__(self, site: Site) -> None:
        self._site = site
        site.pool(POOL, 2)
        self._driver = site.driver()

    def driver(self) -> PoolDriver:
        return self._driver

    def vanish(self) -> None:
        def unreachable(**given: Any) -> None:
            raise EndpointConnectionError(endpoint_url="https://ec2.eu-central-1.amazonaws.com")

        for client in (self._driver._ec2, self._driver._autoscaling):
            client.meta.events.register("before-call", unreachable)


class TestAwsDriver(PoolDriverContract):
    @pytest.fixture
    def platform(self, site: Site, lifecycle: Lifecycle) -> Platform:
        return Platform(site)

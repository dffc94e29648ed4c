"""GcpDriver keeps the contract of every platform, over a project that is none."""

from __future__ import annotations

import pytest

from hashistack.ops.rollout.driver import PoolDriver

from ...ops.pool_driver_contract import POOL, PoolDriverContract
from .conftest import Site


class Platform:
    def __init__(self, site: Site) -> None:
        self._site = site
        site.pool(POOL, 2)
        self._driver = site.driver()

    def driver(self) -> PoolDriver:
        return self._driver

    def vanish(self) -> None:
        self._site.apis.away = True


class TestGcpDriver(PoolDriverContract):
    @pytest.fixture
    def platform(self, site: Site) -> Platform:
        return Platform(site)

"""A region for the session, and examples/prod brought up in it by the real command."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..box.prod import brought_up, plugin
from ..box.suite import OLD
from ..cluster.project import until
from .datacenter import Datacenter
from .region import Region

CIDR = "10.214.0.0/16"


@pytest.fixture(scope="session")
def region() -> Iterator[Region]:
    with Region() as region:
        region.machines.on_alpine = {"server", "batch"}
        print(f"the region is {region.behaviour}")  # its seed repeats it
        yield region


@pytest.fixture(scope="session")
def prod(region: Region, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Datacenter]:
    """The example's program to the letter: three servers and two pools, of old versions."""
    place = tmp_path_factory.mktemp("prod")
    plugins = plugin(place / "bin", "aws", "tests.region.plugin.server")
    with brought_up(
        place,
        plugins,
        region.environment,
        {"aws:region": region.name},
        image="debian",  # Alpine, the default, wants a static Nomad: minutes of building where none is published
        protect=False,
        cluster={
            "network": {"cidr": CIDR},
            "versions": OLD,
            "upgrade": {"min_healthy_time": "2s", "drain_deadline": "2m"},
            "clients": [
                {"name": "services", "min": 1, "max": 4, "desired": 2},
                {
                    "name": "batch",
                    "min": 0,
                    "max": 4,
                    "desired": 1,
                    "spot": True,
                    "on_demand_base": 1,
                    "machine_type": "m6i.large",
                    "machine_types": ["m5.large"],
                },
            ],
        },
    ) as project:
        yield Datacenter(region, project)
    # Docker's containers follow the emulator's instances.
    until(lambda: not region.machines.left(), 60, "nothing is left in Docker")

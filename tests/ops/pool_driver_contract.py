"""What every platform's `PoolDriver` promises to a rollout: each platform's tests run it over a stand-in of theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import pytest

from hashistack.errors import HashistackError
from hashistack.ops.rollout.driver import DriverFailed, PoolDriver

POOL = "workers"


class Platform(Protocol):
    """A platform with a cluster of one pool, `workers`, that has two machines."""

    def driver(self) -> PoolDriver: ...

    def vanish(self) -> None:
        """From now on nobody answers there."""


class PoolDriverContract:
    """Subclass it, with a fixture `platform`."""

    def test_what_is_there_is_listed_oldest_first(self, platform: Platform) -> None:
        found = platform.driver().instances()
        assert [one.pool for one in found] == [POOL, POOL]
        assert {one.state for one in found} == {"running"}
        assert len({one.name for one in found}) == 2
        assert [one.age for one in found] == sorted((one.age for one in found), reverse=True)
        assert all(one.bundle for one in found)

    def test_a_check_changes_nothing(self, platform: Platform) -> None:
        driver = platform.driver()
        before = {one.name for one in driver.instances()}
        driver.check(POOL)
        assert {one.name for one in driver.instances()} == before

    def test_new_machines_have_names_that_nobody_had(self, platform: Platform) -> None:
        driver = platform.driver()
        before = {one.name for one in driver.instances()}
        made = driver.grow(POOL, 1)
        after = {one.name: one for one in driver.instances()}
        assert len(made) == 1
        assert not before & set(made)
        assert set(after) == before | set(made)
        assert after[made[0]].pool == POOL

    def test_a_machine_that_was_told_to_go_is_told_again(self, platform: Platform) -> None:
        driver = platform.driver()
        name = driver.instances()[0].name
        driver.terminate([name])
        driver.terminate([name])
        assert {one.state for one in driver.instances() if one.name == name} <= {"leaving", "stopped"}
        assert [one.state for one in driver.instances() if one.name != name] == ["running"]

    def test_what_is_gone_may_go_again(self, platform: Platform) -> None:
        driver = platform.driver()
        name = driver.instances()[0].name
        driver.discard([name])
        driver.discard([name])
        driver.terminate([name])
        assert [one.name for one in driver.instances() if one.name == name and one.state == "running"] == []

    def test_machines_stop_and_start_or_it_says_why_not(self, platform: Platform) -> None:
        driver = platform.driver()
        name = driver.instances()[0].name

        def state() -> list[str]:
            return [one.state for one in driver.instances() if one.name == name]

        if why := driver.cannot_stop:
            for refused in (driver.stop, driver.start):
                with pytest.raises(DriverFailed) as caught:
                    refused([name])
                assert why in str(caught.value)
            assert state() == ["running"]
            return
        driver.stop([name])
        driver.stop([name])
        assert state() == ["stopped"]
        driver.start([name])
        driver.start([name])
        assert state() == ["running"]

    def test_a_machine_that_never_was_is_nobody(self, platform: Platform) -> None:
        driver = platform.driver()
        before = driver.instances()
        driver.terminate(["nobody"])
        driver.discard(["nobody"])
        assert driver.evidence("nobody") == ""
        assert [one.name for one in driver.instances()] == [one.name for one in before]

    @pytest.mark.parametrize(
        "call",
        [
            lambda driver, name: driver.instances(),
            lambda driver, name: driver.grow(POOL, 1),
            lambda driver, name: driver.terminate([name]),
            lambda driver, name: driver.discard([name]),
            lambda driver, name: driver.start([name]),
            lambda driver, name: driver.stop([name]),
        ],
        ids=["instances", "grow", "terminate", "discard", "start", "stop"],
    )
    def test_a_platform_that_is_away_is_one_error(
        self, platform: Platform, call: Callable[[PoolDriver, str], object]
    ) -> None:
        driver = platform.driver()
        name = driver.instances()[0].name
        platform.vanish()
        with pytest.raises(DriverFailed) as caught:
            call(driver, name)
        assert isinstance(caught.value, HashistackError)
        assert caught.value.what
        assert caught.value.remedy or caught.value.what == driver.cannot_stop
        assert "Traceback" not in str(caught.value)

    def test_evidence_never_stands_in_the_way_of_the_reason(self, platform: Platform) -> None:
        """A rollout asks for it when it fails, and has something to say of its own."""
        driver = platform.driver()
        name = driver.instances()[0].name
        platform.vanish()
        assert name in driver.evidence(name)

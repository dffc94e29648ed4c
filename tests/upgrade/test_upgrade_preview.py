"""What a new release does to stacks of the last one: it replaces and deletes nothing that CHANGELOG.md does not name.

`recorded/` has the states of stacks that the last release made (CONTRIBUTING.md, "A release"). Their keys are those of
clusters that are gone. AWS's provider is a stand-in, which does not know all that the real one replaces for: whatever
it would change counts as lost, but for inputs that are known to be changed in place.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from hashistack.ops.api.connection import Connection

from .conftest import Recorded
from .named import against


@pytest.mark.parametrize("platform", ["Aws", "Local"])
def test_nothing_is_lost_that_the_changelog_does_not_name(stack: Callable[[str], Recorded], platform: str) -> None:
    assert against(platform, stack(platform).lost()) == []


@pytest.mark.parametrize("platform", ["Aws", "Local"])
def test_the_connection_of_the_last_release_is_read(stack: Callable[[str], Recorded], platform: str) -> None:
    said = stack(platform).project.run("stack", "output", "connection", "--show-secrets")
    connection = Connection.parse(json.loads(said))
    assert connection.provider == platform.lower()
    assert [pool.name for pool in connection.pools] == ["server", "web", "batch"]


def test_a_pool_that_is_declared_no_more_is_lost(stack: Callable[[str], Recorded]) -> None:
    made = stack("Aws")
    made.declare("web")
    lost = made.lost()
    assert "aws:autoscaling/group:Group upgrade-batch: delete" in lost
    assert [one for one in lost if "upgrade-web" in one] == []

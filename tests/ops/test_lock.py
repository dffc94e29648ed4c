"""One rollout at a time, by a real Nomad's lock."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from hashistack.ops.api import lock
from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.lock import PATH, Lock, Locked


@pytest.fixture(autouse=True)
def shortest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "TTL_SECONDS", 10)  # the least that Nomad takes
    monkeypatch.setattr(lock, "RENEW_SECONDS", 1.0)


def test_the_second_one_hears_who_has_the_cluster(cluster: Cluster) -> None:
    with Lock(cluster.nomad.api, "a rollout") as held:
        with pytest.raises(Locked) as refused, Lock(cluster.nomad.api, "healing"):
            pass
        said = str(refused.value)
        assert f"a rollout by {os.environ.get('USER', 'root')}@{socket.gethostname()}, process {os.getpid()}" in said
        assert not held.lost.is_set()
    with Lock(cluster.nomad.api, "healing"):
        pass  # it was let go


def test_a_lock_outlives_its_time_as_long_as_its_holder_lives(cluster: Cluster) -> None:
    with Lock(cluster.nomad.api, "a rollout") as held:
        assert not held.lost.wait(lock.TTL_SECONDS * 1.5)
        with pytest.raises(Locked), Lock(cluster.nomad.api, "healing"):
            pass


def test_a_holder_that_was_killed_on_this_host_is_waited_for(cluster: Cluster) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    body = {
        "Path": PATH.removeprefix("/v1/var/"),
        "Items": {"host": socket.gethostname(), "pid": str(ended.pid)},
        "Lock": {"TTL": "10s", "LockDelay": "1s"},
    }
    cluster.nomad.api.call("PUT", f"{PATH}?lock-acquire", body=body)
    with Lock(cluster.nomad.api, "a rollout") as held:
        assert not held.lost.is_set()

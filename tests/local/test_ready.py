"""Whether LocalReady has machines to bring about: what Docker lists beside what is declared."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from hashistack.local.handlers import ready
from hashistack.provider.handler import Context, Props

POOLS = [{"name": "server", "count": 1, "bundle": "b1"}, {"name": "web", "count": 2, "bundle": "b2"}]
NEWS: Props = {"connection": json.dumps({"name": "shop-1a2b", "pools": POOLS}), "rollout": "up", "wait": "full"}


def container(
    name: str, bundle: str, state: str = "running", policy: str = "unless-stopped", restarts: int = 0
) -> Props:
    pool = name.rpartition("-")[0]
    labels = {"hashistack.machine": name, "hashistack.pool": pool, "hashistack.slot": "0", "hashistack.bundle": bundle}
    networks = {"Networks": {"shop-1a2b": {"IPAddress": "10.213.0.9"}}}
    host = {"HostConfig": {"RestartPolicy": {"Name": policy}}, "RestartCount": restarts}
    return {"Id": name, "Labels": labels, "State": state, "Created": 1, "NetworkSettings": networks, **host}


class Docker:
    """A Docker that only lists."""

    def __init__(self, *containers: Props) -> None:
        self.there = {one["Id"]: one for one in containers}

    def containers(self, *, all: bool, filters: Any) -> list[Props]:
        assert all
        return list(self.there.values())

    def inspect_container(self, container: str) -> Props:
        return self.there[container]


WHOLE = (container("server-1", "b1"), container("web-1", "b2"), container("web-2", "b2"))


@pytest.mark.parametrize(
    ("containers", "as_declared"),
    [
        (WHOLE, True),
        (WHOLE[:2], False),
        ((*WHOLE, container("web-3", "b2")), False),
        ((*WHOLE[:2], container("web-2", "b0")), False),
        ((*WHOLE[:2], container("web-2", "b2", state="exited")), False),
        ((*WHOLE[:2], container("web-2", "b2", policy="no")), False),
        ((*WHOLE[:2], container("web-2", "b2", restarts=1)), False),
        ((*WHOLE, container("batch-1", "b3")), False),
    ],
    ids=[
        "whole",
        "lost",
        "too many",
        "outdated",
        "stopped",
        "told to go",
        "started again",
        "of a pool that is declared no more",
    ],
)
def test_only_what_differs_from_what_is_declared_is_work(
    monkeypatch: pytest.MonkeyPatch, containers: tuple[Props, ...], as_declared: bool
) -> None:
    monkeypatch.setattr(ready, "engine", lambda: SimpleNamespace(api=Docker(*containers)))
    assert ready._as_declared(NEWS) is as_declared
    if as_declared:
        diff = ready.ReadyHandler().diff(Context(), "shop-1a2b", dict(NEWS), dict(NEWS))
        assert not diff.update

"""The clusters of this Docker host, by labels: an image hands its own down to containers, and decides nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hashistack.local import discovery

OVER = "2001-01-01T00:00:00+00:00"


def labelled(site: str, **more: str) -> dict[str, Any]:
    return {
        "State": "running",
        "Labels": {"hashistack.cluster": site, **{f"hashistack.{k}": v for k, v in more.items()}},
    }


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[dict[str, Any]]]:
    """What Docker lists: containers, networks and volumes, which a test fills."""
    there: dict[str, list[dict[str, Any]]] = {"containers": [], "networks": [], "volumes": []}
    api = SimpleNamespace(
        containers=lambda **asked: there["containers"],
        networks=lambda **asked: there["networks"],
        volumes=lambda **asked: {"Volumes": there["volumes"]},
    )
    monkeypatch.setattr(discovery, "engine", lambda patience: SimpleNamespace(api=api, close=lambda: None))
    return there


def test_a_cluster_is_what_its_network_says(docker: dict[str, list[dict[str, Any]]]) -> None:
    docker["containers"] = [labelled("shop-1a2b", pool="server"), labelled("shop-1a2b", role="api")]
    docker["networks"] = [labelled("shop-1a2b", expires=OVER, owner="me", run="7")]
    (found,) = discovery.clusters()
    assert (found.site, found.machines, found.up) == ("shop-1a2b", 1, 1)
    assert (found.expires, found.owner, found.run) == (OVER, "me", "7")


def test_a_containers_own_label_ends_no_cluster(docker: dict[str, list[dict[str, Any]]]) -> None:
    docker["containers"] = [labelled("shop-1a2b", expires=OVER, run="7")]
    (found,) = discovery.clusters()
    assert (found.expires, found.run) == ("", "")


@pytest.mark.parametrize("site", ["/home/somebody", "../../..", "shop", "shop-1a2b/..", "*-1a2b", ""])
def test_what_can_not_be_a_sites_id_is_no_cluster(docker: dict[str, list[dict[str, Any]]], site: str) -> None:
    for kind in docker:
        docker[kind] = [labelled(site, expires=OVER)]
    assert discovery.clusters() == []

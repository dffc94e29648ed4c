"""Taking a cluster's containers away."""

from __future__ import annotations

from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from docker.errors import APIError, NotFound

from hashistack.component import tenure
from hashistack.component.findings import Finding
from hashistack.local import preflight
from hashistack.local.handlers import cluster_id
from hashistack.local.handlers.cluster_id import SiteHandler
from hashistack.local.removal import remove_containers
from hashistack.provider.handler import Context, Diff, ResourceFailed
from hashistack.spec import ClusterSpec


class Busy:
    """Docker while somebody else removes one container, and another is gone already."""

    def __init__(self) -> None:
        self.api = self
        self.awaited: list[str] = []

    def remove_container(self, container: str, v: bool, force: bool) -> None:
        response = requests.Response()
        response.status_code = 409 if container == "going" else 404
        raise (APIError if container == "going" else NotFound)("removal is in progress", response=response)

    def wait(self, container: str, timeout: float, condition: str) -> None:
        self.awaited.append(f"{container} {condition}")


def test_a_container_that_somebody_else_removes_is_waited_for() -> None:
    """Its volumes and its network are in use until it is gone."""
    docker: Any = Busy()
    remove_containers(docker, [{"Id": "going"}, {"Id": "gone"}])
    assert docker.awaited == ["going removed"]


def test_what_this_machine_lacks_is_told_at_once_and_in_a_preview_too(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        Finding("Docker answers", True, "version 20.10"),
        Finding("4 GiB of memory are free", False, "1.0 GiB free", "stop something"),
        Finding("the clocks agree", False, "Docker's is 90 s off ours"),
    ]
    monkeypatch.setattr(cluster_id, "engine", lambda: None)
    monkeypatch.setattr(preflight, "run", lambda client: found)
    news = {"name": "shop", "spec": ClusterSpec(name="shop").model_dump_json(), "project": "/p"}
    for call in (
        lambda: SiteHandler().preview(Context(preview=True), None, news),
        lambda: SiteHandler().create(Context(), news),
    ):
        with pytest.raises(ResourceFailed) as refused:
            call()
        assert str(refused.value) == (
            "4 GiB of memory are free: no. 1.0 GiB free. Next: stop something\n"
            "the clocks agree: no. Docker's is 90 s off ours"
        )
    monkeypatch.setattr(preflight, "run", lambda client: found[:1])
    assert SiteHandler().preview(Context(preview=True), None, news) == {}


def test_a_cluster_is_labelled_with_its_time_its_owner_and_its_run(monkeypatch: pytest.MonkeyPatch) -> None:
    docker = SimpleNamespace(api=SimpleNamespace(containers=lambda **given: []))
    monkeypatch.setattr(cluster_id, "engine", lambda: docker)
    monkeypatch.setattr(preflight, "run", lambda client: [])
    for name in (tenure.RUN, *tenure.RUNS, tenure.TTL):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(tenure.OWNER, "me")
    news = {"name": "shop", "spec": ClusterSpec(name="shop").model_dump_json(), "project": "/p"}
    labels = SiteHandler().create(Context(), news)[1]["labels"]
    assert labels["hashistack.owner"] == "me"
    assert not {"hashistack.expires", "hashistack.run"} & labels.keys()
    monkeypatch.setenv(tenure.TTL, "90m")
    monkeypatch.setenv("GITHUB_RUN_ID", "4711")
    labels = SiteHandler().create(Context(), news)[1]["labels"]
    stays = datetime.fromisoformat(labels["hashistack.expires"]) - datetime.fromisoformat(labels["hashistack.created"])
    assert (stays.total_seconds(), labels["hashistack.run"]) == (5400, "4711")
    monkeypatch.setenv(tenure.TTL, "2 days")
    with pytest.raises(ResourceFailed, match=r"^--ttl \(HASHISTACK_TTL\) '2 days' is not a duration\. Next: "):
        SiteHandler().create(Context(), news)


def test_a_cluster_whose_time_is_over_is_not_made_anew_under_its_label(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its new machines would be removed by the next `gc`, with their data."""
    there: list[Any] = [{}]
    docker = SimpleNamespace(api=SimpleNamespace(containers=lambda **given: there))
    monkeypatch.setattr(cluster_id, "engine", lambda: docker)
    news = {"name": "shop", "spec": ClusterSpec(name="shop").model_dump_json(), "project": "/p"}
    olds = {**news, "site": "shop-1a2b", "labels": {"hashistack.expires": "2001-01-01T00:00:00+00:00"}}
    told: list[tuple[str, str]] = []
    context = Context(log=lambda severity, text: told.append((severity, text)))
    assert SiteHandler().diff(context, "shop-1a2b", olds, news) == Diff()
    ((severity, text),) = told
    assert (severity, "the time of shop-1a2b was over at 2001" in text) == ("warning", True)
    there.clear()
    with pytest.raises(ResourceFailed, match=r"was over at 2001.*, and it is removed\. Next: hashistack down"):
        SiteHandler().diff(context, "shop-1a2b", olds, news)
    for stays in ({}, {"hashistack.expires": "2199-01-01T00:00:00+00:00"}, {"hashistack.expires": "tomorrow"}):
        assert SiteHandler().diff(context, "shop-1a2b", {**olds, "labels": stays}, news) == Diff()


def test_a_component_of_another_name_does_not_take_a_clusters_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """To Pulumi it is a new cluster, after which the old one is deleted, with its data."""
    asked: list[Any] = []

    def containers(**given: Any) -> list[Any]:
        asked.append(given)
        return [{"Labels": {"hashistack.cluster": "shop-1a2b"}}]

    docker = SimpleNamespace(api=SimpleNamespace(containers=containers))
    monkeypatch.setattr(cluster_id, "engine", lambda: docker)
    monkeypatch.setattr("hashistack.local.preflight.run", lambda client: [])
    context = Context(urn="urn:pulumi:dev::shops::hashistack:index:LocalSite::renamed-site")
    with pytest.raises(ResourceFailed, match="this stack has the cluster shop-1a2b already"):
        cluster_id.SiteHandler().create(context, {"name": "shop", "project": "/srv/shop"})
    labels = ["hashistack.name=shop", "hashistack.project=/srv/shop", "hashistack.stack=shops/dev"]
    assert asked == [{"all": True, "filters": {"label": labels}}]

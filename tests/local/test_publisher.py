"""Published ports of pools, where no container is needed: who has them, who is refused, what is told."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from hashistack.local import driver, ranges
from hashistack.local.driver import LocalDriver
from hashistack.local.front import Front
from hashistack.local.handlers import api, cluster_id
from hashistack.local.handlers.api import ApiHandler
from hashistack.local.handlers.cluster_id import SiteHandler
from hashistack.local.operations import LocalOperations
from hashistack.local.publisher import declared
from hashistack.ops.api.connection import Connection
from hashistack.provider.handler import Context, Props, ResourceFailed
from hashistack.spec import ClusterSpec

CLIENTS = [
    {"name": "web", "publish": [{"port": 80, "host": 8080}, {"port": 9090}]},
    {"name": "batch"},
]
SPEC = ClusterSpec.parse({"name": "shop", "clients": CLIENTS})
INPUTS: Props = {
    "site": "shop-1a2b",
    "labels": {"hashistack.cluster": "shop-1a2b"},
    "network": "n1",
    "cidr": "10.213.4.0/24",
    "gateway": "10.213.4.1",
    "port_base": 24000,
    "image": "machine:1",
}


def connection() -> Connection:
    texts = ("provider", "datacenter", "operator_cert_pem", "operator_key_pem")
    endpoint = {"address": "https://127.0.0.1:1", "servers": [], "token": "", "username": "", "password": ""}
    apis = dict.fromkeys(("nomad", "consul", "vault"), endpoint)
    template = {**INPUTS, "spec": SPEC.model_dump_json()}
    pool = {"name": "server", "role": "server", "count": 3, "bundle": "0" * 64, "template": template}
    given = {**dict.fromkeys(texts, ""), "region": "global", "ca_pem": "PEM"}
    return Connection.parse({**given, **apis, "format": 1, "name": "shop-1a2b", "pools": [pool]})


def docker(*holders: tuple[str, str]) -> Any:
    """Docker with containers of these clusters that publish these ports."""
    found = [{"Labels": {"hashistack.cluster": site, "hashistack.published": ports}} for site, ports in holders]

    def containers(*, all: bool, filters: dict[str, list[str]]) -> list[Props]:
        return [
            one for one in found if all and {label.partition("=")[0] for label in filters["label"]} <= {*one["Labels"]}
        ]

    return SimpleNamespace(containers=containers)


def test_a_rollout_keeps_the_container_that_up_made(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[list[Front]] = []
    ensure: Callable[[Any, list[Front]], None] = lambda client, plans: made.append(plans)  # noqa: E731
    monkeypatch.setattr(api, "ensure", ensure)
    monkeypatch.setattr(api, "engine", lambda: None)
    monkeypatch.setattr(driver.front, "ensure", ensure)
    published = declared(SPEC.model_dump())
    news = {**INPUTS, "ca_pem": "PEM", "region": "global", "domain": "consul", "published": published}
    ApiHandler().create(Context(), news)
    LocalDriver(connection(), SimpleNamespace()).ensure_api()  # type: ignore[arg-type]
    by_up, by_rollout = ({plan.role: plan.digest for plan in plans} for plans in made)
    assert by_up == by_rollout and set(by_up) == {"api", "dns", "ports"}


def test_status_tells_what_is_published() -> None:
    assert LocalOperations().published(connection()) == [
        "127.0.0.1:8080 leads to port 80 of web",
        "127.0.0.1:9090 leads to port 9090 of web",
    ]


def test_a_port_is_taken_by_a_program_by_hashistack_or_by_another_cluster() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        busy = other.getsockname()[1]
        found = dict(
            ranges.taken(
                docker(("other-3c4d", "7001,7002"), ("shop-1a2b", "7003")), [busy, 24005, 7002, 7003], "shop-1a2b"
            )
        )
    assert found == {
        busy: "another program",
        24005: "hashistack, for the APIs of clusters (24000 to 30399)",
        7002: "the cluster other-3c4d",
    }


def test_a_taken_port_is_refused_before_anything_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_id, "engine", lambda: SimpleNamespace(api=docker(("other-3c4d", "8080,9090"))))
    monkeypatch.setattr("hashistack.local.preflight.run", lambda client: [])
    news = {"name": "shop", "project": "/srv/shop", "spec": SPEC.model_dump_json()}
    olds = {**news, "spec": json.dumps({"name": "shop"}), "site": "shop-1a2b", "labels": {}}
    handler = SiteHandler()
    for attempt in (
        lambda: handler.preview(Context(preview=True), None, news),
        lambda: handler.preview(Context(preview=True), olds, news),
        lambda: handler.create(Context(), news),
        lambda: handler.update(Context(), "shop-1a2b", olds, news),
    ):
        with pytest.raises(ResourceFailed) as refused:
            attempt()
        assert str(refused.value) == (
            "port 8080 of 127.0.0.1 can't be published: it belongs to the cluster other-3c4d\n"
            "port 9090 of 127.0.0.1 can't be published: it belongs to the cluster other-3c4d\n"
            "Next: give another `host` in the pool's `publish`, or end what has the port"
        )

"""When a pool's bundle is rendered, and when the last one still holds."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import pytest

from hashistack.component.anew import ANEW
from hashistack.local.blueprint import bundle
from hashistack.local.handlers import pool as docker_pool
from hashistack.local.handlers.cluster_id import SiteHandler
from hashistack.local.handlers.pool import PoolHandler, _bundle_digest, template
from hashistack.local.machines import Machine
from hashistack.machine.source_digest import source_digest
from hashistack.provider.handler import UNKNOWN, Context, Props
from hashistack.spec import ClusterSpec
from hashistack.spec.versions import newest_proven

TOOLS = {
    name: {"version": "1", "sha256": f"{number:064x}", "path": f"/tools/{name}"}
    for number, name in enumerate(("cni", "consul", "nomad", "vault"))
}


@pytest.fixture
def news() -> Props:
    return {
        "site": "test-0000",
        "pool": "server",
        "spec": ClusterSpec(name="test").model_dump_json(),
        "tools": TOOLS,
        "upstreams": ["127.0.0.11"],
        "gateway": "10.213.0.1",
        "count": 3,
        "secrets": "{}",
    }


@pytest.fixture
def olds(news: Props) -> Props:
    """The state after an `up` with these inputs, under a digest that no rendering gives."""
    return {**news, "bundle_sha256": "kept", "renderer": source_digest("local"), "template": template(news)}


def _rendered(news: Props) -> str:
    return bundle(template(news)).sha256


def test_unchanged_inputs_keep_the_digest(olds: Props, news: Props) -> None:
    assert _bundle_digest(olds, news) == "kept"
    assert _bundle_digest(olds, {**news, "count": 5, "secrets": "other"}) == "kept"


@pytest.mark.parametrize(
    "change",
    [
        {"upstreams": ["192.0.2.1"]},
        {"gateway": "10.213.1.1"},
        {"spec": ClusterSpec(name="test", datacenter="other").model_dump_json()},
        {"tools": {**TOOLS, "vault": {**TOOLS["vault"], "sha256": "f" * 64}}},
        {"pool": "workers"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_changed_input_is_rendered(change: Props, olds: Props, news: Props) -> None:
    assert _bundle_digest(olds, {**news, **change}) == _rendered({**news, **change}) != _rendered(news)


def test_another_renderer_renders(olds: Props, news: Props, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _bundle_digest({**olds, "renderer": "older"}, news) == _rendered(news)
    assert _bundle_digest({name: olds[name] for name in olds if name != "renderer"}, news) == _rendered(news)
    monkeypatch.setattr(docker_pool, "source_digest", lambda provider: "newer")
    assert _bundle_digest(olds, news) == _rendered(news)


@pytest.mark.parametrize(
    ("tools", "spec", "told"),
    [
        ("older", ClusterSpec(name="test"), "consul older → {consul}, nomad older → {nomad}, vault older → {vault}"),
        ("wanted", ClusterSpec(name="test"), ""),
        ("older", UNKNOWN, ""),
    ],
)
def test_before_the_tools_are_here_their_versions_say_which_pool_rolls(
    olds: Props, news: Props, tools: str, spec: object, told: str
) -> None:
    had = {
        name: {**tool, "version": newest_proven(name) if tools == "wanted" else tools} for name, tool in TOOLS.items()
    }
    before = {**olds, "template": {**olds["template"], "tools": had}}
    text = spec.model_dump_json() if isinstance(spec, ClusterSpec) else spec
    said: list[str] = []
    context = Context(preview=True, log=lambda severity, text: said.append(text))
    diff = PoolHandler().diff(context, "test-0000-server", before, {**news, "tools": UNKNOWN, "spec": text})
    assert diff.update == ("bundle_sha256",)
    wanted = {product: newest_proven(product) for product in ("consul", "nomad", "vault")}
    assert said == ([f"server: its machines are to be replaced by new ones: {told.format(**wanted)}"] if told else [])


def test_a_preview_knows_the_site_that_there_is() -> None:
    """Everything else would be replaced for one that may be another."""
    made = {"site": "test-0000", "labels": {"a": "b"}}
    text = ClusterSpec(name="test").model_dump_json()
    assert SiteHandler().preview(Context(preview=True), {**made, "spec": text}, {"spec": text}) == made


class Docker:
    """A Docker with machines of one pool. It keeps what is removed, made, started and written."""

    def __init__(self, *machines: Machine) -> None:
        self.there = list(machines)
        self.removed: list[str] = []
        self.volumes: list[str] = []
        self.made: list[tuple[int, bool]] = []
        self.written: list[str] = []


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch) -> Docker:
    docker = Docker()
    client = SimpleNamespace(api=SimpleNamespace(remove_volume=lambda name, force: docker.volumes.append(name)))
    lives = {"exited": "stopped", "created": "terminated", "left": "terminated"}

    def make(client: object, plan: object, names: Sequence[str], secrets: object, *, started: bool = True) -> None:
        docker.made.append((len(names), started))

    monkeypatch.setattr(docker_pool, "engine", lambda: client)
    monkeypatch.setattr(docker_pool.machines, "listed", lambda api, site, pool: docker.there)
    monkeypatch.setattr(docker_pool.machines, "start", make)
    monkeypatch.setattr(docker_pool.machines, "put_secrets", lambda client, id, documents: docker.written.append(id))
    monkeypatch.setattr(docker_pool.power, "life", lambda client, one: lives.get(one.state, one.state))
    monkeypatch.setattr(
        docker_pool, "remove_containers", lambda client, found: docker.removed.extend(one["Id"] for one in found)
    )
    return docker


def machine(number: int, state: str, bundle: str = "kept") -> Machine:
    return Machine(f"id{number}", f"server-{number}", "server", number, state, bundle, 1, "10.213.0.9")


INPUTS = {"labels": {}, "network": "n1", "port_base": 24000, "image": "machine"}


@pytest.mark.parametrize("state", ["running", "exited"])
def test_machines_that_are_stopped_are_a_pool_that_lives(docker: Docker, olds: Props, news: Props, state: str) -> None:
    docker.there = [machine(number, state) for number in (1, 2, 3)]
    news, olds = {**news, **INPUTS}, {**olds, **INPUTS}
    olds["template"] = template(news)
    assert PoolHandler().diff(Context(), "id", olds, news).update == ()
    PoolHandler().update(Context(), "id", olds, {**news, "secrets": "other"})
    assert (docker.removed, docker.volumes, docker.made) == ([], [], [])
    assert docker.written == ["id1"], "its store gets what has changed"


@pytest.mark.parametrize("left", [(), ("created", "created"), ("left", "left", "left")])
def test_servers_that_are_all_gone_are_made_but_not_started_and_nothing_that_ran_is_removed(
    docker: Docker, olds: Props, news: Props, left: tuple[str, ...]
) -> None:
    docker.there = [machine(number, state) for number, state in enumerate(left)]
    news = {**news, **INPUTS}
    assert "machines" in PoolHandler().diff(Context(), "id", olds, news).update
    PoolHandler().update(Context(), "id", olds, news)
    assert docker.made == [(3, False)]
    assert docker.volumes == [], "Vault's unseal key may be needed yet"
    assert docker.removed == [one.id for one in docker.there if one.state == "created"]


def test_they_begin_again_once_the_user_has_said_so(
    docker: Docker, olds: Props, news: Props, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker.there = [machine(1, "left"), machine(2, "created")]
    monkeypatch.setenv(ANEW, "another-1a2b")
    PoolHandler().update(Context(), "id", olds, {**news, **INPUTS})
    assert (docker.volumes, docker.made) == ([], [(3, False)]), "said of another cluster"
    monkeypatch.setenv(ANEW, news["site"])
    PoolHandler().update(Context(), "id", olds, {**news, **INPUTS})
    assert (docker.volumes, docker.made[1:]) == (["id-secrets"], [(3, True)])
    assert docker.removed[1:] == ["id1", "id2"]


def test_clients_that_are_all_gone_are_started_at_once(docker: Docker, olds: Props, news: Props) -> None:
    PoolHandler().update(Context(), "id", olds, {**news, **INPUTS, "pool": "workers"})
    assert (docker.made, docker.volumes) == ([(3, True)], [])


def test_a_create_that_was_killed_is_taken_over_with_machines_that_are_stopped(docker: Docker, news: Props) -> None:
    news = {**news, **INPUTS}
    mine = _rendered(news)
    docker.there = [machine(1, "exited", mine), machine(2, "exited", "other"), machine(3, "created", mine)]
    PoolHandler().create(Context(), news)
    assert docker.removed == ["id2", "id3"]
    assert (docker.made, docker.volumes) == ([(2, True)], [])

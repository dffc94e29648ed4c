"""When a pool's bundle is rendered, and when the last one still holds."""

from __future__ import annotations

import pytest

from hashistack.local.blueprint import bundle
from hashistack.local.handlers import pool as docker_pool
from hashistack.local.handlers.cluster_id import SiteHandler
from hashistack.local.handlers.pool import PoolHandler, _bundle_digest, template
from hashistack.machine.source_digest import source_digest
from hashistack.provider.handler import UNKNOWN, Context, Props
from hashistack.spec import ClusterSpec
from hashistack.spec.versions import newest

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
    had = {name: {**tool, "version": newest(name) if tools == "wanted" else tools} for name, tool in TOOLS.items()}
    before = {**olds, "template": {**olds["template"], "tools": had}}
    text = spec.model_dump_json() if isinstance(spec, ClusterSpec) else spec
    said: list[str] = []
    context = Context(preview=True, log=lambda severity, text: said.append(text))
    diff = PoolHandler().diff(context, "test-0000-server", before, {**news, "tools": UNKNOWN, "spec": text})
    assert diff.update == ("bundle_sha256",)
    wanted = {product: newest(product) for product in ("consul", "nomad", "vault")}
    assert said == ([f"server: its machines are to be replaced by new ones: {told.format(**wanted)}"] if told else [])


def test_a_preview_knows_the_site_that_there_is() -> None:
    """Everything else would be replaced for one that may be another."""
    made = {"site": "test-0000", "labels": {"a": "b"}}
    assert SiteHandler().preview(Context(preview=True), {**made, "spec": "old"}, {"spec": "new"}) == made

"""The agents' own validators say what they don't take, before anything is made: the real programs, run here."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from hashistack.component.findings import parsed
from hashistack.component.looks import answer
from hashistack.component.own_settings import findings
from hashistack.provider.handler import Context
from hashistack.spec import ClusterSpec, Versions
from hashistack.spec.catalog import RELEASES
from hashistack.spec.versions import SIGNED, newest_proven
from hashistack.toolchain import ToolError, resolution
from hashistack.toolchain.tool import Unavailable


def spec(servers: dict[str, Any] | None = None, *clients: dict[str, Any]) -> ClusterSpec:
    pools = [{"name": f"pool{index}", **client} for index, client in enumerate(clients)]
    return ClusterSpec.parse({"servers": servers or {}, "clients": pools or [{"name": "web"}]})


def test_what_they_take_is_found_valid_and_what_nobody_set_is_not_asked() -> None:
    own = spec(
        {"nomad_config": {"server": {"job_gc_threshold": "5h"}}, "vault_config": {"default_lease_ttl": "700h"}},
        {"consul_config": {"limits": {"http_max_conns_per_client": 150}}},
        {},
    )
    assert [(one.sentence.partition(" takes ")[2], one.ok, one.detail) for one in findings(own)] == [
        ("spec.servers.nomad_config", True, "valid"),
        ("spec.servers.vault_config", True, "valid"),
        ("spec.clients[0].consul_config", True, "valid"),
    ]
    assert list(findings(ClusterSpec())) == []


PROVEN = [
    (release.product, release.version)
    for release in RELEASES
    if release.proven and release.product in SIGNED and release.version != newest_proven(release.product)
]


@pytest.mark.parametrize(("product", "version"), PROVEN)
def test_each_proven_release_takes_the_whole_configuration_that_its_series_gets(product: str, version: str) -> None:
    own = {"nomad": {"server": {"job_gc_threshold": "5h"}}, "consul": {"log_level": "debug"}}.get(product)
    settings = {f"{product}_config": own or {"default_lease_ttl": "700h"}}
    clients = [settings] if product != "vault" else []
    of_release = spec(settings, *clients).model_copy(update={"versions": Versions(**{product: version})})
    found = list(findings(of_release, build=True))
    assert [(one.sentence.partition(" takes ")[0], one.ok, one.detail) for one in found] == [
        (f"{product} {version}", True, "valid")
    ] * (1 + len(clients))


@pytest.mark.parametrize(
    ("product", "settings", "words"),
    [
        ("nomad", {"server": {"no_such_setting": 1}}, "server unexpected keys no_such_setting"),
        ("nomad", {"client": {"gc_interval": "soon"}}, "gc_interval can't parse time duration soon"),
        ("nomad", {"telemetry": None}, "root.telemetry: not an object type"),
        ("consul", {"no_such_setting": True}, "invalid config key no_such_setting"),
        ("consul", {"dns_config": {"node_ttl": "soon"}}, 'time: invalid duration "soon"'),
        ("vault", {"no_such_setting": True}, "unknown field no_such_setting"),
        ("vault", {"default_lease_ttl": "soon"}, 'time: invalid duration "soon"'),
    ],
)
def test_what_they_refuse_is_one_finding_in_their_words(product: str, settings: dict[str, Any], words: str) -> None:
    (found,) = findings(spec({f"{product}_config": settings}))
    assert found.ok is False
    assert found.sentence.endswith(f"takes spec.servers.{product}_config")
    assert words in found.detail
    assert "/tmp" not in found.detail
    assert "\n" not in str(found)


def test_what_a_release_took_once_is_told_with_what_to_write_instead() -> None:
    own = {"server": {"raft_boltdb": {"no_freelist_sync": True}}, "client": {"disk_free_mb": 5}}
    of_release = spec({"nomad_config": own}).model_copy(update={"versions": Versions(nomad="1.10.5")})
    (valid,) = findings(of_release)
    assert valid.ok
    # There is no agent of this release here, and none is asked for.
    of_release = spec({"nomad_config": own}).model_copy(update={"versions": Versions(nomad="2.0.4")})
    told = [(one.ok, one.detail, one.remedy) for one in islice(findings(of_release), 2)]
    assert told == [
        (None, "client.disk_free_mb: from 1.11.1 on, is ignored", "set `client.reserved.disk`"),
        (
            False,
            "server.raft_boltdb: from 2.0.0 on, does not go with `server.raft_logstore`, which hashistack sets: "
            "the agent would not start",
            "remove it; once there, `server.raft_logstore` has the same (`backend: boltdb`)",
        ),
    ]


def test_all_pools_are_told_at_once_and_to_the_doctor_too() -> None:
    own = spec({"consul_config": {"nope": 1}}, {"nomad_config": {"nope": 1}}, {"nomad_config": {"client": {"no": 1}}})
    logged: list[str] = []
    told = answer(
        Context(log=lambda severity, text: logged.append(text)), {"spec": own.model_dump_json(), "build": False}
    )
    assert [one.ok for one in parsed(told["findings"])] == [False, False, False]
    assert len([line for line in logged if line.startswith("hashistack found: ")]) == 3


def test_nothing_is_built_for_a_preview(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def gone(*_: object) -> Any:
        raise Unavailable("nobody has it")

    def build(*_: object) -> Any:
        raise ToolError("the source build was reached")

    monkeypatch.setenv("HASHISTACK_CACHE", str(tmp_path))
    monkeypatch.setattr(resolution, "_from_mirror", gone)
    monkeypatch.setattr(resolution, "_from_vendor", gone)
    monkeypatch.setattr(resolution, "_from_source", build)
    own = spec({"vault_config": {"no_such_setting": True}})
    (found,) = findings(own, build=False)
    assert found.ok is None
    assert "not checked here: vault" in found.detail
    assert "source build was reached" not in found.detail
    assert "hashistack toolchain fetch vault --version" in found.remedy
    (found,) = findings(own, build=True)
    assert "source build was reached" in found.detail

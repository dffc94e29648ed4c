"""Own settings of the agents: what is taken, and what is refused by name unless the pool accepts it."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from hashistack.spec import ClusterSpec, SpecError
from hashistack.spec.own_settings import REFUSED

SECRET = "hvs.CAESIJnotarealtokennotarealtoken"


def told(servers: dict[str, Any] | None = None, client: dict[str, Any] | None = None) -> list[str]:
    """Every line that a specification with these settings is refused with."""
    try:
        ClusterSpec.parse({"servers": servers or {}, "clients": [{"name": "web", **(client or {})}]})
    except SpecError as error:
        return str(error).splitlines()
    return []


def test_settings_of_ones_own_are_taken_as_they_are() -> None:
    own = {"nomad_config": {"server": {"job_gc_threshold": "5h"}, "telemetry": {"filter_default": False}}}
    spec = ClusterSpec.parse({"servers": {**own, "vault_config": {"ui": False}}, "clients": [{"name": "web"}]})
    assert spec.servers.nomad_config == own["nomad_config"]
    assert spec.to_look_at
    assert ClusterSpec.parse(spec.model_dump(mode="json")) == spec
    assert not ClusterSpec().to_look_at


@pytest.mark.parametrize("pool", ["servers", "clients"])
@pytest.mark.parametrize(("field", "path"), [(field, path) for field, paths in REFUSED.items() for path in paths])
def test_what_would_undo_the_cluster_is_refused_by_name_unless_accepted(pool: str, field: str, path: str) -> None:
    value: Any = {"any": 1}
    for key in reversed(path.split(".")):
        value = {key.upper(): value}  # neither HCL nor Consul tells case
    settings = {field: value}
    if (pool, field) == ("clients", "vault_config"):
        assert "Vault runs on servers alone: set it in `servers`." in told(client=settings)[0]
        return
    by = {"servers": {"servers": settings}, "clients": {"client": settings}}[pool]
    (line,) = told(**by)
    assert REFUSED[field][path] in line
    assert line.endswith(f"Remove it, or set `accept: [{field}.{path}]` beside it.")
    settings["accept"] = [f"{field}.{path}"]
    assert told(**by) == []


def test_all_of_it_is_told_at_once_with_path_reason_and_remedy() -> None:
    assert told(
        servers={"vault_config": {"seal": {"transit": {}}}, "consul_config": {"acl": {"enabled": False}}},
        client={
            "nomad_config": {"client": None, "plugin": {"docker": {"config": {"allow_privileged": True}}}},
            "accept": ["raw_exec", "nomad_config.tl"],
        },
    ) == [
        "spec.servers.consul_config.acl: is refused: whoever reaches the API could do everything without it; `acl` of "
        "the specification has what may differ. Remove it, or set `accept: [consul_config.acl]` beside it.",
        "spec.servers.vault_config.seal: is refused: it protects all of Vault's secrets; `seal` of the specification "
        "has what may differ. Remove it, or set `accept: [vault_config.seal]` beside it.",
        "spec.clients[0].nomad_config.client: must be a mapping, or it takes the place of "
        "`client.bridge_network_subnet`: other machines, certificates and the firewall rely on it (got null). Write "
        "name: value pairs.",
        "spec.clients[0].nomad_config.plugin.docker.config.allow_privileged: is refused: it gives tasks more of the "
        "machine: the right to submit jobs could become root there (got true). Remove it, or set "
        "`accept: [nomad_config.plugin.docker.config.allow_privileged]` beside it.",
        'spec.clients[0].accept: "nomad_config.tl" is nothing that this pool could accept. Did you mean '
        '"nomad_config.tls"?',
    ]


@pytest.mark.parametrize(
    "settings",
    [
        {"telemetry": {"circonus_api_token": "abc"}},
        {"telemetry": {"circonus_api_url": SECRET}},
        {"ui": {"passwords": {}, "password": ["abc"]}},
    ],
)
def test_a_secret_is_refused_and_not_shown_unless_it_is_accepted(settings: dict[str, Any]) -> None:
    (line,) = told(client={"nomad_config": settings})
    assert "would hold a secret: own settings lie in the bundle and in the state" in line
    assert "abc" not in line
    assert SECRET not in line
    danger = line.partition("accept: [")[2].partition("]")[0]
    assert told(client={"nomad_config": settings, "accept": [danger]}) == []


def test_a_list_of_blocks_is_no_way_around_it() -> None:
    (line,) = told(client={"nomad_config": {"plugin": [{"docker": {"config": {"allow_privileged": True}}}]}})
    assert "nomad_config.plugin: must be a mapping" in line
    (line,) = told(client={"nomad_config": {"client": [{"options": {}}]}})
    assert "nomad_config.client: must be a mapping" in line


@pytest.mark.parametrize("value", [date(2026, 1, 1), float("nan"), b"bytes", {1: 2}, object()])
def test_what_is_no_plain_data_is_refused(value: Any) -> None:
    (line,) = told(servers={"consul_config": {"limits": [value]}})
    assert line.startswith("spec.servers.consul_config.limits[0]:") or "has a key that is not text" in line


def test_no_machines_secret_is_filled_in() -> None:
    (line,) = told(client={"nomad_config": {"client": {"meta": {"x": "{{secret.nomad_gossip}}"}}}})
    assert "by which hashistack fills in what only a machine knows" in line


def test_it_belongs_into_a_pool() -> None:
    with pytest.raises(SpecError, match="Set it in `servers`, in a pool of `clients`, or in both"):
        ClusterSpec.parse({"consul_config": {"limits": {}}})

"""What `config explain` says of each setting's change is what a change of it does."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import certifi
import pytest

from hashistack.aws.pools.launch import made_of
from hashistack.machine.bundle import Binary, render
from hashistack.spec import ClusterSpec
from hashistack.spec.explain import REPLACES, SINCE, settings
from hashistack.spec.immutable import problems

from .cases import AWS, SERVER

ARCHIVES = {"amd64": "a" * 64, "arm64": "b" * 64}
PEM = Path(certifi.where()).read_text().partition("-----END CERTIFICATE-----")[0].partition("-----BEGIN")[2]
PEM = f"-----BEGIN{PEM}-----END CERTIFICATE-----\n"
POLICY = {
    "max_surge": 2,
    "max_unavailable": 1,
    "canary": 1,
    "pace": "applications",
    "drain_deadline": "30m",
    "min_healthy_time": "20s",
    "max_kill_timeout": "1m",
    "hook_timeout": "3h",
}
Values = dict[str, Any]


def spec(*given: Values) -> ClusterSpec:
    """The reference cluster with two pools, `a` and `b`; `clients.X` of what is given is of the first."""
    data: Values = {"clients": [{"name": "a"}, {"name": "b"}]}
    for path, value in ((path, value) for one in given for path, value in one.items()):
        section, _, field = path.partition(".")
        if not field:
            data[section] = value
        elif section == "clients":
            data["clients"][0][field] = value
        else:
            data.setdefault(section, {})[field] = value
    return ClusterSpec.parse(data)


KEYED = {"seal": {"type": "awskms", "key": "alias/x"}}
MIRRORED = {"host": "docker.io", "mirrors": ["https://mirror.example.com"]}
SUBNET = {"cidr": "10.8.0.0/24"}
PEER = {"name": "p", "cidr": "10.9.0.0/24"}
SPOT = {"clients.spot": True, "clients.on_demand_base": 1}
CHANGES: dict[str, tuple[Values, Values]] = {
    path: ({}, {path: value})
    for path, value in {
        "name": "other",
        "datacenter": "dc2",
        "region": "eu",
        "servers.count": 5,
        "servers.zones": ["a1", "b1", "c1"],
        "servers.machine_type": "m6i.xlarge",
        "servers.arch": "arm64",
        "servers.disk_gib": 60,
        "servers.heartbeat_grace": "45s",
        "servers.nomad_config": {"server": {"job_gc_threshold": "2h"}},
        "servers.consul_config": {"log_level": "debug"},
        "servers.vault_config": {"log_level": "debug"},
        "servers.accept": ["nomad_config.enable_debug"],
        "clients.name": "c",
        "clients.desired": 3,
        "clients.min": 1,
        "clients.max": 4,
        "clients.machine_type": "m6i.xlarge",
        "clients.disk_gib": 60,
        "clients.arch": "arm64",
        "clients.node_pool": "batch",
        "clients.node_class": "c7",
        "clients.meta": {"rack": "2"},
        "clients.drivers": ["exec"],
        "clients.accept": ["raw_exec"],
        "clients.csi": True,
        "clients.nomad_config": {"client": {"gc_interval": "2m"}},
        "clients.consul_config": {"log_level": "debug"},
        "clients.host_volumes": {"v": {"path": "/srv"}},
        "clients.publish": [{"port": 80}],
        "clients.zones": ["a1", "b1"],
        "network.cidr": "10.7.0.0/16",
        "network.subnets": [SUBNET],
        "network.peers": [PEER],
        "network.bridge": "10.77.0.0/22",
        "network.docker_bridge": "10.78.0.0/22",
        "network.nat": "single",
        "network.min_dynamic_port": 21000,
        "network.max_dynamic_port": 31000,
        "dns.domain": "shop.consul",
        "dns.upstreams": ["9.9.9.9", "1.1.1.1"],
        "dns.search": ["shop.example.com"],
        "dns.cache_max_ttl": "10m",
        "dns.cache_max_negative_ttl": "10s",
        "dns.serve_expired_ttl": "10m",
        "registries": [MIRRORED],
        "versions.nomad": "2.0.4",
        "versions.consul": "2.0.2",
        "versions.vault": "2.0.3",
        "versions.pulumi": {"version": "3.260.0", "sha256": ARCHIVES},
        "versions.cni": {"version": "1.8.0", "sha256": ARCHIVES},
        "tls.ca_validity_days": 1000,
        "tls.validity_days": 300,
        "tls.renew_before_days": 20,
        "tls.min_version": "tls13",
        "acl.token_ttl": "1m",
        "acl.policy_ttl": "1m",
        "snapshots.enabled": False,
        "snapshots.interval": "2h",
        "snapshots.retain": 10,
        "upgrade": POLICY,
        "clients.upgrade": POLICY,
        "tags": {"team": "web"},
    }.items()
} | {
    "clients.machine_types": (
        {"clients.machine_type": "m6i.large"},
        {"clients.machine_type": "m6i.large", "clients.machine_types": ["m5.large"]},
    ),
    "clients.spot": ({}, SPOT),
    "clients.on_demand_base": (SPOT, {**SPOT, "clients.on_demand_base": 2}),
    "clients.all_spot": (SPOT, {"clients.spot": True, "clients.all_spot": True}),
    "clients.host_volumes.path": (
        {"clients.host_volumes": {"v": {"path": "/srv"}}},
        {"clients.host_volumes": {"v": {"path": "/srv/data"}}},
    ),
    "clients.host_volumes.read_only": (
        {"clients.host_volumes": {"v": {"path": "/srv"}}},
        {"clients.host_volumes": {"v": {"path": "/srv", "read_only": True}}},
    ),
    "clients.publish.port": (
        {"clients.publish": [{"port": 80, "host": 80}]},
        {"clients.publish": [{"port": 81, "host": 80}]},
    ),
    "clients.publish.host": ({"clients.publish": [{"port": 80}]}, {"clients.publish": [{"port": 80, "host": 81}]}),
    "network.subnets.cidr": ({"network.subnets": [SUBNET]}, {"network.subnets": [{"cidr": "10.8.1.0/24"}]}),
    "network.subnets.zone": ({"network.subnets": [SUBNET]}, {"network.subnets": [{**SUBNET, "zone": "a1"}]}),
    "network.subnets.public": (
        {"network.subnets": [SUBNET, {"cidr": "10.8.1.0/24"}]},
        {"network.subnets": [SUBNET, {"cidr": "10.8.1.0/24", "public": True}]},
    ),
    "network.peers.name": ({"network.peers": [PEER]}, {"network.peers": [{**PEER, "name": "q"}]}),
    "network.peers.cidr": ({"network.peers": [PEER]}, {"network.peers": [{**PEER, "cidr": "10.9.1.0/24"}]}),
    "registries.host": (
        {"registries": [{"host": "a.example.com", "credentials": "vault"}]},
        {"registries": [{"host": "b.example.com", "credentials": "vault"}]},
    ),
    "registries.ca": ({"registries": [MIRRORED]}, {"registries": [{**MIRRORED, "ca": PEM}]}),
    "registries.credentials": ({"registries": [MIRRORED]}, {"registries": [{**MIRRORED, "credentials": "vault"}]}),
    "registries.mirrors": (
        {"registries": [MIRRORED]},
        {"registries": [{**MIRRORED, "mirrors": ["https://other.example.com"]}]},
    ),
    "seal.type": ({}, KEYED),
    "seal.key": (KEYED, {"seal": {"type": "awskms", "key": "alias/y"}}),
}
"""Path of each setting to two specifications that differ in it: what is given of each."""

ONE_VALUE = {"acl.default_policy", "acl.anonymous"}


@cache
def bundles(text: str) -> dict[str, str]:
    """Pool to the digest of what its machines boot from, on a cloud: there it holds most. text: the specification."""
    found, whole = {}, ClusterSpec.parse(json.loads(text))
    for pool in ("server", *(one.name for one in whole.clients)):
        declared = next((one for one in whole.clients if one.name == pool), whole.servers)
        role = "server" if pool == SERVER else "client"
        key = whole.seal.key or "arn:aws:kms:eu-central-1:1:key/x"
        here = replace(AWS, upstreams=whole.dns.upstreams or AWS.upstreams, made_of=made_of("debian", declared))
        here = replace(here, seal={"awskms": {"kms_key_id": key}})
        tools = {"nomad", "consul", "vault" if role == "server" else "cni"}
        binaries = tuple(
            Binary(name, version := whole.versions.of(name), f"{version} {declared.arch}", "file:///x")  # type: ignore[arg-type]
            for name in sorted(tools)
        )
        found[pool] = render(whole, pool, here, binaries).sha256
    return found


def replaced(before: ClusterSpec, after: ClusterSpec) -> str:
    """Whose machines a change replaces, as `REPLACES` says it."""
    old, new = bundles(before.model_dump_json()), bundles(after.model_dump_json())
    changed = {pool for pool in {*old, *new} if old.get(pool) != new.get(pool)}
    if not changed:
        return ""
    if changed == {*old, *new}:
        return "all"
    if changed == {SERVER}:
        return "servers"
    return "clients" if "b" in changed else "pool"


LEAVES = {path for path, one in settings().items() if not one.fields}
PATHS = {path for path in LEAVES if not path.startswith("versions.")} | {
    path for path in CHANGES if "versions." in path
}


@pytest.mark.parametrize("path", sorted(PATHS - ONE_VALUE))
def test_it_says_whose_machines_a_change_replaces(path: str) -> None:
    if path.startswith(("upgrade.", "clients.upgrade.")):
        section, _, name = path.rpartition(".")
        before, after = {}, {section: {name: POLICY[name]}}
    else:
        before, after = CHANGES[path]
    assert replaced(spec(before), spec(after)) == REPLACES.get(path, ""), path


@pytest.mark.parametrize("path", sorted(CHANGES))
def test_it_says_whether_a_running_cluster_can_change(path: str) -> None:
    before, after = (spec(given) for given in CHANGES[path])
    change = settings()[path].change
    refused = [one.path for one in problems(before, after)]
    assert bool(refused) == change.startswith("never"), refused or change


def test_the_table_names_settings_alone() -> None:
    assert {*REPLACES} <= PATHS
    assert {*SINCE} <= {*settings()}


def test_a_step_that_is_not_supported_is_what_a_version_says() -> None:
    for product in ("nomad", "consul", "vault"):
        old = {f"versions.{product}": {"version": "0.1.0", "sha256": ARCHIVES}}
        assert [one.path for one in problems(spec(old), spec())] == [f"versions.{product}"]
        assert settings()[f"versions.{product}"].change.startswith("only by a step that is supported")

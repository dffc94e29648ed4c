"""What a release would break is found in a cluster, by its place: from the APIs of real agents, and in tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.connection import Pool
from hashistack.ops.rollout.breaking_changes import Inventory, affected, ahead, duplicates, inventory, stopping
from hashistack.spec.catalog import BREAKING_CHANGES, BreakingChange
from hashistack.spec.versions import parse

CHANGES = {change.id: change for change in BREAKING_CHANGES}


def job(group: dict[str, Any] | None = None, task: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    tasks = [{"Name": "main", "Driver": "docker", "Config": {"image": "web"}, **(task or {})}]
    groups = [{"Name": "other", "Tasks": []}, {"Name": "api", "Tasks": tasks, **(group or {})}]
    return {"ID": "web", "Namespace": "shop", "Type": "service", "TaskGroups": groups, **more}


def pool(field: str, **settings: Any) -> Pool:
    return Pool("server", "server", 3, settings={field: settings})


ZERO = {"Attempts": 0, "Unlimited": False, "DelayFunction": ""}

FOUND: list[tuple[str, Inventory, str]] = [
    ("nomad-job-disconnect-max", Inventory((job({"MaxClientDisconnect": 6 * 10**9}),)), "job shop/web, group api"),
    ("nomad-job-disconnect-stop", Inventory((job({"StopAfterClientDisconnect": 10**9}),)), "job shop/web, group api"),
    ("nomad-job-disconnect-prevent", Inventory((job({"PreventRescheduleOnLost": True}),)), "job shop/web, group api"),
    (
        "nomad-job-vault-policies",
        Inventory((job(task={"Vault": {"Policies": ["web"]}}),)),
        "job shop/web, group api, task main",
    ),
    (
        "nomad-job-system-reschedule",
        Inventory((job({"ReschedulePolicy": {**ZERO, "Attempts": 1}}, Type="sysbatch"),)),
        "job shop/web, group api",
    ),
    (
        "nomad-job-docker-email",
        Inventory((job(task={"Config": {"auth": [{"username": "u", "email": "u@example.org"}]}}),)),
        "job shop/web, group api, task main",
    ),
    ("nomad-job-qemu-paths", Inventory((job(task={"Driver": "qemu"}),)), "job shop/web, group api, task main"),
    (
        "nomad-policy-duplicates",
        Inventory(nomad_policies={"ops": 'namespace "x" { policy = "read"\n policy = "write" }'}),
        "nomad policy ops, policy",
    ),
    (
        "nomad-disk-free-mb",
        Inventory(pools=(pool("nomad_config", client={"disk_free_mb": 1024}),)),
        "pool server, nomad_config.client.disk_free_mb",
    ),
    (
        "nomad-raft-boltdb",
        Inventory(pools=(pool("nomad_config", Server=[{"raft_boltdb": {"no_freelist_sync": False}}]),)),
        "pool server, nomad_config.server.raft_boltdb",
    ),
    *(
        (
            f"nomad-{setting.replace('_', '-')}",
            Inventory(pools=(pool("nomad_config", server={setting: value}),)),
            f"pool server, nomad_config.server.{setting}",
        )
        for setting, value in (
            ("retry_join", ["a"]),
            ("retry_interval", "5s"),
            ("retry_max", 0),
            ("start_join", ["a"]),
        )
    ),
    ("nomad-alloc-logs", Inventory(), "nomad"),
    ("nomad-server-join", Inventory(), "nomad"),
    ("consul-http-timeouts", Inventory(), "consul"),
    ("vault-generate-root", Inventory(), "vault"),
    ("vault-azure-precedence", Inventory(auth={"azure/": "azure"}), "vault auth method azure/"),
    (
        "vault-policy-duplicates",
        Inventory(vault_policies={"web": 'path "a" { capabilities = ["read"]\ncapabilities = ["list"] }'}),
        "vault policy web, capabilities",
    ),
    ("vault-aws-auth-precedence", Inventory(auth={"cloud/": "aws"}), "vault auth method cloud/"),
    ("vault-aws-secrets-precedence", Inventory(secrets={"aws/": "aws"}), "vault secrets engine aws/"),
]


@pytest.mark.parametrize(("name", "there", "place"), FOUND, ids=[name for name, _, _ in FOUND])
def test_a_change_is_found_in_its_place(name: str, there: Inventory, place: str) -> None:
    change = CHANGES[name]
    (found,) = affected([change], there)
    assert found.place == place
    assert str(found) == f"{place}: from {change.product} {change.since} on, {change.what}; {change.remedy} [{name}]"


def test_every_change_of_the_catalog_is_in_the_table_and_is_whole() -> None:
    assert sorted(CHANGES) == sorted(name for name, _, _ in FOUND)
    assert len(CHANGES) == len(BREAKING_CHANGES)
    for change in BREAKING_CHANGES:
        assert parse(change.since)
        assert change.source


def test_nothing_is_found_where_nothing_is() -> None:
    innocent = Inventory(
        jobs=(
            # What Nomad's own command writes for a sysbatch job that says nothing of it.
            job({"ReschedulePolicy": ZERO, "MaxClientDisconnect": None}, Type="sysbatch"),
            job({"ReschedulePolicy": {**ZERO, "Attempts": 2}, "PreventRescheduleOnLost": False}),
            job(task={"Vault": {"Policies": None}, "Config": {"auth": [{"username": "u"}]}}),
            job(task={"Vault": None, "Config": None}),
            {"ID": "none", "Namespace": "shop", "Type": "batch", "TaskGroups": None},
        ),
        nomad_policies={"ops": 'namespace "a" { policy = "read" }\nnamespace "b" { policy = "read" }'},
        vault_policies={"default": 'path "a" { capabilities = ["read"] }'},
        auth={"token/": "token"},
        secrets={"kv/": "kv"},
        pools=(
            pool("nomad_config", server={"server_join": {"retry_join": ["a"]}, "job_gc_threshold": "5h"}),
            pool("consul_config", server={"retry_join": ["a"]}),
            Pool("web", "client", 2),
        ),
    )
    looked_at = [change for change in BREAKING_CHANGES if change.where != "behaviour"]
    assert affected(looked_at, innocent) == []


@pytest.mark.parametrize(
    ("text", "twice"),
    [
        ('path "a" { capabilities = ["read"] }\npath "a" { capabilities = ["list"] }', []),
        ('path "a" { capabilities = ["read"]\n  "capabilities" = ["list"] }', ["capabilities"]),
        ('path "a" { policy = "read" # policy = "write"\n // policy = "list"\n /* policy = "x"\n */ }', []),
        ('path "a" { note = "policy = 1" policy = "read" }', []),
        ('path "a" { allowed_parameters = { "x" = [] "x" = ["1"] } }', ["x"]),
        ('path "a" { allowed_parameters = { "x" = [] }\n denied_parameters = { "x" = [] } }', []),
        ("note = <<EOF\npath = 1\npath = 2\nEOF\nother = 1", []),
        ('{"path": {"a": {"policy": "read", "policy": "write"}}}', ["policy"]),
        ('{"path": {"a": {"policy": "read"}, "b": {"policy": "write"}}}', []),
        ("}}} = {", []),
        ("{ no json", []),
        ("", []),
    ],
)
def test_an_attribute_that_is_there_twice_is_seen(text: str, twice: list[str]) -> None:
    assert duplicates(text) == twice


def test_the_changes_ahead_are_those_of_all_hops_and_what_would_break_comes_first() -> None:
    def since(declared: dict[str, str], **to: str) -> set[str]:
        return {change.since for change in ahead(declared, to)}

    assert since({"nomad": "1.10.5"}, nomad="2.0.4") == {"1.11.0", "1.11.1", "1.11.2", "2.0.0", "2.0.1"}
    assert since({"nomad": "1.11.1"}, nomad="1.11.3") == {"1.11.2"}
    assert since({"nomad": "1.11.3", "vault": "2.0.3"}, nomad="1.11.3", vault="2.0.3", cni="1.9.0") == set()
    assert since({"nomad": "1.11.3"}, vault="2.0.3") == set()
    pools = (pool("nomad_config", client={"disk_free_mb": 1}, server={"raft_boltdb": {}}),)
    found = affected(ahead({"nomad": "1.10.5"}, {"nomad": "2.0.4"}), Inventory(pools=pools))
    assert [one.change.id for one in found] == ["nomad-raft-boltdb", "nomad-disk-free-mb", "nomad-alloc-logs"]
    assert [one.change.id for one in stopping(found, ())] == ["nomad-raft-boltdb"]
    assert stopping(found, ("nomad-raft-boltdb",)) == []


JOB = {
    "ID": "to-be-looked-at",
    "Datacenters": ["dc1"],
    "Type": "service",
    "TaskGroups": [
        {
            "Name": "api",
            "Tasks": [
                {"Name": "old", "Driver": "qemu", "Config": {"image_path": "x"}},
                {"Name": "new", "Driver": "docker", "Config": {"image": "x", "auth": {"email": "x"}}},
            ],
        }
    ],
}


@pytest.fixture
def used(cluster: Cluster) -> Iterator[Cluster]:
    """Real agents with a job and policies."""
    rules = 'namespace "default" { policy = "read" }'
    cluster.nomad.register(JOB)
    cluster.nomad.api.call("PUT", "/v1/acl/policy/readers", body={"Name": "readers", "Rules": rules})
    yield cluster
    cluster.nomad.deregister(JOB["ID"])  # type: ignore[arg-type]
    cluster.nomad.api.call("DELETE", "/v1/acl/policy/readers")


def test_what_real_agents_answer_is_looked_at(used: Cluster) -> None:
    changes: list[BreakingChange] = [
        *(CHANGES[name] for name in ("nomad-job-qemu-paths", "nomad-job-docker-email", "nomad-policy-duplicates")),
        CHANGES["vault-policy-duplicates"],
        # Vault's minimal build has neither Azure nor AWS: what it has stands for them.
        replace(CHANGES["vault-azure-precedence"], value="userpass"),
        replace(CHANGES["vault-aws-secrets-precedence"], value="kv"),
    ]
    there = inventory(used, changes)
    assert [one.place for one in affected(changes, there)] == [
        "job default/to-be-looked-at, group api, task old",
        "job default/to-be-looked-at, group api, task new",
        "vault auth method userpass/",
        "vault secrets engine kv/",
    ]
    assert there.nomad_policies == {"readers": 'namespace "default" { policy = "read" }'}
    assert set(there.vault_policies) == {"default", "operator"}


def test_nothing_is_asked_that_no_change_is_about(used: Cluster) -> None:
    assert inventory(used, [CHANGES["vault-generate-root"]]) == Inventory(pools=used.connection.pools)

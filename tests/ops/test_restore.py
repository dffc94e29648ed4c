"""What a restore refuses, what it counts, and whom it takes out: against real Nomad, Consul and Vault."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.lock import Lock, Locked, release
from hashistack.ops.readiness.checks import Result
from hashistack.ops.snapshots.archive import Archive, look
from hashistack.ops.snapshots.inventory import Contents, contents
from hashistack.ops.snapshots.restore import (
    TAKEN_SECONDS,
    UPLOADS,
    NotTaken,
    VaultOpen,
    _ghosts_removed,
    _marked,
    _until_taken,
    refuse_unfit,
)
from hashistack.ops.snapshots.save import SnapshotFailed, save


@pytest.fixture
def archive(cluster: Cluster, tmp_path: Path) -> Archive:
    save(cluster, tmp_path / "all.tar", '{"keys_base64": ["key"]}')
    return look(tmp_path / "all.tar")


def changed(archive: Archive, **fields: object) -> Archive:
    return replace(archive, manifest=replace(archive.manifest, **fields))  # type: ignore[arg-type]


def test_an_archive_of_this_cluster_fits(cluster: Cluster, archive: Archive) -> None:
    refuse_unfit(cluster, archive)


def test_another_stacks_archive_is_refused(cluster: Cluster, archive: Archive) -> None:
    with pytest.raises(SnapshotFailed, match="whose tokens are not this stack's"):
        refuse_unfit(cluster, changed(archive, stack="0" * 64))


def test_one_of_a_newer_version_is_refused_and_one_of_an_older_is_not(cluster: Cluster, archive: Archive) -> None:
    parts = archive.manifest.parts
    newer = tuple(replace(part, version="99.0.0") if part.product == "consul" else part for part in parts)
    with pytest.raises(SnapshotFailed, match=r"was taken on consul 99\.0\.0, and this cluster runs"):
        refuse_unfit(cluster, changed(archive, parts=newer))
    refuse_unfit(cluster, changed(archive, parts=tuple(replace(part, version="1.2.10") for part in parts)))


def test_one_without_vaults_key_is_refused_unless_it_is_given(cluster: Cluster, archive: Archive) -> None:
    bare = changed(archive, vault_init="")
    with pytest.raises(SnapshotFailed, match="--unseal-key-file"):
        refuse_unfit(cluster, bare)
    refuse_unfit(cluster, bare, "a document")


def test_what_users_have_put_there_is_counted(cluster: Cluster) -> None:
    before = contents(cluster)
    cluster.consul.api.call("PUT", "/v1/kv/mine/one", body="x")
    cluster.consul.api.call("PUT", "/v1/kv/hashistack/ours", body="x")
    cluster.vault.write_secret("mine/deep/one", {"value": "x"})
    cluster.vault.write_secret("default/smoke", {"value": "x"})
    after = contents(cluster)
    assert before.secrets is not None
    assert (after.keys, after.secrets) == (before.keys + 1, before.secrets + 1)
    assert str(Contents(1, 2, None)) == "1 Nomad job, 2 Consul keys, a Vault that is not open"
    cluster.consul.api.call("DELETE", "/v1/kv/mine/one")
    cluster.consul.api.call("DELETE", "/v1/kv/hashistack/ours")


def test_machines_of_the_past_are_taken_out_and_what_is_outside_stays(cluster: Cluster) -> None:
    ghost = {"Node": "server-0", "Address": "127.0.0.9", "NodeMeta": {"hashistack_pool": "server"}}
    outside = {"Node": "printer", "Address": "127.0.0.8"}
    for node in (ghost, outside):
        cluster.consul.api.call("PUT", "/v1/catalog/register", body=node)
    try:
        assert _ghosts_removed(cluster).detail == "removed server-0"
        assert _ghosts_removed(cluster).done
        assert {"server-1", "printer"} <= cluster.consul.machines().keys()
        assert "server-0" not in cluster.consul.machines()
        assert [node.name for node in cluster.nomad.nodes()] == ["server-1"]
    finally:
        cluster.consul.api.call("PUT", "/v1/catalog/deregister", body={"Node": "printer"})


def test_the_lock_of_a_run_of_the_past_is_let_go(cluster: Cluster) -> None:
    api = cluster.nomad.api
    with Lock(api, "a rollout of the past"):
        with pytest.raises(Locked, match="a rollout of the past"), Lock(api, "another"):
            pass
        release(api)
        with Lock(api, "another"):
            pass
    release(api)  # nobody holds it: nothing to do


def test_a_vault_that_took_a_snapshot_and_goes_on_without_it_is_told(cluster: Cluster) -> None:
    """As after an election between the two: what it held before is there still."""
    now = [0.0]
    cluster.vault.login()
    opens = VaultOpen("", lambda _: None, _marked(cluster), lambda: now[0])
    assert opens(cluster) == Result(False, "it has not begun yet")
    now[0] = TAKEN_SECONDS + 1
    with pytest.raises(NotTaken, match="repeat the same command"):
        opens(cluster)
    assert VaultOpen("", lambda _: None, "another-mark", lambda: now[0])(cluster).done


def test_vault_gets_its_snapshot_again_where_it_did_not_begin_with_it() -> None:
    tried: list[int] = []

    def put_back() -> None:
        tried.append(1)
        if len(tried) < UPLOADS:
            raise NotTaken("vault: did not begin")

    _until_taken(put_back)
    assert len(tried) == UPLOADS
    tried.clear()

    def never() -> None:
        tried.append(1)
        raise NotTaken("vault: did not begin")

    with pytest.raises(NotTaken):
        _until_taken(never)
    assert len(tried) == UPLOADS

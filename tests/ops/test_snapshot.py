"""Snapshots of real Nomad, Consul and Vault: taken whole, checked to the last byte, and refused when cut off."""

from __future__ import annotations

import json
import stat
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.connection import Connection
from hashistack.ops.snapshots import key_wrap
from hashistack.ops.snapshots.archive import BadArchive, look, verify
from hashistack.ops.snapshots.save import SnapshotFailed, save, version
from hashistack.ops.snapshots.staging import workplace

VAULT_INIT = json.dumps({"keys_base64": ["a-key-of-vault"], "root_token": "nobody's"})


@pytest.fixture
def archive(cluster: Cluster, tmp_path: Path) -> Path:
    save(cluster, tmp_path / "all.tar", VAULT_INIT)
    return tmp_path / "all.tar"


def test_one_archive_holds_all_three_and_says_so(cluster: Cluster, tmp_path: Path) -> None:
    told: list[str] = []
    manifest = save(cluster, tmp_path / "new" / "all.tar", VAULT_INIT, told.append)
    file = tmp_path / "new" / "all.tar"
    assert verify(file).manifest == manifest == look(file).manifest
    assert [part.product for part in manifest.parts] == ["nomad", "consul", "vault"]
    for part in manifest.parts:
        assert part.version == version(cluster, part.product)
        assert part.index > 0
    assert [line.split()[0] for line in told] == ["nomad", "consul", "vault"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]
    with tarfile.open(file) as tar:
        assert tar.getnames() == ["manifest.json", "nomad.snap", "consul.snap", "vault.snap"]


def test_an_archive_shows_no_secret(archive: Path, connection: Connection) -> None:
    content = archive.read_bytes()
    for secret in (*connection.secrets, "a-key-of-vault", "nobody's"):
        assert secret.encode() not in content


def test_the_unseal_key_opens_with_the_stack_alone(archive: Path, connection: Connection) -> None:
    closed = look(archive).manifest.vault_init
    assert json.loads(key_wrap.unclose(closed, connection)) == {"keys_base64": ["a-key-of-vault"]}
    other = replace(connection, vault=replace(connection.vault, secret="another stack's"))
    with pytest.raises(key_wrap.Closed, match="does not open with this stack's secret"):
        key_wrap.unclose(closed, other)
    assert key_wrap.stack_digest(other) != key_wrap.stack_digest(connection)


def test_cut_off_anywhere_it_is_no_archive(archive: Path) -> None:
    whole = archive.read_bytes()
    found = look(archive)
    end = max(found.starts[part.product] + part.size for part in found.manifest.parts)
    cut = archive.with_name("cut.tar")
    for length in (0, 100, 512, 1500, found.starts["consul"] + 7, end - 1):
        cut.write_bytes(whole[:length])
        for reader in (look, verify):
            with pytest.raises(BadArchive, match=str(cut)):
                reader(cut)


def test_a_flipped_bit_is_found_in_each_part(archive: Path) -> None:
    whole = archive.read_bytes()
    found = look(archive)
    bad = archive.with_name("bad.tar")
    for part in found.manifest.parts:
        damaged = bytearray(whole)
        damaged[found.starts[part.product] + part.size // 2] ^= 1
        bad.write_bytes(damaged)
        with pytest.raises(BadArchive, match=f"its {part.product}.snap"):
            verify(bad)


def test_what_is_no_archive_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadArchive, match="No such file"):
        verify(tmp_path / "nothing.tar")
    with pytest.raises(BadArchive, match="Is a directory"):
        verify(tmp_path)
    empty = tmp_path / "empty.tar"
    with tarfile.open(empty, "w"):
        pass
    with pytest.raises(BadArchive, match=r"has no manifest\.json"):
        verify(empty)


def test_a_manifest_of_a_later_format_is_refused(archive: Path) -> None:
    text = look(archive).manifest.text().replace('"format": 1', '"format": 2')
    later = archive.with_name("later.tar")
    with tarfile.open(later, "w") as tar:
        (archive.parent / "manifest.json").write_text(text)
        tar.add(archive.parent / "manifest.json", "manifest.json")
    with pytest.raises(BadArchive, match="format 2: this release of hashistack reads 1"):
        verify(later)


def test_a_failed_save_leaves_the_old_archive(archive: Path, connection: Connection) -> None:
    before = archive.read_bytes()
    with Cluster(connection) as cluster:
        cluster.vault.api.addresses = ("https://127.0.0.1:1",)
        with pytest.raises(SnapshotFailed, match=r"vault: .* did not answer"):
            save(cluster, archive)
    assert archive.read_bytes() == before
    assert list(archive.parent.iterdir()) == [archive]


def test_a_place_that_cannot_be_written_is_told(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SnapshotFailed, match="can't be written: "):
        save(cluster, tmp_path / "file" / "all.tar")


def test_what_a_killed_run_left_is_removed_and_what_a_living_one_has_is_not(tmp_path: Path) -> None:
    dead = tmp_path / ".hashistack-snapshot.1.dead"
    dead.mkdir()
    (dead / "nomad.snap").write_text("half")
    with workplace(tmp_path) as first, workplace(tmp_path) as second:
        assert not dead.exists()
        assert first.exists()
        assert second.exists()
    assert not list(tmp_path.iterdir())

"""`hashistack snapshot` where no cluster is needed: what it refuses, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hashistack.ops.snapshots.archive import Manifest, Part, pack

from .test_command import run

PARTS = tuple(Part(product, "1.2.3", 7, 1, "0" * 64, 4) for product in ("nomad", "consul", "vault"))  # type: ignore[arg-type]
MANIFEST = Manifest("shop-1", "dc1", "global", "2026-01-31T12:00:00Z", "0" * 64, PARTS, "closed")


def archive(place: Path, name: str) -> Path:
    """An archive whose parts are no snapshots: good enough to be listed, not to be verified."""
    (place / "part").write_bytes(b"snap")
    pack(MANIFEST, {part.product: place / "part" for part in PARTS}, place / name, place)
    return place / name


def test_a_directory_is_listed_without_a_cluster(tmp_path: Path) -> None:
    archive(tmp_path, "good.tar")
    (tmp_path / "bad.tar").write_bytes(b"no archive")
    shown = run("snapshot", "list", str(tmp_path))
    assert shown.returncode == 0
    assert "2026-01-31 12:00  1.2.3  1.2.3   1.2.3" in shown.stdout
    assert f"{tmp_path / 'bad.tar'}: is cut off or no snapshot archive" in shown.stdout.replace("\n", " ")
    said = json.loads(run("snapshot", "list", str(tmp_path), "-o", "json").stdout)
    assert [one["cluster"] for one in said["archives"]] == ["shop-1"]
    assert "closed" not in json.dumps(said)
    assert len(said["bad"]) == 1


@pytest.mark.parametrize("command", ["verify", "restore"])
def test_a_bad_archive_is_one_text_and_code_2(tmp_path: Path, command: str) -> None:
    file = archive(tmp_path, "good.tar")
    done = run("snapshot", command, str(file), *(["--yes"] if command == "restore" else []))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"hashistack: {file}: its nomad.snap can't be read to its end")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "say one of --directory PATH and --bucket s3://BUCKET/PREFIX, for where the archives go, or --off"),
        (("--directory", "/srv", "--off"), "say one of --directory PATH"),
        (("--directory", "/srv", "--bucket", "s3://b"), "say one of --directory PATH"),
        (("--bucket", "s3://b", "--keep", "3"), "--keep is for --directory"),
        (("--bucket", "/srv"), "/srv names no bucket. Write s3://BUCKET/PREFIX"),
        (("--directory", "/srv", "--every", "1d"), "--every 1d: is not a duration"),
    ],
)
def test_a_schedule_is_refused_before_anybody_is_asked(arguments: tuple[str, ...], text: str) -> None:
    done = run("snapshot", "schedule", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert text in done.stderr

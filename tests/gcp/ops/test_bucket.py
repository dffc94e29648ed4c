"""Snapshot archives in Cloud Storage, as the command line puts, lists, checks and fetches them."""

from __future__ import annotations

from pathlib import Path

import pytest

from hashistack.cli import archive_store
from hashistack.gcp.ops import bucket as bucket_module
from hashistack.gcp.ops import session
from hashistack.gcp.ops.bucket import Bucket, BucketFailed
from hashistack.gcp.ops.session import Google
from hashistack.ops.snapshots.archive import BadArchive, Manifest, Part, look, pack

from ...project.api import Apis, Refused
from ...project.storage import Storage

BUCKET, PLACE = "shop-snapshots", "gs://shop-snapshots/prod"
PARTS = tuple(Part(product, "1.2.3", 7, 1, "0" * 64, 4) for product in ("nomad", "consul", "vault"))  # type: ignore[arg-type]


@pytest.fixture
def storage() -> Storage:
    return Storage(buckets={BUCKET: {}})


@pytest.fixture(autouse=True)
def apis(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> Apis:
    made = Apis({"storage": storage})
    monkeypatch.setattr(session, "_authorized", lambda: made.http)
    monkeypatch.setattr(bucket_module, "_CHUNK", 256 * 1024)  # the least that Google takes
    return made


def archive(file: Path, taken: str = "2026-01-31T12:00:00Z", size: int = 4) -> None:
    """An archive whose parts are no snapshots: good enough to be looked at, not to be verified."""
    parts = tuple(Part(one.product, one.version, 7, 1, "0" * 64, size) for one in PARTS)
    part = file.with_suffix(".part")
    part.write_bytes(b"x" * size)
    pack(
        Manifest("shop-1", "dc1", "global", taken, "0" * 64, parts), {p.product: part for p in parts}, file, file.parent
    )


def save(where: str, name: str, taken: str = "2026-01-31T12:00:00Z", size: int = 4) -> str:
    with archive_store.written(where, name) as (file, told):
        archive(file, taken, size)
    return told


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (f"gs://{BUCKET}", f"gs://{BUCKET}/now.tar"),
        (f"{PLACE}/", f"{PLACE}/now.tar"),
        (f"{PLACE}/mine.tar", f"{PLACE}/mine.tar"),
    ],
)
def test_what_is_saved_is_fetched_byte_for_byte(storage: Storage, where: str, found: str) -> None:
    assert save(where, "now.tar", size=300_000) == found
    with archive_store.fetched(found) as file:
        assert look(file).manifest.cluster == "shop-1"
        assert [file.read_bytes()] == storage.contents(BUCKET)[found.removeprefix(f"gs://{BUCKET}/")]
        private = file
    assert not private.exists()


def test_an_archive_is_never_replaced(storage: Storage) -> None:
    save(PLACE, "now.tar")
    before = storage.contents(BUCKET)
    with pytest.raises(BucketFailed, match=rf"^{PLACE}/now.tar is there already, and is not replaced"):
        save(PLACE, "now.tar", taken="2027-01-01T00:00:00Z")
    assert storage.contents(BUCKET) == before


def test_an_upload_whose_connection_breaks_goes_on_where_it_was(storage: Storage) -> None:
    storage.breaks = {2}
    save(PLACE, "now.tar", size=300_000)
    assert len(storage.contents(BUCKET)["prod/now.tar"][0]) > 900_000


def test_a_save_that_fails_leaves_nothing(storage: Storage) -> None:
    with pytest.raises(RuntimeError), archive_store.written(PLACE, "now.tar") as (file, _):
        file.write_bytes(b"half")
        raise RuntimeError
    assert storage.objects == {}


def test_a_list_reads_manifests_alone(storage: Storage) -> None:
    for day in ("01", "03", "02"):
        save(PLACE, f"{day}.tar", taken=f"2026-01-{day}T00:00:00Z", size=300_000)
    save(f"{PLACE}/deeper", "deep.tar")
    save(f"{PLACE}-other", "other.tar")
    storage.put(BUCKET, "prod/bad.tar", b"no archive")
    storage.put(BUCKET, "prod/notes.txt", b"x")
    storage.page = 2
    found, bad = archive_store.listed(PLACE)
    assert [one.where for one in found] == [f"{PLACE}/{day}.tar" for day in ("03", "02", "01")]
    assert all(one.size > 900_000 for one in found)
    assert len(bad) == 1
    assert bad[0].startswith(f"{PLACE}/bad.tar: is cut off or no snapshot archive")
    assert storage.read < 900_000 * 3 / 2


def test_a_damaged_archive_is_named_as_the_user_named_it(storage: Storage) -> None:
    storage.put(BUCKET, "prod/bad.tar", b"x" * 2000)
    with pytest.raises(BadArchive) as caught, archive_store.fetched(f"{PLACE}/bad.tar") as file:
        look(file)
    assert str(caught.value).startswith(f"{PLACE}/bad.tar")


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("gs://", "gs:// names no bucket. Write gs://BUCKET/PREFIX"),
        ("gs://nowhere/x.tar", "gs://nowhere/x.tar: storage.objects.get: The specified bucket does not exist."),
        (f"{PLACE}/none.tar", f"{PLACE}/none.tar: storage.objects.get: No such object: {BUCKET}/prod/none.tar."),
    ],
)
def test_what_is_not_there_is_one_sentence(storage: Storage, where: str, said: str) -> None:
    with pytest.raises(BucketFailed) as failed, archive_store.fetched(where):
        pass
    assert str(failed.value).startswith(said)


def test_a_bucket_that_refuses_or_is_away_is_one_sentence(apis: Apis, tmp_path: Path) -> None:
    file = tmp_path / "a.tar"
    file.write_bytes(b"a")
    bucket = Bucket(PLACE, Google(apis.http))
    apis.outage = lambda seen: Refused(403, "forbidden", "x@y does not have storage.objects.create access.")
    with pytest.raises(BucketFailed, match=rf"^{PLACE}: these credentials may not call storage.objects.insert"):
        bucket.put(file, "prod")
    apis.away = True
    with pytest.raises(BucketFailed, match="Google does not answer"):
        bucket.put(file, "prod")

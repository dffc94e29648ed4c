"""Snapshot archives in S3, as the command line puts, lists, checks and fetches them; S3 is moto."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from hashistack.aws.ops.bucket import Bucket, BucketFailed
from hashistack.cli import archive_store
from hashistack.ops.snapshots.archive import BadArchive, Manifest, Part, look, pack, verify

BUCKET, PLACE = "shop-snapshots", "s3://shop-snapshots/prod"
PARTS = tuple(Part(product, "1.2.3", 7, 1, "0" * 64, 4) for product in ("nomad", "consul", "vault"))  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def bucket(aws: boto3.Session) -> None:
    aws.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})


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
        (f"s3://{BUCKET}", f"s3://{BUCKET}/now.tar"),
        (f"s3://{BUCKET}/", f"s3://{BUCKET}/now.tar"),
        (PLACE, f"{PLACE}/now.tar"),
        (f"{PLACE}/", f"{PLACE}/now.tar"),
        (f"{PLACE}/mine.tar", f"{PLACE}/mine.tar"),
    ],
)
def test_what_is_saved_is_fetched_byte_for_byte(where: str, found: str, tmp_path: Path) -> None:
    assert save(where, "now.tar") == found
    archive(tmp_path / "same.tar")
    with archive_store.fetched(found) as file:
        assert look(file).manifest.cluster == "shop-1"
        assert file.stat().st_mode & 0o077 == 0 or file.parent.stat().st_mode & 0o077 == 0
        private = file
    assert not private.exists()


def test_an_archive_is_never_replaced(aws: boto3.Session) -> None:
    save(PLACE, "now.tar")
    before = aws.client("s3").get_object(Bucket=BUCKET, Key="prod/now.tar")["Body"].read()
    with pytest.raises(BucketFailed, match=rf"^{PLACE}/now.tar is there already, and is not replaced"):
        save(PLACE, "now.tar", taken="2027-01-01T00:00:00Z")
    assert aws.client("s3").get_object(Bucket=BUCKET, Key="prod/now.tar")["Body"].read() == before


def test_a_save_that_fails_leaves_nothing(aws: boto3.Session) -> None:
    with pytest.raises(RuntimeError), archive_store.written(PLACE, "now.tar") as (file, _):
        file.write_bytes(b"half")
        raise RuntimeError
    assert "Contents" not in aws.client("s3").list_objects_v2(Bucket=BUCKET)


def test_a_list_reads_manifests_alone(aws: boto3.Session) -> None:
    for day in ("01", "03", "02"):
        save(PLACE, f"{day}.tar", taken=f"2026-01-{day}T00:00:00Z", size=300_000)
    save(f"{PLACE}/deeper", "deep.tar")
    save(f"{PLACE}-other", "other.tar")
    s3 = aws.client("s3")
    s3.put_object(Bucket=BUCKET, Key="prod/bad.tar", Body=b"no archive")
    s3.put_object(Bucket=BUCKET, Key="prod/notes.txt", Body=b"x")
    read: list[int] = []
    counted = aws
    counted.events.register("after-call.s3.GetObject", lambda parsed, **more: read.append(parsed["ContentLength"]))
    bucket = Bucket(PLACE, counted)
    with bucket.opened(next(one for one in bucket.listed(".tar") if one.key.endswith("01.tar"))) as content:
        assert look(Path("01.tar"), content).manifest.taken == "2026-01-01T00:00:00Z"
    assert sum(read) < 900_000 / 2
    found, bad = archive_store.listed(PLACE)
    assert [one.where for one in found] == [f"{PLACE}/{day}.tar" for day in ("03", "02", "01")]
    assert all(one.size > 900_000 for one in found)
    assert len(bad) == 1
    assert bad[0].startswith(f"{PLACE}/bad.tar: is cut off or no snapshot archive")


def test_a_damaged_archive_is_named_as_the_user_named_it() -> None:
    save(PLACE, "now.tar")
    with (
        pytest.raises(BadArchive, match=rf"^{PLACE}/now.tar: its nomad.snap"),
        archive_store.fetched(f"{PLACE}/now.tar") as file,
    ):
        verify(file)


BAD: Mapping[str, str] = {
    "s3://": "s3:// names no bucket",
    "s3:///x.tar": "s3:///x.tar names no bucket",
    f"{PLACE}/nothing.tar": f"{PLACE}/nothing.tar: GetObject: ",
    "s3://no-such-bucket/x.tar": "s3://no-such-bucket/x.tar: GetObject: ",
}


@pytest.mark.parametrize("where", BAD)
def test_what_is_not_there_is_one_sentence(where: str) -> None:
    with pytest.raises(BucketFailed) as failed, archive_store.fetched(where):
        pytest.fail("it is not there")
    assert str(failed.value).startswith(BAD[where])
    assert "\n" not in str(failed.value)


def test_a_permission_and_a_network_that_are_missing_are_one_sentence(aws: boto3.Session, tmp_path: Path) -> None:
    def denied(model: object, **more: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "PutObject")

    def silent(model: object, **more: object) -> None:
        raise EndpointConnectionError(endpoint_url="https://s3.amazonaws.com")

    archive(tmp_path / "a.tar")
    aws.events.register("before-call.s3.PutObject", denied)
    with pytest.raises(BucketFailed, match="these credentials may not call PutObject"):
        Bucket(PLACE, aws).put(tmp_path / "a.tar", "prod/a.tar")
    aws.events.register("before-call.s3.ListObjectsV2", silent)
    with pytest.raises(BucketFailed, match="AWS does not answer"):
        Bucket(PLACE, aws).listed(".tar")


def test_a_directory_works_as_before(tmp_path: Path) -> None:
    assert save(str(tmp_path), "now.tar") == str(tmp_path / "now.tar")
    assert [one.where for one in archive_store.listed(str(tmp_path))[0]] == [str(tmp_path / "now.tar")]

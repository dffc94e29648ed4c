"""Snapshot archives in S3: put there once, read back, and looked at without fetching them whole."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from hashistack.aws.ops import session
from hashistack.cloud.object_store import Stored, by_ranges, prefix
from hashistack.errors import HashistackError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

SCHEME = "s3://"
_CONFIG = session.CONFIG.merge(Config(read_timeout=300))
"""S3 answers when it has written it all."""
_CHUNK = 1 << 20


class BucketFailed(HashistackError):
    """S3 refused or did not answer; the text says what and what to do next."""


class Bucket:
    """One bucket, with the operator's own credentials; `url` is s3://BUCKET or s3://BUCKET/KEY.

    Raises BucketFailed where `url` names no bucket.
    """

    def __init__(self, url: str, aws: boto3.Session | None = None) -> None:
        self.name, _, self.key = url.removeprefix(SCHEME).partition("/")
        if not url.startswith(SCHEME) or not self.name:
            raise BucketFailed(f"{url} names no bucket. Write {SCHEME}BUCKET/PREFIX")
        self._given = aws

    def url(self, key: str) -> str:
        """An object of this bucket, as a user writes it."""
        return f"{SCHEME}{self.name}/{key}"

    def put(self, file: Path, key: str) -> None:
        """Write `file` (5 GiB at most) to a key that is free: what is there already is never replaced."""
        with self._asking(key), file.open("rb") as content:
            self._s3.put_object(
                Bucket=self.name, Key=key, Body=content, ContentType="application/x-tar", IfNoneMatch="*",
                ChecksumAlgorithm="SHA256",
            )  # fmt: skip

    def get(self, key: str, file: Path) -> None:
        """Fetch an object into `file`, piece by piece."""
        with self._asking(key), file.open("wb") as out:
            body = self._s3.get_object(Bucket=self.name, Key=key, ChecksumMode="ENABLED")["Body"]
            for piece in body.iter_chunks(_CHUNK):
                out.write(piece)

    def listed(self, suffix: str) -> tuple[Stored, ...]:
        """The objects under `key` whose names end so, those in deeper directories left out."""
        begin = prefix(self.key)
        with self._asking(begin):
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=begin, Delimiter="/")
            found = (one for page in pages for one in page.get("Contents", ()))
            return tuple(Stored(one["Key"], one["Size"]) for one in found if one["Key"].endswith(suffix))

    @contextmanager
    def opened(self, stored: Stored) -> Iterator[io.BufferedReader[Any]]:
        """An object as a file that fetches only what is read of it."""

        def fetch(first: int, last: int) -> bytes:
            asked = f"bytes={first}-{last}"
            return self._s3.get_object(Bucket=self.name, Key=stored.key, Range=asked)["Body"].read()

        with self._asking(stored.key), by_ranges(stored.size, fetch) as content:
            yield content

    @cached_property
    def _s3(self) -> S3Client:
        return (self._given or session.session()).client("s3", config=_CONFIG)

    @contextmanager
    def _asking(self, key: str) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in ("PreconditionFailed", "ConditionalRequestConflict"):
                raise BucketFailed(f"{self.url(key)} is there already, and is not replaced. Name another") from None
            raise self._failed(key, error) from None
        except BotoCoreError as error:
            raise self._failed(key, error) from None

    def _failed(self, key: str, error: BotoCoreError | ClientError) -> BucketFailed:
        failed = session.failure(error)
        return BucketFailed(f"{self.url(key)}: {failed.what}", failed.remedy)

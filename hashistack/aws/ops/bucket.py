"""Snapshot archives in S3: put there once, read back, and looked at without fetching them whole."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from hashistack.aws.ops import session
from hashistack.errors import HashistackError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

SCHEME = "s3://"
_CONFIG = session.CONFIG.merge(Config(read_timeout=300))
"""S3 answers when it has written it all."""
_CHUNK = 1 << 20
_LOOK = 1 << 16
"""What one request reads of an archive that is looked at: its manifest, in most of them."""


class BucketFailed(HashistackError):
    """S3 refused or did not answer; the text says what and what to do next."""


@dataclass(frozen=True)
class Stored:
    """An object: its key, and its size in bytes."""

    key: str
    size: int


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
        prefix = f"{self.key.rstrip('/')}/" if self.key else ""
        with self._asking(prefix):
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix, Delimiter="/")
            found = (one for page in pages for one in page.get("Contents", ()))
            return tuple(Stored(one["Key"], one["Size"]) for one in found if one["Key"].endswith(suffix))

    @contextmanager
    def opened(self, stored: Stored) -> Iterator[io.BufferedReader[Any]]:
        """An object as a file that fetches only what is read of it."""
        with self._asking(stored.key), io.BufferedReader(_Part(self._s3, self.name, stored), _LOOK) as content:
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


class _Part(io.RawIOBase):
    """An object that is read by ranges."""

    def __init__(self, s3: S3Client, bucket: str, stored: Stored) -> None:
        self._s3, self._bucket, self._stored, self._at = s3, bucket, stored, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._stored.size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self._stored.size - self._at)
        if wanted <= 0:
            return 0
        asked = f"bytes={self._at}-{self._at + wanted - 1}"
        said = self._s3.get_object(Bucket=self._bucket, Key=self._stored.key, Range=asked)["Body"].read()
        buffer[: len(said)] = said
        self._at += len(said)
        return len(said)

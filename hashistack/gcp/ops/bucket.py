"""Snapshot archives in Cloud Storage: put there once, read back, and looked at without fetching them whole."""

from __future__ import annotations

import io
import random
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from hashlib import md5
from pathlib import Path
from typing import Any

from googleapiclient.http import MediaFileUpload, MediaIoBaseDownload

from hashistack.cloud.object_store import Stored, by_ranges, prefix
from hashistack.errors import HashistackError
from hashistack.gcp.ops import session
from hashistack.gcp.ops.session import Google, GoogleFailed

SCHEME = "gs://"
_CHUNK = 8 << 20
"""Of a file that comes or goes: what is lost of it where a connection breaks."""


class BucketFailed(HashistackError):
    """Cloud Storage refused or did not answer; the text says what and what to do next."""


class Bucket:
    """One bucket, with the operator's own credentials; `url` is gs://BUCKET or gs://BUCKET/KEY.

    Raises BucketFailed where `url` names no bucket.
    """

    def __init__(self, url: str, google: Google | None = None) -> None:
        self.name, _, self.key = url.removeprefix(SCHEME).partition("/")
        if not url.startswith(SCHEME) or not self.name:
            raise BucketFailed(f"{url} names no bucket. Write {SCHEME}BUCKET/PREFIX")
        self._given = google

    def url(self, key: str) -> str:
        """An object of this bucket, as a user writes it."""
        return f"{SCHEME}{self.name}/{key}"

    def put(self, file: Path, key: str) -> None:
        """Write `file` to a key that is free: what is there already is never replaced. Google checks what arrives."""
        with file.open("rb") as content:
            digest = b64encode(_md5(content)).decode()
        media = MediaFileUpload(str(file), mimetype="application/x-tar", chunksize=_CHUNK, resumable=True)
        with self._asking(key):
            body = {"name": key, "md5Hash": digest}
            self._upload(
                self._google.request(
                    "storage.objects.insert", bucket=self.name, ifGenerationMatch="0", body=body, media_body=media
                )
            )

    def get(self, key: str, file: Path) -> None:
        """Fetch an object into `file`, piece by piece."""
        with self._asking(key), file.open("wb") as out:
            request = self._google.request("storage.objects.get_media", bucket=self.name, object=key)
            pieces, done = MediaIoBaseDownload(out, request, chunksize=_CHUNK), False
            while not done:
                _, done = self._google.sent("storage.objects.get", lambda: pieces.next_chunk(num_retries=session.TRIES))

    def listed(self, suffix: str) -> tuple[Stored, ...]:
        """The objects under `key` whose names end so, those in deeper directories left out."""
        begin = prefix(self.key)
        with self._asking(begin):
            pages = self._google.pages("storage.objects.list", bucket=self.name, prefix=begin, delimiter="/")
            found = (one for page in pages for one in page.get("items", ()))
            return tuple(Stored(one["name"], int(one["size"])) for one in found if one["name"].endswith(suffix))

    @contextmanager
    def opened(self, stored: Stored) -> Iterator[io.BufferedReader[Any]]:
        """An object as a file that fetches only what is read of it."""

        def fetch(first: int, last: int) -> bytes:
            request = self._google.request("storage.objects.get_media", bucket=self.name, object=stored.key)
            request.headers["range"] = f"bytes={first}-{last}"
            return bytes(self._google.execute("storage.objects.get", request))

        with self._asking(stored.key), by_ranges(stored.size, fetch) as content:
            yield content

    def _upload(self, request: Any) -> None:
        """Sends it piece by piece. After a broken connection the library goes on where it was, when it is asked to."""
        broken, done = 0, None
        while done is None:
            try:
                _, done = self._google.sent(
                    "storage.objects.insert", lambda: request.next_chunk(num_retries=session.TRIES)
                )
                broken = 0
            except GoogleFailed as failed:
                broken += 1
                if failed.status or broken > session.TRIES:
                    raise
                time.sleep(random.random() * 2**broken)  # noqa: S311 (no secret)

    @cached_property
    def _google(self) -> Google:
        return self._given or Google()

    @contextmanager
    def _asking(self, key: str) -> Iterator[None]:
        try:
            yield
        except GoogleFailed as failed:
            if failed.status == 412:
                raise BucketFailed(f"{self.url(key)} is there already, and is not replaced. Name another") from None
            raise BucketFailed(f"{self.url(key)}: {failed.what}", failed.remedy) from None


def _md5(content: io.BufferedReader) -> bytes:
    """What Cloud Storage compares; an archive's own digests are SHA-256."""
    digest = md5(usedforsecurity=False)
    while piece := content.read(_CHUNK):
        digest.update(piece)
    return digest.digest()

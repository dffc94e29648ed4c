"""What S3 promises for later: the versioning of a bucket is in force some time after somebody asked for it.

Until then an object is written without a version, and its version is called "null" ever after.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/manage-versioning-examples.html
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

from moto.s3.models import FakeBucket, S3Backend

from .behaviour import Behaviour


@contextmanager
def installed(behaviour: Behaviour, clock: Callable[[], float] = time.monotonic) -> Iterator[None]:
    """In the place of moto's own, in this process."""
    since: dict[str, float] = {}
    put = S3Backend.put_bucket_versioning

    def put_bucket_versioning(backend: S3Backend, bucket_name: str, status: str) -> None:
        since.setdefault(bucket_name, clock())
        put(backend, bucket_name, status)

    def is_versioned(bucket: FakeBucket) -> bool:
        asked = since.get(bucket.name)
        return bucket.versioning_status == "Enabled" and asked is not None and clock() >= asked + behaviour.versioning

    with (
        patch.object(S3Backend, "put_bucket_versioning", put_bucket_versioning),
        patch.object(FakeBucket, "is_versioned", property(is_versioned)),
    ):
        yield

"""Where scheduled snapshots go: a host volume of a client pool, or a bucket that speaks S3."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hashistack.ops.snapshots.save import SnapshotFailed

SCHEME = "s3://"


@dataclass(frozen=True)
class Directory:
    """The path of a host volume that a client pool declares. keep: how many archives stay; the oldest goes first."""

    path: str
    keep: int = 72


@dataclass(frozen=True)
class Bucket:
    """Objects below a URL, put there by a key of their own. How long they stay is the bucket's own affair.

    objects: the URL before an archive's name. user: ``ID:SECRET`` of an access key, which needs `s3:PutObject` alone.
    """

    objects: str
    region: str
    user: str = field(repr=False)

    @classmethod
    def parse(cls, url: str, environment: Mapping[str, str]) -> Bucket:
        """`s3://BUCKET/PREFIX`, with the key, the region and, if any, the endpoint out of AWS's own variables.

        Raises:
            SnapshotFailed: something is missing, or the key would not last.
        """
        name, _, prefix = url.removeprefix(SCHEME).strip("/").partition("/")
        if not url.startswith(SCHEME) or not name:
            raise SnapshotFailed(f"{url} names no bucket. Write {SCHEME}BUCKET/PREFIX")
        region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or ""
        found = {variable: environment.get(variable, "") for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
        if lacking := [variable for variable, value in {**found, "AWS_REGION": region}.items() if not value]:
            raise SnapshotFailed(
                f"{url}: {', '.join(lacking)} not set",
                "make an access key that may put objects there and nothing "
                "else, export it, and repeat this; the cluster's Vault keeps it for the job",
            )
        if environment.get("AWS_SESSION_TOKEN"):
            raise SnapshotFailed(
                f"{url}: AWS_SESSION_TOKEN is set: these credentials end within hours",
                "export an access key of an IAM user that may put objects there and nothing else",
            )
        endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
        place = f"{endpoint.rstrip('/')}/{name}" if endpoint else f"https://{name}.s3.{region}.amazonaws.com"
        return cls("/".join(filter(None, (place, prefix))), region, ":".join(found.values()))

"""Buckets, objects, secrets and keys in moto: what machines read and Vault's seal uses."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path
from typing import Any

from hashistack.provider.handler import Props

from ...box.asset import ASSET
from .resource import Echo, client


class Bucket(Echo):
    replacing = ("bucket", "bucketPrefix")

    def make(self, region: str, name: str, news: Props) -> tuple[str, Props]:
        bucket = news.get("bucket") or name
        client("s3", region).create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": region})
        return bucket, {
            "bucket": bucket,
            "arn": f"arn:aws:s3:::{bucket}",
            "bucketDomainName": f"{bucket}.s3.amazonaws.com",
            "bucketRegionalDomainName": f"{bucket}.s3.{region}.amazonaws.com",
        }

    def remove(self, region: str, id: str, olds: Props) -> None:
        s3 = client("s3", region)
        if olds.get("forceDestroy"):
            found = s3.list_object_versions(Bucket=id)
            for each in (*found.get("Versions", ()), *found.get("DeleteMarkers", ())):
                s3.delete_object(Bucket=id, Key=each["Key"], VersionId=each["VersionId"])
        s3.delete_bucket(Bucket=id)


class BucketVersioning(Echo):
    def make(self, region: str, name: str, news: Props) -> tuple[str, Props]:
        status = news["versioningConfiguration"]["status"]
        client("s3", region).put_bucket_versioning(Bucket=news["bucket"], VersioningConfiguration={"Status": status})
        return news["bucket"], {}


class BucketObject(Echo):
    replacing = ("bucket", "key")
    moving = ("etag", "versionId")

    def make(self, region: str, name: str, news: Props) -> tuple[str, Props]:
        key = news.get("key") or name
        return key, {"key": key, **self._put(region, key, news)}

    def change(self, region: str, id: str, olds: Props, news: Props) -> Props:
        return self._put(region, id, news)

    def remove(self, region: str, id: str, olds: Props) -> None:
        s3, bucket = client("s3", region), olds["bucket"]
        for each in s3.list_object_versions(Bucket=bucket, Prefix=id).get("Versions", ()):
            if each["Key"] == id:
                s3.delete_object(Bucket=bucket, Key=id, VersionId=each["VersionId"])

    def _put(self, region: str, key: str, news: Props) -> Props:
        made = client("s3", region).put_object(Bucket=news["bucket"], Key=key, Body=_content(news))
        return {"etag": made["ETag"].strip('"'), "versionId": made.get("VersionId", "")}


def _content(news: Props) -> bytes:
    if news.get("contentBase64") is not None:
        return b64decode(news["contentBase64"])
    if news.get("content") is not None:
        return str(news["content"]).encode()
    asset: dict[str, Any] = news["source"][ASSET]
    return Path(asset["path"]).read_bytes() if "path" in asset else str(asset["text"]).encode()


class Secret(Echo):
    def make(self, region: str, name: str, news: Props) -> tuple[str, Props]:
        arn = client("secretsmanager", region).create_secret(Name=name)["ARN"]
        return arn, {"arn": arn, "name": name}

    def remove(self, region: str, id: str, olds: Props) -> None:
        now = olds.get("recoveryWindowInDays") == 0
        limit = {} if now else {"RecoveryWindowInDays": int(olds.get("recoveryWindowInDays") or 30)}
        client("secretsmanager", region).delete_secret(SecretId=id, ForceDeleteWithoutRecovery=now, **limit)


class SecretVersion(Echo):
    replacing = ("secretId",)
    moving = ("versionId",)

    def make(self, region: str, name: str, news: Props) -> tuple[str, Props]:
        made = self.change(region, "", {}, news)
        return f"{news['secretId']}|{made['versionId']}", {"arn": news["secretId"], **made}

    def change(self, region: str, id: str, olds: Props, news: Props) -> Props:
        api = client("secretsmanager", region)
        return {
            "versionId": api.put_secret_value(SecretId=news["secretId"], SecretString=news["secretString"])["VersionId"]
        }


class Key(Echo):
    def make(self, region: str, name: str, news: Props) -> tuple[str, Props]:
        key = client("kms", region).create_key(Description=news.get("description") or "")["KeyMetadata"]
        return key["KeyId"], {"keyId": key["KeyId"], "arn": key["Arn"]}

    def remove(self, region: str, id: str, olds: Props) -> None:
        days = int(olds.get("deletionWindowInDays") or 30)
        client("kms", region).schedule_key_deletion(KeyId=id, PendingWindowInDays=days)

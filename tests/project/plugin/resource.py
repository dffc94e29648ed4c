"""Resources of Google Cloud under an engine: made by `provider`, and changed and deleted where that matters here."""

from __future__ import annotations

import os
import secrets
import time
from functools import cache
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httplib2

from hashistack.gcp.ops.session import Google, GoogleFailed
from hashistack.provider.handler import Context, Diff, Handler, Props, changed

from ...gcp.wire import document
from .. import provider
from ..compute import PROJECT, REGION

IN_PLACE = {"Account", "Bucket", "BucketObject", "CryptoKey", "IAMCustomRole", "RegionInstanceGroupManager", "Secret"}
"""Types that the provider changes in place; of any other, another one is made."""
FRONT = "HASHISTACK_TESTS_GOOGLE"
"""The environment variable with the front's URL."""
_MANAGERS = "compute.regionInstanceGroupManagers"
_MOVING = {"generation"}
"""Outputs that an update changes: unknown until it is done."""


class _Authorized(httplib2.Http):
    """To the front, with the token of the project's owner: both are in the environment."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.redirect_codes = self.redirect_codes - {308}  # Cloud Storage's answer to a part of an upload

    def request(self, uri: str, method: str = "GET", body: Any = None, headers: Any = None, **more: Any) -> Any:
        host, path = urlsplit(uri).netloc, uri.partition("googleapis.com")[2]
        token = {"authorization": f"Bearer {os.environ['GOOGLE_OAUTH_ACCESS_TOKEN']}", "host": host}
        return super().request(f"{os.environ[FRONT]}{path}", method, body, {**(headers or {}), **token}, **more)


@cache
def google() -> Google:
    """Google's APIs; each thread has a connection of its own."""
    return Google(lambda: _Authorized(timeout=120))


class Resource(Handler):
    """token: of its type."""

    def __init__(self, token: str) -> None:
        self.type, self.kind = token, token.rpartition(":")[2]

    def diff(self, ctx: Context, id: str, olds: Props, news: Props) -> Diff:
        names = changed(olds, news)
        return Diff(update=names) if self.kind in IN_PLACE else Diff(replace=names)

    def preview(self, ctx: Context, olds: Props | None, news: Props) -> Props:
        return {name: value for name, value in (olds or {}).items() if name not in news and name not in _MOVING}

    def create(self, ctx: Context, news: Props) -> tuple[str, Props]:
        name = news.get("name") or f"{ctx.name.lower()}-{secrets.token_hex(4)[:7]}"
        made = {"name": name, **provider.make(google(), self.type, name, news)}
        return str(made.pop("id", name)), made

    def update(self, ctx: Context, id: str, olds: Props, news: Props) -> Props:
        kept = {key: value for key, value in olds.items() if key not in news}
        if self.kind == "BucketObject":
            return {**kept, **provider.make(google(), self.type, olds["name"], news)}
        if self.kind == "RegionInstanceGroupManager":
            body = {"versions": document(self.type, news)[2]["versions"]}
            _order("patch", olds["name"], body=body)
        return kept

    def delete(self, ctx: Context, id: str, olds: Props) -> None:
        try:
            provider.remove(google(), self.type, id, olds)
        except GoogleFailed as failed:
            if failed.status != 404:
                raise
        while self.kind == "RegionInstanceGroupManager" and _machines(olds["name"]):
            time.sleep(0.5)


def _order(verb: str, group: str, **given: Any) -> None:
    where = {"project": PROJECT, "region": REGION, "instanceGroupManager": group}
    google().ask(f"{_MANAGERS}.{verb}", **where, requestId=str(uuid4()), **given)


def _machines(group: str) -> bool:
    """Whether a group has machines still: the provider waits until its group is gone, and that until they are."""
    pages = google().pages("compute.instances.aggregatedList", project=PROJECT)
    found = (vm for page in pages for zone in page["items"].values() for vm in zone.get("instances", ()))
    return any(item["value"].endswith(f"/{group}") for vm in found for item in vm["metadata"]["items"])

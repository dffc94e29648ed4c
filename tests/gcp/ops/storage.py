"""Cloud Storage without an account, in this process: objects, conditions, ranges and uploads that are resumed.

Each request is judged by Google's discovery document before it is served.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import md5
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import httplib2

from ..discovery import answers, faults_of, judge
from .project import Refused

_SESSION = "https://storage.googleapis.com/session/"


@dataclass
class Storage:
    """objects: by bucket and key. read: bytes that were answered of objects. breaks: parts of uploads, by their number,
    at which the connection breaks."""

    objects: dict[tuple[str, str], bytes] = field(default_factory=dict)
    buckets: set[str] = field(default_factory=set)
    read: int = 0
    away: bool = False
    denied: bool = False
    breaks: set[int] = field(default_factory=set)
    page: int = 100
    _begun: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    _parts: int = 0
    _held: dict[int, bytes] = field(default_factory=dict)

    def http(self) -> Wire:
        return Wire(self)

    def request(self, uri: str, method: str, body: Any, headers: Mapping[str, str]) -> tuple[dict[str, str], bytes]:
        if self.away:
            raise ConnectionRefusedError(111, "Connection refused")
        if uri.startswith(_SESSION):
            return self._part(int(uri.removeprefix(_SESSION)), body, headers)
        url = urlsplit(uri)
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        said = json.loads(body) if body and query.get("uploadType") != "media" else None
        id_ = judge("storage", method, url.path, query, said)
        if self.denied:
            raise Refused(403, "forbidden", "x@y does not have storage.objects.create access.")
        parts = [unquote(part) for part in url.path.split("/")]
        bucket = parts[parts.index("b") + 1]
        if bucket not in self.buckets:
            raise Refused(404, "notFound", "The specified bucket does not exist.")
        match id_:
            case "storage.objects.insert":
                assert query["uploadType"] == "resumable"
                if query.get("ifGenerationMatch") == "0" and (bucket, said["name"]) in self.objects:
                    raise Refused(412, "conditionNotMet", "At least one of the pre-conditions did not hold.")
                self._begun.append((bucket, query.get("ifGenerationMatch", ""), said))
                return {"location": f"{_SESSION}{len(self._begun) - 1}"}, b""
            case "storage.objects.list":
                return self._list(bucket, query)
            case "storage.objects.get":
                assert query["alt"] == "media"
                return self._get(bucket, parts[-1], headers)
        raise AssertionError(id_)

    def _part(self, number: int, body: Any, headers: Mapping[str, str]) -> tuple[dict[str, str], bytes]:
        content = body.read() if hasattr(body, "read") else body or b""
        place, _, size = headers["Content-Range"].removeprefix("bytes ").partition("/")
        held = self._held.setdefault(number, b"")
        if place != "*":
            self._parts += 1
            if self._parts in self.breaks:
                raise ConnectionResetError(104, "Connection reset by peer")
            assert int(place.partition("-")[0]) == len(held)
            held = self._held[number] = held + content[: int(place.partition("-")[2]) + 1 - len(held)]
        if len(held) < int(size):
            return {"status": "308", "range": f"bytes=0-{len(held) - 1}"}, b""
        bucket, condition, said = self._begun[number]
        assert condition == "0"
        assert said["md5Hash"] == b64encode(md5(held, usedforsecurity=False).digest()).decode()
        self.objects[bucket, said["name"]] = held
        return {}, self._object(said["name"], held)

    def _list(self, bucket: str, query: Mapping[str, str]) -> tuple[dict[str, str], bytes]:
        begin = query.get("prefix", "")
        keys = sorted(key for where, key in self.objects if where == bucket and key.startswith(begin))
        if query.get("delimiter") == "/":
            keys = [key for key in keys if "/" not in key[len(begin) :]]
        first = int(query.get("pageToken", 0))
        items = [{"name": key, "size": str(len(self.objects[bucket, key]))} for key in keys[first : first + self.page]]
        more = {"nextPageToken": str(first + self.page)} if len(keys) > first + self.page else {}
        answer = {"items": items, **more} if items else {}
        assert faults_of("storage", answers("storage", "storage.objects.list"), answer, answer=True) == []
        return {}, json.dumps(answer).encode()

    def _get(self, bucket: str, key: str, headers: Mapping[str, str]) -> tuple[dict[str, str], bytes]:
        if (bucket, key) not in self.objects:
            raise Refused(404, "notFound", f"No such object: {bucket}/{key}")
        content = self.objects[bucket, key]
        first, _, last = headers["range"].removeprefix("bytes=").partition("-")
        if int(first) >= len(content):
            raise Refused(416, "requestedRangeNotSatisfiable", "Request range not satisfiable")
        part = content[int(first) : int(last) + 1]
        self.read += len(part)
        place = f"bytes {first}-{int(first) + len(part) - 1}/{len(content)}"
        return {"status": "206", "content-range": place, "content-length": str(len(part))}, part

    def _object(self, key: str, content: bytes) -> bytes:
        return json.dumps({"name": key, "size": str(len(content)), "generation": "1764460800000000"}).encode()


class Wire:
    """What google-api-python-client sends through: as `httplib2.Http`."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def request(
        self, uri: str, method: str = "GET", body: Any = None, headers: Any = None, **more: Any
    ) -> tuple[httplib2.Response, bytes]:
        try:
            said, content = self._storage.request(uri, method, body, headers or {})
        except Refused as refused:
            said, content = {"status": str(refused.status)}, refused.content
        return httplib2.Response({"status": "200", "content-type": "application/json", **said}), content

    def close(self) -> None:
        """Nothing is open."""

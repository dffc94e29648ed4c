"""Cloud Storage: buckets of objects with generations, conditions, ranges, and uploads that are resumed."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import md5
from itertools import count
from pathlib import Path
from typing import Any

from .api import Answer, Call, Refused
from .iam import Iam

FIRST = 1764460800000001
"""The first object's generation: a time in microseconds, as Google's are; each later one has the next."""
_LARGE = 1 << 20
_SESSION = "https://storage.googleapis.com/upload/storage/v1/b/{}/o?uploadType=resumable&upload_id={}"
_PERMISSIONS = {
    "storage.objects.delete": "storage.objects.delete",
    "storage.objects.get": "storage.objects.get",
    "storage.objects.insert": "storage.objects.create",
    "storage.objects.list": "storage.objects.list",
}


@dataclass
class Object:
    """One generation of an object. kept: its content, or the file that has it."""

    generation: int
    kept: bytes | Path
    live: bool = True

    @property
    def content(self) -> bytes:
        return self.kept.read_bytes() if isinstance(self.kept, Path) else self.kept


@dataclass
class Storage:
    """objects: by bucket and key, each with its generations, oldest first. read: bytes of objects that were answered.
    breaks: parts of uploads, by their number, at which the connection breaks. page: objects on a page of a list.
    directory: where large objects are; None: in memory."""

    buckets: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    objects: dict[tuple[str, str], list[Object]] = field(default_factory=dict)
    read: int = 0
    breaks: set[int] = field(default_factory=set)
    page: int = 1000
    iam: Iam = field(default_factory=Iam)
    directory: Path | None = None
    generations: Callable[[], int] = field(default_factory=lambda: count(FIRST).__next__)
    _begun: list[tuple[str, Call]] = field(default_factory=list)
    _held: dict[str, bytes] = field(default_factory=dict)
    _parts: int = 0

    def put(self, bucket: str, key: str, content: bytes) -> int:
        """A new object, or another generation of one; its generation."""
        versions = self.objects.setdefault((bucket, key), [])
        for each in versions:
            each.live = False
        versions.append(made := Object(self.generations(), content))
        if self.directory and len(content) > _LARGE:
            made.kept = self.directory / f"object-{made.generation}"
            made.kept.write_bytes(content)
        return made.generation

    def contents(self, bucket: str) -> dict[str, list[bytes]]:
        """Key to the contents of all generations."""
        return {
            key: [each.content for each in found] for (where, key), found in self.objects.items() if where == bucket
        }

    def live(self, bucket: str, key: str) -> Object | None:
        return next((each for each in self.objects.get((bucket, key), ()) if each.live), None)

    def needs(self, call: Call) -> tuple[str, str]:
        """The permission that a call needs, and the resource."""
        if call.method.startswith("storage.buckets."):
            return call.method, f"projects/_/buckets/{call.said['name'] if call.path[-1] == 'b' else call.path[4]}"
        place = f"projects/_/buckets/{call.path[call.path.index('b') + 1]}"
        key = self._key(call)
        return _PERMISSIONS[call.method], f"{place}/objects/{key}" if key else place

    # Methods.

    def buckets_insert(self, call: Call) -> Any:
        name = call.said["name"]
        if name in self.buckets:
            raise Refused(409, "conflict", "Your previous request to create the named bucket succeeded.")
        self.buckets[name] = call.said
        return {**call.said, "kind": "storage#bucket"}

    def buckets_get(self, call: Call) -> Any:
        return {**self.buckets[self._bucket(call)], "kind": "storage#bucket"}

    def buckets_delete(self, call: Call) -> Answer:
        bucket = self._bucket(call)
        if any(where == bucket for where, _ in self.objects):
            raise Refused(409, "conflict", "The bucket you tried to delete is not empty.")
        del self.buckets[bucket]
        return Answer(status=204)

    def buckets_getIamPolicy(self, call: Call) -> Any:
        return {"kind": "storage#policy", **self.iam.policy(f"projects/_/buckets/{self._bucket(call)}")}

    def buckets_setIamPolicy(self, call: Call) -> Any:
        return {"kind": "storage#policy", **self.iam.replace(f"projects/_/buckets/{self._bucket(call)}", call.said)}

    def objects_list(self, call: Call) -> Any:
        bucket, begin, first = self._bucket(call), call.query.get("prefix", ""), int(call.query.get("pageToken", 0))
        found = [
            (key, each)
            for (where, key), versions in sorted(self.objects.items())
            if where == bucket and key.startswith(begin)
            for each in versions
            if each.live or call.query.get("versions") == "true"
        ]
        if call.query.get("delimiter") == "/":
            found = [(key, each) for key, each in found if "/" not in key[len(begin) :]]
        more = {"nextPageToken": str(first + self.page)} if len(found) > first + self.page else {}
        items = [_described(bucket, key, each) for key, each in found[first : first + self.page]]
        return {**({"items": items} if items else {}), **more}

    def objects_get(self, call: Call) -> Any:
        bucket, key = self._bucket(call), self._key(call)
        found = self._found(call, bucket, key)
        self._condition(call.query, found)
        if call.query.get("alt") != "media":
            return _described(bucket, key, found)
        told = {"content-type": "application/octet-stream", "x-goog-generation": str(found.generation)}
        if not (asked := call.headers.get("range", "")):
            self.read += len(found.content)
            return Answer(found.content, headers=told)
        first, _, last = asked.removeprefix("bytes=").partition("-")
        begin = int(first) if first else max(0, len(found.content) - int(last))
        if begin >= len(found.content):
            raise Refused(416, "requestedRangeNotSatisfiable", "Request range not satisfiable")
        part = found.content[begin : int(last) + 1 if first and last else None]
        self.read += len(part)
        place = f"bytes {begin}-{begin + len(part) - 1}/{len(found.content)}"
        return Answer(part, 206, {**told, "content-range": place, "content-length": str(len(part))})

    def objects_insert(self, call: Call) -> Any:
        bucket, key = self._bucket(call), self._key(call)
        self._condition(call.query, self.live(bucket, key))
        if call.query.get("uploadType") == "resumable":
            session = str(len(self._begun))
            self._begun.append((bucket, call))
            return Answer(headers={"location": _SESSION.format(bucket, session)})
        self.put(bucket, key, call.content)
        return _described(bucket, key, self.objects[bucket, key][-1])

    def objects_delete(self, call: Call) -> Answer:
        bucket, key = self._bucket(call), self._key(call)
        found = self._found(call, bucket, key)
        self._condition(call.query, found)
        if "generation" in call.query:
            self.objects[bucket, key].remove(found)
            if not self.objects[bucket, key]:
                del self.objects[bucket, key]
        else:
            found.live = False  # the bucket keeps versions
        return Answer(status=204)

    def part(self, session: str, headers: Mapping[str, str], content: bytes) -> Any:
        """A part of an upload: https://cloud.google.com/storage/docs/performing-resumable-uploads"""
        bucket, call = self._begun[int(session)]
        place, _, size = headers["content-range"].removeprefix("bytes ").partition("/")
        held = self._held.get(session, b"")
        if place != "*":
            self._parts += 1
            if self._parts in self.breaks:
                raise ConnectionResetError(104, "Connection reset by peer")
            first, _, last = place.partition("-")
            assert int(first) == len(held), "a part begins where the last one ended"
            held = self._held[session] = held + content[: int(last) + 1 - len(held)]
        if len(held) < int(size):
            return Answer(status=308, headers={"range": f"bytes=0-{len(held) - 1}"} if held else {})
        key = self._key(call)
        self._condition(call.query, self.live(bucket, key))
        given = (call.said or {}).get("md5Hash")
        if given and given != _md5(held):
            raise Refused(400, "invalid", f"Provided MD5 hash '{given}' doesn't match '{_md5(held)}'.")
        self.put(bucket, key, held)
        return _described(bucket, key, self.objects[bucket, key][-1])

    def _bucket(self, call: Call) -> str:
        bucket = call.path[call.path.index("b") + 1]
        if bucket not in self.buckets:
            raise Refused(404, "notFound", "The specified bucket does not exist.")
        return bucket

    def _key(self, call: Call) -> str:
        if call.method == "storage.objects.insert":
            return str(call.query.get("name") or call.said["name"])
        return call.path[-1] if call.method != "storage.objects.list" else ""

    def _found(self, call: Call, bucket: str, key: str) -> Object:
        wanted = call.query.get("generation")
        found = self.live(bucket, key)
        if wanted:
            found = next((o for o in self.objects.get((bucket, key), ()) if str(o.generation) == wanted), None)
        if found is None:
            raise Refused(404, "notFound", f"No such object: {bucket}/{key}")
        return found

    def _condition(self, query: Mapping[str, str], found: Object | None) -> None:
        """ifGenerationMatch: 0 where there is none."""
        wanted = query.get("ifGenerationMatch")
        if wanted is not None and int(wanted) != (found.generation if found else 0):
            message = "At least one of the pre-conditions you specified did not hold."
            raise Refused(412, "conditionNotMet", message)


def _described(bucket: str, key: str, found: Object) -> Any:
    return {
        "kind": "storage#object",
        "bucket": bucket,
        "name": key,
        "size": str(len(found.content)),
        "generation": str(found.generation),
        "md5Hash": _md5(found.content),
    }


def _md5(content: bytes) -> str:
    return b64encode(md5(content, usedforsecurity=False).digest()).decode()

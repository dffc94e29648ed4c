"""What Docker has now, read without its SDK: importing that takes as long as an `up` that changes nothing may take.

Only lists, only where a diff looks for drift. Whatever changes something goes through the SDK.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import urlencode

from hashistack import call_log
from hashistack.local.docker_client import PATIENCE_SECONDS, DockerFailed, chosen, engine, silent
from hashistack.provider.handler import Props

Filters = Mapping[str, Any]


class Listing(Protocol):
    """Three reads, with the arguments and answers of `docker.APIClient`, which is one of these."""

    def containers(self, *, all: bool, filters: Filters) -> list[Props]: ...

    def networks(self, *, filters: Filters) -> list[Props]: ...

    def inspect_container(self, container: str) -> Props: ...


def listing() -> Listing:
    """The lists of the Docker that the user's environment names. Raises DockerFailed as `engine` does."""
    return _socket() or _sdk()


def has_image(name: str) -> bool:
    """Whether that Docker has an image of this name. Raises DockerFailed as `listing` does."""
    near = _socket()
    return near.has_image(name) if near else bool(_sdk().images(name=name, quiet=True))


def _socket() -> _Socket | None:
    host, _ = chosen()
    return _Socket(host.removeprefix("unix://")) if host.startswith("unix://") else None


def _sdk() -> Any:
    return engine().api


class _Socket:
    def __init__(self, path: str) -> None:
        self._path = path

    def containers(self, *, all: bool, filters: Filters) -> list[Props]:
        return self._list("/containers/json", all=int(all), filters=_json(filters))

    def networks(self, *, filters: Filters) -> list[Props]:
        return self._list("/networks", filters=_json(filters))

    def inspect_container(self, container: str) -> Props:
        path = f"/containers/{container}/json"
        status, answer = self._get(path)
        if status != 200:
            raise _refused(path, answer)
        found: Props = answer
        return found

    def has_image(self, name: str) -> bool:
        # Docker adds up sizes for a list of images, and not for one of them.
        path = f"/images/{name}/json"
        status, answer = self._get(path)
        if status not in (200, 404):
            raise _refused(path, answer)
        return status == 200

    def _list(self, path: str, **query: str | int) -> list[Props]:
        status, answer = self._get(path, **query)
        if status != 200:
            raise _refused(path, answer)
        found: list[Props] = answer
        return found

    def _get(self, path: str, **query: str | int) -> tuple[int, Any]:
        # HTTP/1.0: the answer is not in chunks, and ends where the connection does.
        request = f"GET {path}?{urlencode(query)} HTTP/1.0\r\nHost: docker\r\n\r\n"
        try:
            with call_log.call("docker", f"GET {path}") as ended, socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(PATIENCE_SECONDS)
                connection.connect(self._path)
                connection.sendall(request.encode())
                with connection.makefile("rb") as stream:
                    head, _, body = stream.read().partition(b"\r\n\r\n")
                ended(status := int(head.split(maxsplit=2)[1]))
            return status, json.loads(body)
        except (OSError, ValueError, IndexError) as error:
            raise silent(error) from error


def _refused(path: str, answer: Any) -> DockerFailed:
    return DockerFailed(f"Docker says: {answer.get('message')} (asked for {path})")


def _json(filters: Filters) -> str:
    return json.dumps({name: [value] if isinstance(value, str) else value for name, value in filters.items()})

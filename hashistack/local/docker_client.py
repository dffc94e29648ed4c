"""The way to Docker: which daemon is meant, a client for it, and what its errors mean.

The SDK is imported where a client is made: the command's `--help` needs none.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hashistack import call_log
from hashistack.errors import HashistackError, expected
from hashistack.home import expanded
from hashistack.ops.rollout.driver import DriverFailed
from hashistack.provider.handler import Handler

if TYPE_CHECKING:
    import docker

SOCKET = "unix:///var/run/docker.sock"
"""Where Docker listens unless something else is said."""

PATIENCE_SECONDS = 120.0

_REMEDIES: Mapping[str, str] = {
    "no space left on device": "docker system prune, or a larger disk; then repeat",
    "port is already allocated": "end what listens there, then repeat",
    "address already in use": "end what listens there, then repeat",
    "permission denied": "look whether this user and Docker may do that (SELinux, AppArmor), then repeat",
    "user namespace": "allow `--userns=host` in Docker (an authorization plug-in may forbid it), then repeat",
}
"""What Docker says, in lower case, to what to do about it."""


class DockerFailed(DriverFailed):
    """Docker refused or did not answer."""


def chosen() -> tuple[str, str]:
    """The daemon's address, and who says so: as the docker command, DOCKER_HOST, DOCKER_CONTEXT, the chosen context.

    Raises DockerFailed for a context that is not there.
    """
    if host := os.environ.get("DOCKER_HOST"):
        return host, "DOCKER_HOST"
    folder = Path(os.environ.get("DOCKER_CONFIG") or expanded("~/.docker"))
    name = os.environ.get("DOCKER_CONTEXT") or str(_read(folder / "config.json").get("currentContext") or "default")
    if name == "default":
        return SOCKET, "the default"
    # https://github.com/docker/cli/blob/v28.2.2/cli/context/store/metadatastore.go
    meta = _read(folder / "contexts" / "meta" / sha256(name.encode()).hexdigest() / "meta.json")
    try:
        return str(meta["Endpoints"]["docker"]["Host"]), f"the Docker context {name}"
    except (KeyError, TypeError):
        raise DockerFailed(
            f"the Docker context {name} is not in {folder}", "docker context ls, then docker context use NAME"
        ) from None


def here() -> tuple[str, str]:
    """`chosen`, where that daemon is on this machine. Raises DockerFailed for one that is not."""
    host, chosen_by = chosen()
    parts = urlsplit(host)
    if parts.scheme in ("unix", "npipe") or parts.hostname in ("localhost", "127.0.0.1", "::1"):
        return host, chosen_by
    raise DockerFailed(
        f"{host} ({chosen_by}) is on another machine: a cluster mounts this one's tools, and answers on its loopback",
        "unset DOCKER_HOST, docker context use default; or work on that machine",
    )


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def engine(timeout: float = PATIENCE_SECONDS) -> docker.DockerClient:
    """A client for the Docker that is meant. Raises DockerFailed where it does not answer.

    The one place where a handler first imports the SDK: two threads that first import it by two of its modules get it
    half made.
    """
    import docker

    with asking():
        made = docker.from_env(timeout=int(timeout), environment={**os.environ, "DOCKER_HOST": here()[0]})
    if call_log.is_on():
        made.api.hooks["response"].append(_note)
    return made


def _note(response: Any, **more: object) -> None:
    path = urlsplit(response.request.path_url).path
    call_log.note("docker", f"{response.request.method} {path}", response.status_code, response.elapsed.total_seconds())


def failure(error: Exception) -> DockerFailed | None:
    """What one of the errors of Docker's SDK, or of what it talks through, means; None for any other."""
    from docker.errors import APIError, DockerException
    from requests.exceptions import ReadTimeout, RequestException
    from urllib3.exceptions import HTTPError, ReadTimeoutError

    if isinstance(error, DockerFailed):
        return error
    if isinstance(error, ReadTimeout | ReadTimeoutError):
        return DockerFailed("Docker took too long for an answer", "look at this machine's load and Docker's log")
    if isinstance(error, APIError) and error.response is not None:
        said = " ".join(str(error.explanation or error).split()).rstrip(".")
        remedy = next((remedy for words, remedy in _REMEDIES.items() if words in said.lower()), "")
        return DockerFailed(f"Docker says: {said}", remedy or "do what it says, then repeat")
    if isinstance(error, DockerException | RequestException | HTTPError | ConnectionError | TimeoutError):
        return silent(error)
    return None


def silent(error: object) -> DockerFailed:
    """The failure for a Docker that does not answer, with what to do."""
    return DockerFailed(f"Docker does not answer: {error}", "start it; hashistack doctor says more")


@contextmanager
def asking() -> Iterator[None]:
    """Around what asks Docker: its errors come out as DockerFailed. Decorates a function too."""
    try:
        yield
    except HashistackError:
        raise
    except Exception as error:
        if told := failure(error):
            raise told from error
        raise


class DockerHandler(Handler):
    """A handler whose work is in Docker."""

    def failure(self, error: Exception) -> HashistackError | None:
        return expected(error) or failure(error)

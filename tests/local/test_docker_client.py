"""Which Docker is meant, as the docker command finds it, and what its errors say to a user."""

from __future__ import annotations

import errno
import json
import subprocess
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
import requests
from docker.errors import APIError, DockerException
from urllib3.exceptions import ProtocolError

from hashistack.local import docker_client
from hashistack.local.docker_client import DockerFailed, DockerHandler, asking, chosen, failure, here
from hashistack.ops.rollout.driver import DriverFailed


@pytest.fixture
def contexts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes Docker's configuration: the current context, and where each context's daemon is."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))

    def make(current: str | None = None, **hosts: str) -> None:
        (tmp_path / "config.json").write_text(json.dumps({"currentContext": current} if current else {}))
        for name, host in hosts.items():
            meta = tmp_path / "contexts/meta" / sha256(name.encode()).hexdigest() / "meta.json"
            meta.parent.mkdir(parents=True)
            meta.write_text(json.dumps({"Name": name, "Metadata": {}, "Endpoints": {"docker": {"Host": host}}}))

    return make


def test_without_any_word_it_is_the_default_socket(contexts: Callable[..., None]) -> None:
    assert chosen() == ("unix:///var/run/docker.sock", "the default")
    contexts()
    assert chosen()[0] == docker_client.SOCKET


def test_the_current_context_then_the_named_one_then_the_host(
    contexts: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    contexts("colima", colima="unix:///c.sock", other="unix:///o.sock")
    assert chosen() == ("unix:///c.sock", "the Docker context colima")
    monkeypatch.setenv("DOCKER_CONTEXT", "other")
    assert chosen() == ("unix:///o.sock", "the Docker context other")
    monkeypatch.setenv("DOCKER_CONTEXT", "default")
    assert chosen()[0] == docker_client.SOCKET
    monkeypatch.setenv("DOCKER_HOST", "unix:///h.sock")
    assert chosen() == ("unix:///h.sock", "DOCKER_HOST")


def test_a_context_that_is_not_there_says_so(contexts: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONTEXT", "gone")
    with pytest.raises(DockerFailed, match=r"the Docker context gone is not in .* Next: docker context ls"):
        chosen()


def test_the_docker_command_agrees(contexts: Callable[..., None]) -> None:
    contexts()
    made = ["docker", "context", "create", "hashistack-test", "--docker", "host=unix:///tmp/nobody.sock"]
    subprocess.run(made, check=True, capture_output=True)
    subprocess.run(["docker", "context", "use", "hashistack-test"], check=True, capture_output=True)
    assert chosen() == ("unix:///tmp/nobody.sock", "the Docker context hashistack-test")


@pytest.mark.parametrize(
    ("host", "is_here"),
    [
        ("unix:///var/run/docker.sock", True),
        ("npipe:////./pipe/docker_engine", True),
        ("tcp://127.0.0.1:2375", True),
        ("tcp://[::1]:2375", True),
        ("tcp://docker:2376", False),
        ("ssh://user@build.example.com", False),
    ],
)
def test_a_daemon_elsewhere_is_refused(host: str, is_here: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    if is_here:
        assert here() == (host, "DOCKER_HOST")
        return
    for ask in (here, docker_client.engine):  # and nobody there is asked for anything
        with pytest.raises(DockerFailed, match=r"is on another machine: .* Next: unset DOCKER_HOST"):
            ask()


def refused(said: str, status: int = 500) -> APIError:
    response = requests.Response()
    response.status_code = status
    return APIError("500 Server Error", response=response, explanation=said)


@pytest.mark.parametrize(
    ("error", "told", "remedy"),
    [
        (requests.exceptions.ReadTimeout("slow"), "took too long", "load"),
        (requests.exceptions.ConnectionError("refused"), "does not answer", "start it"),
        (DockerException("Error while fetching server API version"), "does not answer", "start it"),
        (ProtocolError("broken"), "does not answer", "start it"),
        (ConnectionResetError(errno.ECONNRESET, "reset"), "does not answer", "start it"),
        (refused("write /x: no space left on device"), "Docker says: write /x: no space left on device", "prune"),
        (refused("driver failed: Bind for 127.0.0.1:24000 failed: port is already allocated"), "Bind for", "listens"),
        (refused("something new."), "Docker says: something new", "do what it says"),
    ],
)
def test_an_error_of_docker_is_a_text_and_a_remedy(error: Exception, told: str, remedy: str) -> None:
    found = DockerHandler().failure(error)
    assert isinstance(found, DriverFailed)
    assert told in found.what
    assert remedy in found.remedy
    with pytest.raises(DockerFailed), asking():
        raise error


def test_a_bug_stays_one() -> None:
    assert failure(KeyError("x")) is None
    with pytest.raises(KeyError), asking():
        raise KeyError("x")

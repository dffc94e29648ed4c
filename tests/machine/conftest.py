"""Machines to run the node programs on, one for each shell that they must run under."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import Popen
from typing import TYPE_CHECKING

import pytest

from .sandbox import SHELLS, Sandbox, missing

if TYPE_CHECKING:
    from .aws import Aws
    from .gcp import Gcp

Start = Callable[..., "Popen[bytes]"]


def wait_for(what: Callable[[], object], seconds: float = 30) -> None:
    """Returns as soon as `what` holds; fails when it does not in time."""
    late = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < late, "it did not happen in time"
        time.sleep(0.02)


@functools.cache
def _lacking() -> list[str]:
    return missing()


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    """The shell that is /bin/sh on the machines of the test."""
    name: str = request.param
    return name


@pytest.fixture
def machine(shell: str, tmp_path: Path) -> Sandbox:
    """A machine's root without a bundle."""
    assert not _lacking(), f"the node programs can't run here, for lack of: {', '.join(_lacking())}. See scripts/setup."
    return Sandbox(tmp_path, shell)


@pytest.fixture
def start(machine: Sandbox) -> Iterator[Start]:
    """`machine.start`, and the end of all that was started."""
    running: list[Popen[bytes]] = []

    def begin(*command: str) -> Popen[bytes]:
        running.append(machine.start(*command))
        return running[-1]

    yield begin
    for process in running:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def servers() -> Iterator[Aws]:
    from .aws import Aws  # moto takes a while to import, and few tests need it

    with Aws().running() as started:
        yield started


@pytest.fixture
def aws(servers: Aws) -> Iterator[Aws]:
    """A region with an empty bucket, in which this machine is the only instance. Nothing unexpected may be refused."""
    from ..region.metadata import Instance
    from .aws import ASG, BUCKET, ID, REGION

    tags = {"aws:autoscaling:groupName": ASG}
    own = Instance(ID, "10.9.8.7", zone=f"{REGION}b", role="web", lifecycle_state="InService", tags=tags)
    servers.reset()
    servers.instances["127.0.0.1"] = own
    servers.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    yield servers
    assert servers.refused == []


@pytest.fixture
def gcp() -> Iterator[Gcp]:
    """A project with an empty bucket. Nothing that Google's documents do not have may be asked for."""
    from .gcp import Gcp  # its documents take a while to read, and few tests need them

    with Gcp().running() as started:
        yield started
        assert started.refused == []

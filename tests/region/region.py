"""A region in a box: AWS's endpoints, its metadata service and resolver, and machines, on this host.

Link-local addresses on `lo` are what AWS has at the same ones: the metadata service (.254) and the VPC's resolver (.253);
the front that stands for every endpoint is at .252. Machines reach them by their default route. Needs root and Docker.
`python -m tests.region` runs one by hand.
"""

from __future__ import annotations

import subprocess
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import docker

from . import instances, lifecycle
from .addresses import ACCOUNT, FRONT, METADATA, RESOLVER
from .authority import Authority
from .balancer import Balancers
from .dns import Resolver
from .front import Front
from .metadata import Metadata
from .signatures import Keyring

STEP_SECONDS = 0.3


class Region:
    """One region of one account, from `with` to its end. `environment` is what a program on the host needs to use it."""

    def __init__(self, name: str = "eu-central-1") -> None:
        self.name, self.account = name, ACCOUNT
        self.keyring = Keyring()
        self.problems: list[str] = []
        self._closing: list[Callable[[], object]] = []
        self._over = threading.Event()

    def __enter__(self) -> Region:
        try:
            self._open()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _open(self) -> None:
        place = tempfile.TemporaryDirectory(prefix="region-")
        self._closing.append(place.cleanup)
        self.authority = Authority(Path(place.name))
        for address in (METADATA, RESOLVER, FRONT):
            subprocess.run(["ip", "addr", "add", f"{address}/32", "dev", "lo"], check=True, capture_output=True)
            self._closing.append(lambda address=address: _ip("del", address))
        lifecycle.install()
        names = ["*.amazonaws.com", f"*.{self.name}.amazonaws.com", f"*.s3.{self.name}.amazonaws.com"]
        self.front = Front(FRONT, self.authority.server(names, FRONT), self.keyring)
        self._closing.append(self.front.close)
        self._closing.append(Resolver(RESOLVER, FRONT).close)
        client = docker.from_env(timeout=120)
        self._closing.append(client.close)
        self.machines = instances.Machines(client, self.account, self.name, self.authority.pem)
        self._closing.append(self.machines.remove)
        self.metadata = Metadata(self.machines.whose, self.keyring)
        self.metadata.start(METADATA, 80)
        self._closing.append(self.metadata.stop)
        self.balancers = Balancers(self.account, self.name)
        self._closing.append(self.balancers.close)
        self._thread = threading.Thread(target=self._follow, name="region", daemon=True)
        self._thread.start()
        self._closing.append(self._stop)

    def __exit__(self, *_: object) -> None:
        while self._closing:
            self._closing.pop()()

    @property
    def environment(self) -> dict[str, str]:
        keys = self.keyring.issue("operator", None)
        return {
            "AWS_ACCESS_KEY_ID": keys.access_key,
            "AWS_SECRET_ACCESS_KEY": keys.secret_key,
            "AWS_ENDPOINT_URL": self.front.url,
            "AWS_CA_BUNDLE": str(self.authority.pem),
            "AWS_REGION": self.name,
            "AWS_DEFAULT_REGION": self.name,
        }

    def _follow(self) -> None:
        while not self._over.wait(STEP_SECONDS):
            try:
                lifecycle.step(self.account, self.name, time.monotonic)
                self.machines.step()
                self.balancers.step()
            except Exception:  # a test must hear of it, and the region must go on
                self.problems.append(traceback.format_exc())

    def _stop(self) -> None:
        self._over.set()
        self._thread.join()


def _ip(verb: str, address: str) -> None:
    subprocess.run(["ip", "addr", verb, f"{address}/32", "dev", "lo"], check=False, capture_output=True)

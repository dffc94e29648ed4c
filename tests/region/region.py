"""A region in a box: AWS's endpoints, its metadata service and resolver, and machines, on this host.

Link-local addresses on `lo` are what AWS has at the same ones: the metadata service (.254) and the VPC's resolver
(.253); the front that stands for every endpoint is at .252. Machines reach them by their default route. Needs root and
Docker. `python -m tests.region` runs one by hand.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import tempfile
import threading
import time
import traceback
from contextlib import ExitStack
from pathlib import Path

import docker
from moto.moto_api._internal import mock_random

from ..box.authority import Authority
from ..box.dns import Resolver
from . import late, lifecycle
from .addresses import ACCOUNT, FRONT, METADATA, RESOLVER, ZONE
from .balancer import Balancers
from .behaviour import Behaviour
from .front import Front
from .instances import Machines
from .metadata import Metadata
from .signatures import Keyring

STEP_SECONDS = 0.3
_LOCK = Path("/run/lock/hashistack-tests-region")


class Region:
    """One region of one account, from `with` to its end. `environment`: what a program on the host needs to use it.

    behaviour: what it does that nobody promises; by the seed in HASHISTACK_REGION_SEED, or else always the same.
    """

    def __init__(self, name: str = "eu-central-1", behaviour: Behaviour | None = None) -> None:
        self.name, self.account = name, ACCOUNT
        self.behaviour = behaviour or Behaviour.of(int(os.environ.get("HASHISTACK_REGION_SEED", "1")))
        self.keyring = Keyring()
        self.problems: list[str] = []
        self._ending = ExitStack()
        self._over = threading.Event()

    def __enter__(self) -> Region:
        with ExitStack() as ending:
            self._open(ending)
            self._ending = ending.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.close()

    def _open(self, ending: ExitStack) -> None:
        only = ending.enter_context(_LOCK.open("w"))
        try:
            fcntl.flock(only, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RuntimeError("another region runs on this host, at the same addresses: wait for its end") from None
        place = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="region-")))
        self.authority = Authority(place)
        for address in (METADATA, RESOLVER, FRONT):
            subprocess.run(["ip", "addr", "replace", f"{address}/32", "dev", "lo"], check=True, capture_output=True)
            ending.callback(subprocess.run, ["ip", "addr", "del", f"{address}/32", "dev", "lo"], check=False)
        mock_random.seed(self.behaviour.seed)
        ending.enter_context(lifecycle.installed(self.behaviour))
        ending.enter_context(late.installed(self.behaviour))
        own = f"{self.name}.amazonaws.com"
        places = ("amazonaws.com", own, f"s3.{own}")
        self.front = Front(FRONT, self.authority.server([f"*.{place}" for place in places], FRONT), self.keyring)
        ending.callback(self.front.close)
        ending.callback(Resolver(RESOLVER, {ZONE: FRONT}).close)
        client = docker.from_env(timeout=120)
        ending.callback(client.close)
        self.machines = Machines(client, self.account, self.name, self.authority.pem)
        ending.callback(self.machines.remove)
        ending.enter_context(self.machines.shown())
        self.front.refusal = lambda seen: self.behaviour.refusal(seen, self.machines.role_age(seen.whose))
        self.metadata = Metadata(self.machines.whose, self.keyring)
        self.metadata.start(METADATA, 80)
        ending.callback(self.metadata.stop)
        self.balancers = Balancers(self.account, self.name)
        ending.callback(self.balancers.close)
        following = threading.Thread(target=self._follow, name="region", daemon=True)
        following.start()
        ending.callback(following.join)
        ending.callback(self._over.set)

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

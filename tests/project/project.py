"""A project in a box: Google's endpoints, its metadata server and resolver, and machines, on this host.

Link-local addresses on `lo` are what Google has at the same one (see `addresses`). Machines reach them by their default
route. Needs root and Docker.
"""

from __future__ import annotations

import fcntl
import json
import subprocess
import tempfile
import threading
import traceback
from contextlib import ExitStack
from functools import partial
from ipaddress import IPv4Network
from pathlib import Path

import docker

from hashistack.gcp.ops.session import Google

from ..box.authority import Authority
from ..box.balancer import Names, Ports
from ..box.dns import Resolver
from .accounts import Tokens
from .addresses import API, CIDR, FRONT, KMS, METADATA, ZONES
from .api import OPERATOR, Apis
from .compute import ZONES as REGION_ZONES
from .compute import Compute, ServiceUsage
from .front import Front
from .iam import Iam
from .identity import Identity, Resources
from .kms import Kms
from .machines import Machines
from .metadata import Metadata
from .plugin.resource import FRONT as STAND_IN
from .secret_manager import SecretManager
from .storage import Storage

STEP_SECONDS = 0.3
ENABLED = ("cloudkms", "cloudresourcemanager", "compute", "iam", "oauth2", "secretmanager", "serviceusage", "storage")
_LOCK = Path("/run/lock/hashistack-tests-region")  # a region has the same addresses


class Project:
    """One project with one region, from `with` to its end. late: seconds until a new right counts."""

    def __init__(self, late: float = 0.0) -> None:
        self.tokens, self.iam = Tokens(), Iam(late)
        self.problems: list[str] = []
        self._ending = ExitStack()
        self._over = threading.Event()

    def __enter__(self) -> Project:
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
            raise RuntimeError("another cloud runs on this host, at the same addresses: wait for its end") from None
        place = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="project-")))
        self.authority = Authority(place)
        for address in (METADATA, FRONT, KMS, API):
            subprocess.run(["ip", "addr", "replace", f"{address}/32", "dev", "lo"], check=True, capture_output=True)
            ending.callback(subprocess.run, ["ip", "addr", "del", f"{address}/32", "dev", "lo"], check=False)
        self.storage, self.secrets = Storage(iam=self.iam, directory=place), SecretManager(iam=self.iam)
        hosts = map(str, IPv4Network(CIDR).hosts())
        next(hosts)  # the router
        self.compute = Compute(
            looks=False,
            addresses=hosts,
            frontend=API,
            types={"n2-standard-2": REGION_ZONES},
            quotas=dict.fromkeys(("N2_CPUS", "PREEMPTIBLE_CPUS", "SSD_TOTAL_GB"), (500.0, 12.0)),
        )
        self.kms = Kms(f"{KMS}:443", self.authority.issue(["cloudkms.googleapis.com"], KMS), self.tokens, self.iam)
        ending.callback(self.kms.close)
        services = {
            "storage": self.storage,
            "secretmanager": self.secrets,
            "compute": self.compute,
            "cloudkms": self.kms.rest,
            "iam": Identity(self.iam),
            "cloudresourcemanager": Resources(self.iam),
            "serviceusage": ServiceUsage(tuple(f"{api}.googleapis.com" for api in ENABLED)),
        }
        self.apis = Apis(services, self.tokens, self.iam)
        self.front = Front(FRONT, self.apis, self.authority.server(["*.googleapis.com"], FRONT))
        ending.callback(self.front.close)
        ending.callback(Resolver(METADATA, ZONES).close)
        names = Names("project")  # the host asks another resolver
        names.follow({f"{api}.googleapis.com": FRONT for api in ENABLED})
        ending.callback(names.follow, {})
        self._credentials = place / "credentials.json"
        self._credentials.write_text(json.dumps(self.tokens.credentials(OPERATOR)))
        client = docker.from_env(timeout=120)
        ending.callback(client.close)
        self.machines = Machines(client, self.compute, self.authority.pem)
        self.compute.console = self.machines.console
        self.compute.guest = lambda vm: self.machines.of(vm).guest_attributes
        ending.callback(self.machines.remove)
        self.metadata = Metadata(self.machines.whose, self.tokens)
        self.metadata.start(METADATA, 80)
        ending.callback(self.metadata.stop)
        self.ports = Ports()
        ending.callback(self.ports.close)
        following = threading.Thread(target=self._follow, name="project", daemon=True)
        following.start()
        ending.callback(following.join)
        ending.callback(self._over.set)

    def google(self) -> Google:
        """Google's APIs, for the project's owner."""
        token = self.tokens.issue(OPERATOR, float("inf"))
        return Google(partial(self.apis.http, token))

    @property
    def environment(self) -> dict[str, str]:
        """What a program on this host needs to use the project as its owner."""
        return {
            "GOOGLE_APPLICATION_CREDENTIALS": str(self._credentials),
            "HTTPLIB2_CA_CERTS": str(self.authority.pem),
            "GOOGLE_OAUTH_ACCESS_TOKEN": self.tokens.issue(OPERATOR, float("inf")),
            STAND_IN: self.front.url,
        }

    def _follow(self) -> None:
        while not self._over.wait(STEP_SECONDS):
            try:
                with self.apis.lock:
                    self.compute.settle()
                self.machines.step()
                with self.metadata.changed:
                    self.metadata.changed.notify_all()
                self.ports.follow({place: partial(self.compute.targets, *place) for place in self.compute.fronts()})
            except Exception:  # a test must hear of it, and the project must go on
                self.problems.append(traceback.format_exc())

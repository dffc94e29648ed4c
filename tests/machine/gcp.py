"""Google Cloud as one machine sees it: metadata server, Cloud Storage, Secret Manager and Compute Engine's lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..project.accounts import Tokens
from ..project.api import Apis, Fault, Refused
from ..project.compute import PROJECT, Compute, Template, Vm
from ..project.front import Front
from ..project.metadata import Instance, Metadata
from ..project.secret_manager import Secret, SecretManager
from ..project.storage import FIRST, Storage

__all__ = ["BUCKET", "FIRST", "ID", "PROJECT", "Fault", "Gcp", "Secret", "error"]
BUCKET, ID = "x-bundles", "4520031799277581759"


class Gcp:
    """A project in which this machine is the only instance."""

    def __init__(self) -> None:
        self.tokens = Tokens()
        self.instance = Instance(ID, "x-web-0vx2", "10.9.8.7", account=f"x-web@{PROJECT}.iam.gserviceaccount.com")
        self.metadata = Metadata(lambda address: self.instance, self.tokens)
        self.storage = Storage(buckets={BUCKET: {}})
        self.secret_manager = SecretManager(PROJECT)
        self.compute = Compute(looks=False, page=1, empty_pages=True)
        services = {"storage": self.storage, "secretmanager": self.secret_manager, "compute": self.compute}
        self.apis = Apis(services, self.tokens)
        self.faults = self.apis.faults
        self.url = self.address = ""

    @contextmanager
    def running(self) -> Iterator[Gcp]:
        self.address = self.metadata.start()
        front = Front("127.0.0.1", self.apis, port=0)
        self.url = front.url
        try:
            yield self
        finally:
            front.close()
            self.metadata.stop()

    @property
    def environment(self) -> dict[str, str]:
        """How a machine's programs find it."""
        services = ("COMPUTE", "SECRETMANAGER", "STORAGE")
        return {"GCE_METADATA_HOST": self.address, **{f"HS_{service}_URL": self.url for service in services}}

    @property
    def calls(self) -> list[str]:
        """The methods that were called."""
        return [seen.method for seen in self.apis.seen]

    @property
    def refused(self) -> list[str]:
        """Why other requests were not taken."""
        return self.apis.refused

    @property
    def asked(self) -> list[str]:
        """Paths that the metadata server was asked for."""
        return [each.path for each in self.metadata.asked]

    @property
    def secrets(self) -> dict[str, Secret]:
        return self.secret_manager.secrets

    @property
    def objects(self) -> dict[str, list[bytes]]:
        """Key to the contents of its generations."""
        return self.storage.contents(BUCKET)

    def put(self, key: str, *contents: bytes) -> None:
        """An object with so many generations; the project's first is `FIRST`."""
        for content in contents:
            self.storage.put(BUCKET, key, content)

    def change(self, **values: Any) -> None:
        """Changes what the metadata server says, and wakes who waits for that."""
        self.metadata.change(self.instance, **values)

    def outage(self, status: Callable[[str], int | None]) -> None:
        """The metadata server answers a path with this status; None: as ever."""
        self.metadata.outage = lambda instance, path: status(path)

    def launch(self, ip: str, label: str, status: str) -> None:
        """Another instance, one of the servers of the cluster `label`."""
        template = Template("x-server", {"labels": {"hashistack-servers": label}})
        self.compute.vms.append(
            Vm(f"x-{ip.replace('.', '-')}", "europe-west1-b", template, "", id="1", ip=ip, status=status)
        )


def error(status: int, message: str) -> tuple[int, str]:
    """Status and text of an answer that is an error."""
    return status, Refused(status, "", message).content.decode()

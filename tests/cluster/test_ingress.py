"""The ingresses of `jobs/`, both at once: a service and they themselves are deployed anew, and no request is lost."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import docker
import pytest

from bench.load import Load
from bench.web_job import BODY, JOB, job

from .datacenter import Datacenter
from .program_image import build
from .project import until

JOBS = Path(__file__).parents[2] / "jobs"
PER_SECOND = 30
REQUESTS = 600
PORTS = {"traefik": (80, 443), "caddy": (8080, 8443)}
"""Of HTTP and HTTPS. Both are on the same machines, so one of them has others than its own."""

CERTIFICATE = "/tmp/ingress.pem"


def image(name: str) -> str:
    return f"hashistack-tests/{name}:1"


class Ingresses:
    """The jobs on a cluster, and a service behind them."""

    def __init__(self, datacenter: Datacenter) -> None:
        self.datacenter = datacenter

    def run(self, name: str, **variables: str) -> None:
        """As a user runs it; returns once it is deployed."""
        http, https = PORTS[name]
        given = {"image": image(name), "http_port": http, "https_port": https, **variables}
        options = [f"-var={variable}={value}" for variable, value in given.items()]
        self.datacenter.project.run("run", str(JOBS / f"{name}.nomad.hcl"), *options)

    def certify(self) -> None:
        """A certificate of one's own for both, in Vault and on the machine that asks."""
        names = ",".join(f"DNS:{name}.service.consul" for name in PORTS)
        machine = self.datacenter.clients[0]
        key = machine.sh(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=ingress"
            f" -addext subjectAltName={names} -keyout - -out {CERTIFICATE} 2>/dev/null"
        )
        for name in PORTS:
            fields = (f"certificate={machine.sh(f'cat {CERTIFICATE}')}", f"key={key}")
            self.datacenter.vendor("vault", "kv", "put", f"kv/default/{name}", *fields)

    def serve(self, version: str) -> None:
        """The service behind them, in that version; returns once it is deployed."""
        connection = self.datacenter.connection
        web: dict[str, Any] = job(connection.datacenter, connection.region)
        web["TaskGroups"][0]["Services"][0]["Tags"] = [
            "traefik.enable=true",
            "traefik.http.routers.web.rule=Host(`traefik.service.consul`)",
            "ingress",
            "ingress=caddy.service.consul",
            "ingress=evil.example { respond evil }",  # Caddy must start with it, and lead nobody there
        ]
        web["TaskGroups"][0]["Tasks"][0]["Env"] = {"VERSION": version}
        self.datacenter.nomad("/v1/jobs", {"Job": web})
        until(lambda: self.datacenter.deployed(JOB), 120, lambda: self.states(JOB))

    def deploy(self, version: str, tls: str = "false") -> None:
        """All three at once: what moves on a machine must not be in the way of what else does."""
        with ThreadPoolExecutor() as pool:
            deploys = [pool.submit(self.serve, version)]
            deploys += [pool.submit(self.run, name, tls=tls) for name in PORTS]
        for deploy in deploys:
            deploy.result()

    def states(self, name: str) -> str:
        found = self.datacenter.nomad(f"/v1/job/{name}/allocations")
        return str([(one["Name"], one["NodeName"], one["ClientStatus"], one["TaskStates"]) for one in found])

    def ask(self, name: str, options: str = "", scheme: str = "http") -> tuple[int, str]:
        port = PORTS[name][scheme == "https"]
        return self.datacenter.clients[0].get(f"{scheme}://{name}.service.consul:{port}/", options)


@pytest.fixture(scope="module")
def ingresses(datacenter: Datacenter, docker_client: docker.DockerClient) -> Iterator[Ingresses]:
    images = [image(name) for name in PORTS]
    try:
        for name in PORTS:
            build(docker_client, image(name), Path(sys.executable).with_name(name))
        datacenter.project.run("load", *images)
    finally:
        for one in images:
            docker_client.images.remove(one)
    found = Ingresses(datacenter)
    found.certify()
    try:
        found.deploy("1")
        yield found
    finally:
        for name in (*PORTS, JOB):
            datacenter.nomad(f"/v1/job/{name}?purge=true", method="DELETE")


def test_no_request_is_lost_when_the_service_and_the_ingress_are_deployed_anew(
    ingresses: Ingresses, docker_client: docker.DockerClient
) -> None:
    datacenter = ingresses.datacenter
    for name in PORTS:
        until(lambda name=name: ingresses.ask(name)[0] == 200, 30, lambda name=name: str(ingresses.ask(name)))
    loads = {name: Load(docker_client, datacenter.site, f"{name}.service.consul", BODY, PER_SECOND) for name in PORTS}
    try:
        for load in loads.values():
            load.start()
        ingresses.deploy("2", tls="true")
        for load in loads.values():
            until(lambda load=load: sum(one.requests for one in load.samples) >= REQUESTS, 60, "enough requests")
    finally:
        totals = {name: load.stop() for name, load in loads.items()}
    for name, total in totals.items():
        assert total.requests >= REQUESTS and not total.failed, (name, total)


def test_https_is_served_by_a_certificate_of_vault(ingresses: Ingresses) -> None:
    """The deploy before has made it so."""
    for name in PORTS:
        status, body = ingresses.ask(name, f"--cacert {CERTIFICATE}", "https")
        assert status == 200 and body.startswith(BODY), (name, status, body)

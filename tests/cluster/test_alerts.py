"""Prometheus of `jobs/`, as docs/monitoring.md sets it up: faults fire its alerts, late snapshots among them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import docker
import pytest
from cryptography import x509

from hashistack.ops.snapshots.last import KEY
from hashistack.secrets import pki
from hashistack.spec.versions import newest_proven
from hashistack.toolchain import resolve

from ..documentation import blocks
from .datacenter import Datacenter, Machine
from .program_image import build
from .project import until
from .raft import leader

JOB = Path(__file__).parents[2] / "jobs" / "prometheus.nomad.hcl"
IMAGE = "hashistack-tests/prometheus:1"
QUICK = ("interval=2s", "pending=4s")
GIVEN_TO_JOBS = """\
consul acl role delete -name nomad-tasks-monitoring
consul acl policy delete -name snapshot-record
vault delete auth/jwt-nomad/role/monitoring
vault kv metadata delete kv/monitoring/prometheus
nomad namespace delete monitoring
"""


class Monitoring:
    """The job on a cluster."""

    def __init__(self, datacenter: Datacenter) -> None:
        self.datacenter = datacenter

    def ask(self, what: str) -> dict[str, list[dict[str, object]]]:
        """What Prometheus' API answers; nothing while it does not."""
        found = self.datacenter.consul("/v1/health/service/prometheus?passing")
        for one in found:
            place = f"http://{one['Service']['Address']}:{one['Service']['Port']}/api/v1/{what}"
            status, body = self.datacenter.clients[0].get(place)
            if status == 200:
                answer: dict[str, list[dict[str, object]]] = json.loads(body)["data"]
                return answer
        return {}

    def machine(self) -> str:
        """Where it runs."""
        (found,) = self.datacenter.consul("/v1/health/service/prometheus?passing")
        return str(found["Node"]["Node"])

    def well(self) -> bool:
        """All products are asked, all answer, and there is no alert."""
        targets = self.ask("targets").get("activeTargets", [])
        asked = {str(one["scrapePool"]) for one in targets}
        answer = all(one["health"] == "up" for one in targets)
        return answer and {"nomad", "nomad-client", "vault", "consul", "consul-client"} <= asked and not self.alerts()

    def alerts(self, state: str = "") -> set[tuple[str, str]]:
        """Each alert's name, and the product or the machine that it is of; those in one state alone if it is given."""
        found = set()
        for one in self.ask("alerts").get("alerts", []):
            of = one["labels"]
            assert isinstance(of, dict)
            if state in ("", one["state"]):
                found.add((of["alertname"], of.get("product", of.get("machine", ""))))
        return found

    def seen(self) -> str:
        targets = self.ask("targets").get("activeTargets", [])
        return f"{self.alerts()} {[(one['scrapePool'], one['health'], one['lastError']) for one in targets]}"


def run(datacenter: Datacenter, script: str, directory: Path) -> None:
    """A script of the vendors' commands, as an operator's shell runs it."""
    tools = [str(resolve(name, newest_proven(name)).path.parent) for name in ("nomad", "consul", "vault")]  # type: ignore[arg-type]
    environment = {**datacenter.environment, "PATH": os.pathsep.join([*tools, os.environ["PATH"]])}
    done = subprocess.run(["sh", "-euc", script], cwd=directory, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def monitoring(
    datacenter: Datacenter, docker_client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Monitoring]:
    directory = tmp_path_factory.mktemp("monitoring")
    datacenter.healthy()
    build(docker_client, IMAGE, Path(sys.executable).with_name("prometheus"))
    try:
        datacenter.project.run("load", IMAGE)
    finally:
        docker_client.images.remove(IMAGE)
    rights = next(block.text for block in blocks() if block.page == "docs/monitoring.md")
    try:
        run(datacenter, rights, directory)
        given = (f"-var={value}" for value in (f"image={IMAGE}", *QUICK))
        datacenter.project.run("run", "--namespace", "monitoring", str(JOB), *given)
        yield Monitoring(datacenter)
    finally:
        datacenter.nomad("/v1/job/prometheus?purge=true&namespace=monitoring", method="DELETE")
        run(datacenter, GIVEN_TO_JOBS, directory)


def a_certificate_ends_soon(datacenter: Datacenter, server: Machine, faults: ExitStack) -> None:
    """That of a server's Consul, in ten days: the cluster's CA has signed it for what the one before was for."""
    place = "/run/hashistack/consul/tls"
    good = x509.load_pem_x509_certificate(server.sh(f"cat {place}/cert.pem").encode())
    names = good.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    soon = pki.certificate(
        *datacenter.authority(),
        common_name="ends soon",
        dns_names=names.get_values_for_type(x509.DNSName),
        ip_addresses=map(str, names.get_values_for_type(x509.IPAddress)),
        validity=timedelta(days=10),
        now=datetime.now(UTC),
    )
    # Into the same files, which are Consul's to read.
    change = 'for kind in cert key; do cp $kind.pem $kind.good; done; echo "$CERT" >cert.pem; echo "$KEY" >key.pem'
    back = "for kind in cert key; do cat $kind.good >$kind.pem; rm $kind.good; done"
    restart = "sv -w 60 restart /etc/service/consul"
    faults.callback(server.sh, f"cd {place}; [ ! -e key.good ] || {{ {back}; {restart}; }}")
    issued = {"CERT": soon.cert_pem, "KEY": soon.key_pem}
    server.sh(f"cd {place}; [ -e key.good ] || {{ {change}; {restart}; }}", issued)


def nobody_takes_snapshots(datacenter: Datacenter, faults: ExitStack) -> None:
    """On no server, and not for three hours: the one thing here that is not waited for."""
    for server in datacenter.servers:
        server.sh("sv -w 30 down /etc/service/snapshots")
        faults.callback(server.sh, "sv up /etc/service/snapshots")
    record = json.loads(datacenter.vendor("consul", "kv", "get", KEY))
    record["taken"] = (datetime.now(UTC) - timedelta(hours=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
    datacenter.vendor("consul", "kv", "put", KEY, json.dumps(record))


def test_faults_fire_their_alerts_until_they_are_gone(monitoring: Monitoring) -> None:
    datacenter = monitoring.datacenter
    until(lambda: datacenter.vendor("consul", "kv", "get", "-keys", KEY).strip() == KEY, 120, "a snapshot was taken")
    until(monitoring.well, 120, monitoring.seen)
    client = next(one for one in datacenter.clients if one.name != monitoring.machine())
    busy = {leader(datacenter, product).name for product in ("nomad", "vault")}
    server = next(one for one in datacenter.servers if one.name not in busy)
    with ExitStack() as faults:
        client.sh("sv -w 30 down /etc/service/unbound")
        faults.callback(client.sh, "sv up /etc/service/unbound")
        a_certificate_ends_soon(datacenter, server, faults)
        nomad = server.process("nomad")
        server.sh(f"kill -s STOP {nomad}")
        faults.callback(server.sh, f"kill -s CONT {nomad}")
        nobody_takes_snapshots(datacenter, faults)
        expected = {
            ("DnsSilent", client.name),
            ("MachineUnhealthy", client.name),
            ("MachineUnhealthy", server.name),
            ("TargetDown", server.name),
            ("QuorumAtRisk", "nomad"),
            ("CertificateExpires", server.name),
            ("SnapshotLate", ""),
        }
        until(lambda: expected <= monitoring.alerts("firing"), 120, monitoring.seen)
    until(monitoring.well, 180, monitoring.seen)
    datacenter.healthy()

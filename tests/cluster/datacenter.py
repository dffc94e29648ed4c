"""A running cluster as the tests look at it: its machines from inside, its APIs, the vendor's own commands."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import docker
import httpx
from docker.models.containers import Container

from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.connection import Connection, Endpoint
from hashistack.ops.api.http import Method, tls_context
from hashistack.spec.versions import newest_proven
from hashistack.toolchain import resolve

from .project import Left, Project, labelled, until

_TRIES = 3
_LOGIN_SECONDS = 1800
"""Half of what an operator's Vault token lives."""
ANSWER_SECONDS = 30
"""As long as an election may take on a busy machine; whoever asks fails over meanwhile, as a user would."""
_NO_LEADER = (
    *("No cluster leader", "Raft leader not found", "node is not the leader"),
    "local node not active but active cluster node not found",
)
"""What the products say while there is an election. Nothing was done then: a command may be run again."""
_END = "-- ended with "


@dataclass(frozen=True)
class Machine:
    """One machine, by its container."""

    container: Container

    @property
    def name(self) -> str:
        return str(self.container.labels.get("hashistack.machine", self.container.name))

    @property
    def ip(self) -> str:
        self.container.reload()
        return str(next(iter(self.container.attrs["NetworkSettings"]["Networks"].values()))["IPAddress"])

    def run(self, script: str, environment: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Runs a sh script as root; exit code and all that it printed.

        Docker loses the output of an `exec` now and then (20.10, under load): silence counts only when it is complete,
        and the script is run again otherwise. So it must be one that may be run twice.
        """
        for _ in range(_TRIES):
            _, output = self.container.exec_run(
                ["sh", "-c", f'({script}\n) 2>&1; echo "{_END}$?"'], environment=dict(environment or {})
            )
            said, complete, code = output.decode(errors="replace").rpartition(_END)
            if complete:
                return int(code), said
        raise AssertionError(f"{self.name}: Docker loses the output of {script}")

    def sh(self, script: str, environment: Mapping[str, str] | None = None) -> str:
        """The same, and it must succeed."""
        code, output = self.run(script, environment)
        assert code == 0, f"{self.name}: {script}: {code}\n{output}"
        return output

    def configuration(self, product: str) -> Any:
        """The product's rendered configuration."""
        return json.loads(self.sh(f"cat /run/hashistack/{product}/{product}.json"))

    def log(self, service: str) -> str:
        return self.sh(f"cat /var/log/hashistack/{service}/*")

    def complains(self) -> str:
        """What its own health check says where it isn't well; "" of one that is, is stopped, or is taken away."""
        self.container.reload()
        if self.container.status != "running":
            return ""
        code, said = self.run("[ -e /platform/terminating ] || /opt/hashistack/current/bin/health")
        return f"{self.name}: {said}" if code else ""

    def role_document(self) -> dict[str, str]:
        role = self.container.labels["hashistack.role"]
        read: dict[str, str] = json.loads(self.sh(f"cat /platform/secrets/{role}"))
        return read

    def process(self, product: str) -> str:
        """The process id, on the machine, of the agent; it waits for one that starts."""
        return self.sh(f"until pgrep -o -f '/{product} (agent|server) '; do sleep 0.2; done").strip()

    def get(self, url: str, options: str = "", environment: Mapping[str, str] | None = None) -> tuple[int, str]:
        """curl from this machine; HTTP status (0: no connection) and body."""
        ca = "--cacert /run/hashistack/consul/tls/ca.pem"
        said = self.run(f"curl -s --max-time 5 {ca} {options} -w '\\n%{{http_code}}' {url}", environment)[1]
        body, _, status = said.rpartition("\n")
        return int(status), body


class Datacenter:
    """What a project's `up` made."""

    def __init__(self, client: docker.DockerClient, project: Project) -> None:
        self.client, self.project = client, project
        said = project.pulumi("stack", "output", "connection", "--show-secrets")
        self.declared = Connection.parse(json.loads(said))
        self.site = self.declared.name
        self.left = Left.behind(client, self.site)
        self._environment: dict[str, str] = {}
        self._renew_at = 0.0

    @property
    def connection(self) -> Connection:
        """The stack's output with the addresses of those servers alone that run now."""
        slots = sorted(
            int(m.container.labels["hashistack.slot"]) for m in self.servers if m.container.status == "running"
        )

        def there(endpoint: Endpoint) -> Endpoint:
            return replace(endpoint, servers=tuple(endpoint.servers[slot] for slot in slots))

        d = self.declared
        return replace(d, nomad=there(d.nomad), consul=there(d.consul), vault=there(d.vault))

    def machines(self, role: str = "") -> list[Machine]:
        """The machines that Docker lists now, by name."""
        filters = {"label": [*labelled(self.site)["label"], "hashistack.pool"]}  # the proxy has none
        found = self.client.containers.list(all=True, filters=filters, ignore_removed=True)
        chosen = [Machine(c) for c in found if role in ("", c.labels["hashistack.role"])]
        return sorted(chosen, key=lambda machine: machine.name)

    @property
    def servers(self) -> list[Machine]:
        return self.machines("server")

    @property
    def clients(self) -> list[Machine]:
        return self.machines("client")

    @property
    def environment(self) -> dict[str, str]:
        """What `hashistack env` sets, on top of the project's environment; kept, since it is a login each time."""
        if time.monotonic() >= self._renew_at:
            self._environment = json.loads(self.project.run("env", "-o", "json"))
            self._renew_at = time.monotonic() + _LOGIN_SECONDS
        return {**self.project.environment, **self._environment}

    def log_in_again(self) -> None:
        """What `environment` has kept is of no use any more: its server or its cluster is gone."""
        self._renew_at = 0.0

    def vendor(self, product: str, *arguments: str, code: int = 0, **environment: str) -> str:
        """Runs the vendor's own command against the cluster; what it says. An election is waited for."""
        command = [resolve(product, newest_proven(product)).path, *arguments]  # type: ignore[arg-type]
        deadline = time.monotonic() + ANSWER_SECONDS
        while True:
            done = subprocess.run(
                command, env={**self.environment, **environment}, capture_output=True, text=True, timeout=120
            )
            if not any(said in done.stderr for said in _NO_LEADER) or time.monotonic() > deadline:
                break
            time.sleep(0.5)
        assert done.returncode == code, f"{product} {arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def exec(self, task: str, *command: str) -> str:
        """What a command says in a task; `command` begins with the allocation's id, or `-job` and a job's name.

        It must be one that says something: where Docker loses the output (see `Machine.run`), it is run again.
        """
        for _ in range(_TRIES):
            if said := self.vendor("nomad", "alloc", "exec", "-i=false", "-t=false", "-task", task, *command):
                return said
        raise AssertionError(f"{task}: Docker loses the output of {command}")

    def http(self, certificate: bool = True) -> httpx.Client:
        """An HTTP client that trusts the cluster's CA, with the operator's certificate or without any."""
        c = self.connection
        operator = (c.operator_cert_pem, c.operator_key_pem) if certificate else ("", "")
        return httpx.Client(verify=tls_context(c.ca_pem, *operator), trust_env=False, timeout=10)

    def consul(self, path: str) -> Any:
        """What Consul answers; asked again for a while when no server answers or has a leader."""
        with Cluster(self.connection) as cluster:
            return cluster.consul.api.call("GET", path, seconds=ANSWER_SECONDS).data

    def nomad(self, path: str, body: Any = None, method: Method = "GET") -> Any:
        """The same of Nomad; a body is put."""
        with Cluster(self.connection) as cluster:
            asked: Method = "PUT" if body is not None else method
            return cluster.nomad.api.call(asked, path, body=body, seconds=ANSWER_SECONDS).data

    def deployed(self, job: str) -> bool:
        """Whether the job has been deployed as it is registered now; an earlier one of that name may have been too."""
        now, last = self.nomad(f"/v1/job/{job}"), self.nomad(f"/v1/job/{job}/deployment") or {}
        as_now = (last.get("JobCreateIndex"), last.get("JobVersion")) == (now["CreateIndex"], now["Version"])
        return as_now and last["Status"] == "successful"

    def status(self) -> dict[str, Any]:
        """What `hashistack status -o json` says, healthy or not."""
        with self.project.start("status", "-o", "json") as process:
            said, _ = process.communicate(timeout=120)
        read: dict[str, Any] = json.loads(said)
        assert process.returncode == (0 if read["healthy"] else 1)
        return read

    def healthy(self, seconds: float = 180) -> dict[str, Any]:
        """Waits until the cluster calls itself healthy, with every machine that it should have.

        What the cluster knows of a machine may be older than its restart: each that runs is asked itself too.
        """
        last: dict[str, Any] = {}

        def good() -> bool:
            nonlocal last
            last = self.status()
            if last["healthy"]:
                last["problems"] = [said for machine in self.machines() if (said := machine.complains())]
            return not last["problems"]

        until(good, seconds, lambda: f"healthy: {last['problems']}\n{last['machines']}")
        return last

    def active_vault(self) -> str:
        """The address of the active Vault, once there is one."""
        with Cluster(self.connection) as cluster:

            def active() -> str:
                return next((server.address for server in cluster.vault.health() if server.state == "active"), "")

            return until(active, ANSWER_SECONDS, "a Vault is active")

    def authority(self) -> tuple[str, str]:
        """Certificate and key of the cluster's CA (PEM), as the state has them for who knows its passphrase."""
        state = json.loads(self.project.pulumi("stack", "export", "--show-secrets"))
        resources = state["deployment"]["resources"]
        made = next(r["outputs"] for r in resources if r["type"] == "hashistack:index:ClusterSecrets")
        return str(made["certificates"]["ca"]), str(json.loads(made["keys"]["plaintext"])["ca"])

    def secrets(self) -> dict[str, str]:
        """Every value that is nobody's business, by what it is."""
        documents = {**self.clients[0].role_document(), **self.servers[0].role_document()}
        found = {name: value for name, value in documents.items() if name not in ("ca", "cert")}
        found["key"] = "".join(found["key"].splitlines()[1:-1])
        init = json.loads(self.servers[0].sh("cat /platform/secrets/vault-init"))
        return {**found, "unseal key": init["keys_base64"][0], "unseal key (hex)": init["keys"][0]}

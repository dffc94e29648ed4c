"""What jobs are told apart by, in Vault and Consul: their namespace and their id, and nothing that others do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hashistack.ops.api.http import ApiError

from ..jobs.test_alerts import rules
from .datacenter import Datacenter
from .project import until

NAMESPACES = ("team-a", "team-b")
GROUPS, TASKS = ("one", "two"), ("first", "second")
KEY = "identity/greeting"
GREETING = "hello"

_TASK = """
    task "{task}" {{
      driver = "exec"
      config {{
        command = "/bin/sh"
        args    = ["-c", "{script}"]
      }}
      vault {{}}
      consul {{}}
      template {{
        data        = <<-END
          {{{{ with secret "kv/data/{namespace}/{job}" }}}}{{{{ .Data.data.value }}}}{{{{ end }}}}
          {{{{ key "{key}" }}}}
          {{{{ range service "consul" }}}}{{{{ .Name }}}}{{{{ end }}}}
        END
        destination = "local/seen"
      }}
      resources {{
        cpu    = 20
        memory = 32
      }}
    }}
"""


def _job(namespace: str, name: str, kind: str, groups: tuple[str, ...], tasks: tuple[str, ...], script: str) -> str:
    """A job whose tasks begin once they have read their own secret, a key and a service."""
    told = {"namespace": namespace, "job": name, "key": KEY, "script": script}
    text = "".join(
        f'group "{group}" {{\n' + "".join(_TASK.format(task=task, **told) for task in tasks) + "}\n" for group in groups
    )
    return f'job "{name}" {{\nnamespace = "{namespace}"\n{kind}\n{text}}}\n'


class Tenants:
    """Two namespaces with a job `web` each; the second one is made when the first one's job runs."""

    def __init__(self, datacenter: Datacenter, directory: Path) -> None:
        self.datacenter, self._directory = datacenter, directory
        self._before = {one["ID"] for one in self._all()}  # a kept cluster remembers what the last session ran
        self.namespaces: list[str] = []
        self.jobs: list[tuple[str, str]] = []

    def run(self, namespace: str, name: str, kind: str, *shape: tuple[str, ...], script: str = "sleep 3600") -> None:
        self.datacenter.vendor("vault", "kv", "put", f"kv/{namespace}/{name}", f"value=of {namespace}/{name}")
        groups, tasks = shape or (GROUPS[:1], TASKS[:1])
        file = self._directory / f"{namespace}-{name}.nomad.hcl"
        file.write_text(_job(namespace, name, kind, groups, tasks, script))
        self.jobs.append((namespace, name))
        self.datacenter.vendor("nomad", "job", "run", "-detach", str(file))

    def web(self, namespace: str) -> None:
        self.datacenter.vendor("nomad", "namespace", "apply", namespace)
        self.namespaces.append(namespace)
        self.run(namespace, "web", 'type = "service"', GROUPS, TASKS)

    def allocations(self, namespace: str, name: str) -> dict[str, str]:
        """Id of each allocation to what the client says of it; those of a job's children are among them."""
        listed = [one for one in self._all(namespace) if one["ID"] not in self._before]
        ours = [one for one in listed if one["JobID"] == name or one["JobID"].startswith(f"{name}/")]
        return {one["ID"]: one["ClientStatus"] for one in ours}

    def _all(self, namespace: str = "*") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.datacenter.nomad(f"/v1/allocations?namespace={namespace}&task_states=false")
        return found

    def wait(self, namespace: str, name: str, status: str, count: int) -> list[str]:
        def there() -> bool:
            return list(self.allocations(namespace, name).values()) == [status] * count

        until(there, 180, lambda: f"{namespace}/{name} is {status}: {self.allocations(namespace, name)}")
        return list(self.allocations(namespace, name))

    def seen(self, allocation: str, task: str, namespace: str) -> list[str]:
        """The lines that a task's template came to."""
        path = f"/v1/client/fs/cat/{allocation}?namespace={namespace}&path={task}/local/seen"
        return [line.strip() for line in str(self.datacenter.nomad(path)).split("\n") if line.strip()]

    def vault_tokens(self, namespace: str) -> list[str]:
        """What each task of this `web` has from Vault, read as root on its machine."""
        allocations = list(self.allocations(namespace, "web"))
        places = " ".join(f"/var/lib/hashistack/nomad/alloc/{id}/*/secrets/vault_token" for id in allocations)
        found: list[str] = []
        for client in self.datacenter.clients:
            found += client.sh(f"for file in {places}; do [ ! -e $file ] || {{ cat $file; echo; }}; done").split()
        assert len(set(found)) == len(GROUPS) * len(TASKS)
        return found

    def end(self) -> None:
        for namespace, name in self.jobs:
            self.datacenter.nomad(f"/v1/job/{name}?namespace={namespace}&purge=true", method="DELETE")
            self.datacenter.vendor("vault", "kv", "metadata", "delete", f"kv/{namespace}/{name}")
        self.datacenter.vendor("consul", "kv", "delete", KEY)
        for namespace in self.namespaces:
            # Nomad takes a namespace away once nothing in it runs.
            until(lambda n=namespace: self._gone(n), 60, f"{namespace} is gone")  # type: ignore[misc]

    def _gone(self, namespace: str) -> bool:
        if any(one["ClientStatus"] in ("pending", "running") for one in self._all(namespace)):
            return False
        try:
            self.datacenter.nomad(f"/v1/namespace/{namespace}", method="DELETE")
        except ApiError:
            return False  # a job of it ends, which Nomad tells a moment after its last allocation
        return True


@pytest.fixture(scope="module")
def tenants(datacenter: Datacenter, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    made = Tenants(datacenter, tmp_path_factory.mktemp("jobs"))
    try:
        datacenter.vendor("consul", "kv", "put", KEY, GREETING)
        made.web("team-a")
        made.wait("team-a", "web", "running", len(GROUPS))
        made.web("team-b")
        # Children, in the namespace that was made last.
        made.run("team-b", "batch", 'type = "batch"\nparameterized {}', script="true")
        made.run("team-b", "nightly", 'type = "batch"\nperiodic {\ncrons = ["0 0 1 1 *"]\n}', script="true")
        datacenter.vendor("nomad", "job", "dispatch", "-namespace=team-b", "-detach", "batch")
        datacenter.vendor("nomad", "job", "periodic", "force", "-namespace=team-b", "-detach", "nightly")
        made.wait("team-b", "web", "running", len(GROUPS))
        yield made
    finally:
        made.end()


def test_v13_a_job_of_the_same_name_in_another_namespace_changes_nothing(tenants: Tenants) -> None:
    with tenants.datacenter.http() as http:
        vault = tenants.datacenter.active_vault()
        for own, other in (NAMESPACES, NAMESPACES[::-1]):
            for token in tenants.vault_tokens(own):
                header = {"X-Vault-Token": token}
                read = http.get(f"{vault}/v1/kv/data/{own}/web", headers=header)
                assert read.status_code == 200, f"{own} is refused its own: {read.text}"
                assert read.json()["data"]["data"] == {"value": f"of {own}/web"}
                assert http.get(f"{vault}/v1/kv/data/{other}/web", headers=header).status_code == 403


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_c10_each_task_of_each_namespace_reads_its_secret_and_consul(tenants: Tenants, namespace: str) -> None:
    for allocation in tenants.allocations(namespace, "web"):
        for task in TASKS:
            seen = tenants.seen(allocation, task, namespace)
            assert seen[:2] == [f"of {namespace}/web", GREETING]
            assert seen[2].startswith("consul")


@pytest.mark.parametrize("parent", ["batch", "nightly"])
def test_v13_a_dispatched_or_periodic_child_is_its_parent(tenants: Tenants, parent: str) -> None:
    (allocation,) = tenants.wait("team-b", parent, "complete", 1)
    assert tenants.seen(allocation, TASKS[0], "team-b")[:2] == [f"of team-b/{parent}", GREETING]


def metrics(datacenter: Datacenter, product: str, path: str, header: dict[str, str]) -> list[str]:
    """What the servers of a product tell a scraper; nothing as long as one of them does not."""
    addresses = getattr(datacenter.connection, product).addresses
    with datacenter.http() as http:
        answers = [http.get(f"{address}{path}?format=prometheus", headers=header) for address in addresses]
    texts = [answer.text for answer in answers if answer.status_code == 200]
    # Of Vault the active server answers; the others lead to it.
    return texts if len(texts) == (1 if product == "vault" else len(addresses)) else []


def test_metrics_of_all_three_by_the_tokens_that_are_documented(datacenter: Datacenter) -> None:
    made = json.loads(
        datacenter.vendor("consul", "acl", "token", "create", "-policy-name=hashistack-metrics", "-format=json")
    )
    create = ("token", "create", "-policy=hashistack-metrics", "-no-default-policy", "-orphan", "-period=768h")
    lent = json.loads(datacenter.vendor("vault", *create, "-format=json"))["auth"]["client_token"]
    asked = {
        "consul": ("/v1/agent/metrics", {"X-Consul-Token": made["SecretID"]}, "# TYPE consul_raft_"),
        "nomad": ("/v1/metrics", {}, "# TYPE nomad_"),
        "vault": ("/v1/sys/metrics", {"X-Vault-Token": lent}, "# TYPE vault_core_"),
    }
    scrapes = {
        product: partial(metrics, datacenter, product, path, header) for product, (path, header, _) in asked.items()
    }
    # Without its series an alert of jobs/prometheus.nomad.hcl is silent for good.
    wanted = set(re.findall(r"\b(?:consul|nomad|vault)_\w+", " ".join(rule["expr"] for rule in rules())))
    assert wanted

    def untold() -> list[str]:
        told = [text for scrape in scrapes.values() for text in scrape()]
        told.append(datacenter.clients[0].get("https://localhost:4646/v1/metrics?format=prometheus")[1])
        return sorted(one for one in wanted if not any(f"# TYPE {one} " in text for text in told))

    try:
        for product, (_, _, expected) in asked.items():
            # A new token is at each server as soon as that server has the leader's last write.
            assert all(expected in text for text in until(scrapes[product], 30, f"{product} answers")), product
        # Some are told by a leader alone, once it has led for a while.
        until(lambda: not untold(), 60, lambda: f"nobody tells of {untold()}")
    finally:
        datacenter.vendor("consul", "acl", "token", "delete", f"-accessor-id={made['AccessorID']}")
        datacenter.vendor("vault", "token", "revoke", lent)

"""The client against real Nomad, Consul and Vault."""

from __future__ import annotations

import ssl
import threading
import time
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.connection import Connection
from hashistack.ops.api.http import Api, ApiError, tls_context
from hashistack.ops.readiness.smoke import JOB, job

if TYPE_CHECKING:
    from tests.ops.conftest import Pki, Started


def test_a_dead_address_is_passed_over_and_the_living_one_is_remembered(cluster: Cluster) -> None:
    assert cluster.consul.raft().has_quorum(1)
    assert cluster.consul.api._order()[0] == cluster.connection.consul.addresses[1]


def test_a_server_that_refuses_for_now_is_passed_over(cluster: Cluster) -> None:
    class Behind(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(429, "rate limit exceeded, try again later or against a different server")

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Behind) as behind:
        threading.Thread(target=behind.serve_forever).start()
        try:
            api = cluster.consul.api
            api.addresses = (f"http://127.0.0.1:{behind.server_port}", api.addresses[-1])
            assert cluster.consul.raft().has_quorum(1)
            api.addresses = api.addresses[:1]
            with pytest.raises(ApiError, match="answered 429"):
                cluster.consul.raft()
        finally:
            behind.shutdown()


def test_nomad_and_vault_tell_who_votes(cluster: Cluster) -> None:
    assert cluster.nomad.raft().describe(1) == "1/1 voters, leader server-1"
    assert cluster.vault.raft().describe(3) == "1/3 voters, leader server-1"
    assert not cluster.vault.raft().has_quorum(3)


def test_consul_tells_machines_their_pool_and_their_health(cluster: Cluster) -> None:
    assert cluster.consul.machines() == {"server-1": "server"}
    deadline = time.monotonic() + 30
    while not (found := cluster.consul.machine_health()) and time.monotonic() < deadline:
        time.sleep(0.1)
    (health,) = found
    assert (health.machine, health.status) == ("server-1", "critical")
    assert cluster.consul.dns_domain() == "consul"
    assert not cluster.consul.has_auth_method("nomad-workloads")


def test_consul_refuses_a_caller_without_certificate(pki: Pki, consul: Started) -> None:
    api = Api("consul", [consul.address], tls_context(pki.ca_pem), ("X-Consul-Token", consul.secret))
    with closing(api), pytest.raises(ApiError) as raised:
        api.call("GET", "/v1/catalog/nodes")
    assert raised.value.status is None


def test_a_server_of_another_ca_is_refused(nomad: Started) -> None:
    api = Api("nomad", [nomad.address], ssl.create_default_context())
    with closing(api), pytest.raises(ApiError, match="CERTIFICATE_VERIFY_FAILED"):
        api.call("GET", "/v1/status/leader")


def test_vault_logs_in_once_and_writes_a_secret(cluster: Cluster) -> None:
    cluster.vault.write_secret("default/smoke", {"value": "one"})
    first = cluster.vault._token
    cluster.vault.write_secret("default/smoke", {"value": "two"})
    assert cluster.vault._token == first
    read = cluster.vault.api.call("GET", "/v1/kv/data/default/smoke", token=("X-Vault-Token", first))
    assert read.data["data"]["data"] == {"value": "two"}


def test_a_vault_that_is_not_there_is_left_out(cluster: Cluster) -> None:
    cluster.vault.api.addresses += ("https://127.0.0.1:1",)
    assert [server.state for server in cluster.vault.health()] == ["active"]


def test_errors_name_the_call_and_hide_secrets(connection: Connection) -> None:
    with Cluster(connection) as cluster, pytest.raises(ApiError) as raised:
        cluster.vault.api.call("PUT", "/v1/auth/userpass/login/nobody", body={"password": "x"})
    assert raised.value.status == 400
    assert "vault: PUT /v1/auth/userpass/login/nobody answered 400" in str(raised.value)
    hidden = Api("x", [], tls_context(connection.ca_pem), ("X-Token", "hunter2"), secrets=["swordfish"])
    hidden.close()
    assert hidden._clean("token hunter2,\n password swordfish") == "token [secret], password [secret]"
    assert connection.nomad.secret not in repr(connection)
    assert "PRIVATE KEY" not in repr(connection)


def test_a_deadline_is_kept_when_nobody_answers(pki: Pki) -> None:
    api, began = Api("nomad", ["https://127.0.0.1:1"], tls_context(pki.ca_pem)), time.monotonic()
    with closing(api), pytest.raises(ApiError):
        api.call("GET", "/v1/status/leader", seconds=1.0)
    assert 0.7 < time.monotonic() - began < 10


def test_a_blocking_query_answers_when_something_changes(cluster: Cluster) -> None:
    plain = {
        "ID": "waits",
        "Name": "waits",
        "Type": "batch",
        "Datacenters": ["dc1"],
        "NodePool": "web",
        "TaskGroups": [
            {
                "Name": "waits",
                "Tasks": [
                    {
                        "Name": "waits",
                        "Driver": "raw_exec",
                        "Config": {"command": "/bin/sh", "args": ["-c", "echo gone wrong >&2; exit 3"]},
                        "RestartPolicy": {"Attempts": 0, "Mode": "fail"},
                    }
                ],
                "ReschedulePolicy": {"Attempts": 0, "Unlimited": False},
            }
        ],
    }
    _, index = cluster.nomad.allocations("waits")
    registered = threading.Timer(0.5, cluster.nomad.register, [plain])
    registered.start()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        listed, index = cluster.nomad.allocations("waits", index, hold=10)
        if listed and listed[0].status == "failed":
            break
    registered.join()
    assert listed[0].status == "failed"
    assert "Exit Code: 3" in " ".join(listed[0].events["waits"])
    assert cluster.nomad.stderr(listed[0].id, "waits") == "gone wrong"
    assert cluster.nomad.stderr(listed[0].id, "nothing") == ""


def test_nomad_takes_the_smoke_job_and_says_why_it_can_not_run_here(cluster: Cluster) -> None:
    version = cluster.nomad.register(job("dc1", "global", run="1"))
    assert version == 0
    assert cluster.nomad.register(job("dc1", "global", run="2")) == 1
    deadline = time.monotonic() + 20
    while not (reason := cluster.nomad.blocked(JOB)) and time.monotonic() < deadline:
        time.sleep(0.1)
    # no exec driver, no Vault, no bridge on this machine's dev client: the first missing one is told
    assert reason and reason.text.startswith("group smoke can't be placed on any of 1 nodes: "), reason


def test_nomad_finds_the_jobs_that_write_to_their_machine(cluster: Cluster) -> None:
    volume = {"data": {"Name": "data", "Type": "host", "Source": "x"}}
    bind = {"type": "bind", "source": "/srv", "target": "/data"}
    made: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "by-volume": ({}, volume),
        "by-mount": ({"mount": [bind]}, {}),
        "by-volumes": ({"volumes": ["/srv:/data"]}, {}),
        "reads": ({"mount": [{**bind, "readonly": True}], "volumes": ["local/x:/x"]}, {}),
        "plain": ({}, {}),
    }
    for name, (config, volumes) in made.items():
        task = {"Name": name, "Driver": "docker", "Config": {"image": "x:1", **config}}
        group = {"Name": name, "Tasks": [task], "Volumes": volumes}
        cluster.nomad.register({"ID": name, "Name": name, "Type": "service", "TaskGroups": [group]})
    try:
        assert cluster.nomad.writers() == {("default", name) for name in ("by-volume", "by-mount", "by-volumes")}
    finally:
        for name in made:
            cluster.nomad.api.call("DELETE", f"/v1/job/{name}", params={"purge": "true"})


def test_the_client_machine_is_listed_with_its_pool(cluster: Cluster) -> None:
    deadline = time.monotonic() + 30
    while not (nodes := cluster.nomad.nodes()) or not nodes[0].usable:
        assert time.monotonic() < deadline, nodes
        time.sleep(0.1)
    assert [(node.node_pool, node.status, node.eligible) for node in nodes] == [("web", "ready", True)]
    assert cluster.nomad.nodes("web") == nodes
    assert cluster.nomad.nodes("we") == ()
    assert nodes[0].drivers == {"raw_exec": ""}
    cluster.nomad.running()


def test_nomad_remembers_how_the_tasks_of_a_job_did(cluster: Cluster) -> None:
    """One that ends by itself again and again and is started where it is, one that is well, and a periodic job's."""
    task = {"Driver": "raw_exec", "Config": {"command": "/bin/sh"}, "Resources": {"CPU": 20, "MemoryMB": 16}}
    restart = {"Attempts": 5, "Delay": 10**8, "Interval": 60 * 10**9, "Mode": "delay"}
    usual = {"Type": "service", "NodePool": "web", "Datacenters": ["*"]}

    def submit(name: str, script: str, **more: object) -> None:
        own = {**task, "Name": name, "Config": {**task["Config"], "args": ["-c", script]}}  # type: ignore[dict-item]
        group = {"Name": name, "RestartPolicy": restart, "Tasks": [own]}
        cluster.nomad.register({"ID": name, "Name": name, **usual, "TaskGroups": [group], **more})

    names = ("looping", "steady", "each")
    try:
        submit("looping", "exit 7")
        submit("steady", "exec sleep 600")
        submit("each", "true", Type="batch", Periodic={"Enabled": True, "Specs": ["* * * * * * *"], "SpecType": "cron"})
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            loops = [one for one in cluster.nomad.restarted() if one.job == "looping" and len(one.restarts) >= 2]
            runs = cluster.nomad.history("default", "each/periodic-1")
            if loops and {one.status for one in runs} >= {"complete"}:
                break
            time.sleep(0.2)
        (loop,) = loops
        assert (loop.name, loop.node, loop.kind, loop.version) == ("looping.looping[0]", "server-1", "service", 0)
        assert loop.created < loop.restarts[0] < loop.restarts[1]
        assert all(one.job.startswith("each/periodic-") for one in runs)
        assert all(one.name == f"{one.job}.each[0]" for one in runs)
        (steady,) = cluster.nomad.history("default", "steady")
        assert steady.restarts == ()
        assert steady.ended is None
        assert "steady" not in {one.job for one in cluster.nomad.restarted()}
        assert cluster.nomad.history("default", "nobody") == ()
    finally:
        for name in names:
            cluster.nomad.deregister(name)


def test_what_a_server_answers_is_told_and_not_the_silence_of_another(cluster: Cluster) -> None:
    with pytest.raises(ApiError, match=r"answered 500.*Task group") as failed:
        cluster.nomad.register({"ID": "bad", "Name": "bad", "Datacenters": ["*"], "TaskGroups": [{"Name": "none"}]})
    assert failed.value.status == 500

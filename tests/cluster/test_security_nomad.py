"""Nomad's rows of the security checklist, each test named by its row."""

from __future__ import annotations

import base64
import json
import socket
import time

import pytest

from .datacenter import Datacenter
from .impostor import REFUSAL_SECONDS, Stranger
from .project import until


def test_n1_plain_tcp_is_refused(datacenter: Datacenter) -> None:
    for server in datacenter.servers:
        for port in (4646, 4647):
            answer = _answer(server.ip, port, b"GET /v1/status/leader HTTP/1.1\r\nHost: nomad\r\n\r\n")
            assert not answer or b"HTTP request to an HTTPS server" in answer, answer
        assert _answer(server.ip, 4647, b"\x02") == b"", "Raft without TLS"


def _answer(ip: str, port: int, said: bytes) -> bytes:
    """What comes back before the other side hangs up; it must do so."""
    with socket.create_connection((ip, port), timeout=REFUSAL_SECONDS) as plain:
        plain.sendall(said)
        try:
            return plain.recv(1024)
        except ConnectionResetError:
            return b""


def test_n1_tls_is_on_for_everything(datacenter: Datacenter) -> None:
    for machine in datacenter.machines():
        tls = machine.configuration("nomad")["tls"]
        assert (tls["http"], tls["rpc"], tls["verify_server_hostname"]) == (True, True, True)
        assert "rpc_upgrade_mode" not in tls
        assert "mTLS is not configured" not in machine.log("nomad")


def test_n3_clients_enforce_acls_too(datacenter: Datacenter) -> None:
    for machine in datacenter.machines():
        assert machine.configuration("nomad")["acl"]["enabled"] is True
    for client in datacenter.clients:
        # Answered by the client itself, as `alloc exec` is; the second proves that the token made the difference.
        url = "https://localhost:4646/v1/client/stats"
        assert client.get(url)[0] == 403
        token = {"TOKEN": datacenter.connection.nomad.secret}
        assert client.get(url, '-H "X-Nomad-Token: $TOKEN"', token)[0] == 200


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/nodes", "/v1/agent/self", "/v1/acl/policies", "/v1/allocations"])
def test_n4_nothing_is_told_without_a_token(datacenter: Datacenter, path: str) -> None:
    with datacenter.http(certificate=False) as http:
        for address in datacenter.connection.nomad.addresses:
            answer = http.get(address + path)
            assert answer.status_code == 403 or answer.json() == [], (path, answer.text)
            if path in ("/v1/jobs", "/v1/nodes", "/v1/agent/self"):
                assert answer.status_code == 403


def test_n4_there_is_no_anonymous_policy(datacenter: Datacenter) -> None:
    assert datacenter.nomad("/v1/acl/policies") == []


def test_n5_servers_run_as_a_user_of_their_own_and_clients_keep_their_data_to_root(datacenter: Datacenter) -> None:
    for machine in datacenter.machines():
        owner = "nomad" if machine in datacenter.servers else "root"
        assert machine.sh(f"stat -c %U /proc/{machine.process('nomad')}").strip() == owner
        assert machine.sh("stat -c '%U %a' /var/lib/hashistack/nomad").split() == [owner, "700"]


def test_n6_drivers_that_no_pool_asks_for_are_not_there(datacenter: Datacenter) -> None:
    # By name: a machine that an earlier test removed stays listed for a while.
    names = {client.name for client in datacenter.clients}
    nodes = [node for node in datacenter.nomad("/v1/nodes") if node["Name"] in names]
    assert {node["Name"] for node in nodes} == names
    for node in nodes:
        usable = sorted(name for name, driver in node["Drivers"].items() if driver["Detected"])
        assert usable == ["docker", "exec"]
    for client in datacenter.clients:
        configuration = client.configuration("nomad")
        denied = configuration["client"]["options"]["driver.denylist"].split(",")
        assert sorted(denied) == ["java", "qemu", "raw_exec"]
        assert "raw_exec" not in json.dumps(configuration.get("plugin"))


def test_n9_gossip_is_encrypted_with_one_key(datacenter: Datacenter) -> None:
    listed = datacenter.vendor("nomad", "operator", "gossip", "keyring", "list").split()
    key = datacenter.servers[0].role_document()["nomad_gossip"]
    assert [word for word in listed if word.endswith("=")] == [key]
    for client in datacenter.clients:
        assert "nomad_gossip" not in client.role_document()


def test_n10_tokens_come_by_workload_identity_alone(datacenter: Datacenter) -> None:
    for machine in datacenter.machines():
        configuration = machine.configuration("nomad")
        assert "token" not in configuration["vault"]
        assert configuration["vault"]["default_identity"]["aud"] == ["vault.io"]
        assert configuration["consul"]["service_identity"]["aud"] == ["consul.io"]
        assert configuration["consul"]["task_identity"]["aud"] == ["consul.io"]
    client = datacenter.clients[0].role_document()
    assert not [name for name in client if "management" in name or "vault" in name or "server" in name]


def test_n15_a_clients_certificate_alone_makes_no_node(datacenter: Datacenter) -> None:
    honest = datacenter.clients[0]
    pool = honest.container.labels["hashistack.pool"]
    introduction = honest.sh(f"cat /platform/introductions/{pool}")
    stranger = Stranger(datacenter)
    try:
        stranger.begins(introduction="", node_pool="default")
        stranger.is_refused()
        stranger.begins(introduction, node_pool="elsewhere")
        stranger.is_refused()
        said = "".join(server.log("nomad") for server in datacenter.servers)
        for why in ("node registration without introduction token", "node registration introduction claims mismatch"):
            assert [line for line in said.splitlines() if why in line and stranger.name in line], why
        # The same machine, as one of the pool would come.
        stranger.begins(introduction, node_pool="default")
        until(stranger.nodes, 60, lambda: f"{stranger.name} is a node: {stranger.log()}")
    finally:
        stranger.leave()
    datacenter.healthy()


def test_n15_introductions_are_written_by_servers_and_good_for_an_hour(datacenter: Datacenter) -> None:
    for server in datacenter.servers:
        assert server.configuration("nomad")["server"]["client_introduction"]["enforcement"] == "strict"
    client = datacenter.clients[0]
    assert client.run("touch /platform/introductions/mine")[0] != 0
    (written,) = client.sh("ls /platform/introductions").split()
    payload = client.sh(f"cat /platform/introductions/{written}").split(".")[1]
    said = json.loads(base64.urlsafe_b64decode(payload + "=="))
    assert (said["nomad_node_pool"], said["exp"] - said["iat"]) == ("default", 3600)
    assert said["exp"] > time.time() + 1800

"""Nomad's rows of the security checklist, each test named by its row."""

from __future__ import annotations

import json
import socket

import pytest

from .datacenter import Datacenter
from .impostor import Impostor, raft_connection_stays_open

NOMAD_RAFT = b"\x04", b"\x02"
"""First bytes of a Nomad RPC connection: TLS follows; then, inside, Raft follows (helper/pool/conn.go)."""


def test_n1_plain_tcp_is_refused(datacenter: Datacenter) -> None:
    for server in datacenter.servers:
        for port in (4646, 4647):
            with socket.create_connection((server.ip, port), timeout=5) as plain:
                plain.sendall(b"GET /v1/status/leader HTTP/1.1\r\nHost: nomad\r\nConnection: close\r\n\r\n")
                answer = plain.recv(1024)
            assert not answer or b"HTTP request to an HTTPS server" in answer, answer
        with socket.create_connection((server.ip, 4647), timeout=5) as plain:
            plain.sendall(NOMAD_RAFT[1])  # Raft without TLS
            assert plain.recv(1) == b""


def test_n1_tls_is_on_for_everything(datacenter: Datacenter) -> None:
    for machine in datacenter.machines():
        tls = machine.configuration("nomad")["tls"]
        assert (tls["http"], tls["rpc"], tls["verify_server_hostname"]) == (True, True, True)
        assert "rpc_upgrade_mode" not in tls
        assert "mTLS is not configured" not in machine.log("nomad")


def test_n2_only_a_certificate_of_a_server_of_this_region_speaks_raft(
    datacenter: Datacenter, impostor: Impostor
) -> None:
    server, client = datacenter.servers[0], datacenter.clients[0].role_document()
    honest = server.role_document()
    address = (server.ip, 4647)
    assert raft_connection_stays_open(address, NOMAD_RAFT, honest["ca"], honest["cert"], honest["key"])
    assert not raft_connection_stays_open(address, NOMAD_RAFT, client["ca"], client["cert"], client["key"])
    foreign = impostor.certificate("server.elsewhere.nomad")
    assert not raft_connection_stays_open(address, NOMAD_RAFT, client["ca"], foreign.cert_pem, foreign.key_pem)


def test_n2_a_client_cannot_become_a_server(impostor: Impostor) -> None:
    impostor.stays_powerless("nomad")


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
    nodes = datacenter.nomad("/v1/nodes")
    assert len(nodes) == 2
    for node in nodes:
        usable = [name for name, driver in node["Drivers"].items() if driver["Detected"]]
        assert usable == ["exec"]
    for client in datacenter.clients:
        configuration = client.configuration("nomad")
        denied = configuration["client"]["options"]["driver.denylist"].split(",")
        assert sorted(denied) == ["docker", "java", "qemu", "raw_exec"]
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

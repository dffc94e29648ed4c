"""Consul's rows of the security checklist, each test named by its row."""

from __future__ import annotations

import socket

import httpx
import pytest

from .datacenter import Datacenter


def test_c1_every_agent_verifies_its_peers(datacenter: Datacenter) -> None:
    for machine in datacenter.machines():
        tls = machine.configuration("consul")["tls"]
        assert (tls["defaults"]["verify_incoming"], tls["defaults"]["verify_outgoing"]) == (True, True)
        assert tls["internal_rpc"]["verify_server_hostname"] is True


def test_c3_gossip_is_encrypted_with_one_key(datacenter: Datacenter) -> None:
    for machine in datacenter.machines():
        assert "Gossip Encryption: true" in machine.log("consul")
        configuration = machine.configuration("consul")
        assert (configuration["encrypt_verify_incoming"], configuration["encrypt_verify_outgoing"]) == (True, True)
    keys = [word for word in datacenter.vendor("consul", "keyring", "-list").split() if word.endswith("=")]
    assert set(keys) == {datacenter.clients[0].role_document()["consul_gossip"]}


def test_c4_nothing_is_told_without_a_token(datacenter: Datacenter) -> None:
    with datacenter.http() as http:
        for address in datacenter.connection.consul.addresses:
            assert http.get(address + "/v1/kv/hashistack/bootstrap").status_code == 403
            for path in ("/v1/catalog/nodes", "/v1/catalog/services", "/v1/agent/members"):
                answer = http.get(address + path)
                assert answer.status_code == 403 or not answer.json(), (path, answer.text)
    anonymous = datacenter.consul("/v1/acl/token/00000000-0000-0000-0000-000000000002")
    assert not anonymous.get("Policies")
    assert not anonymous.get("Roles")


def test_c5_plain_http_is_for_the_machine_itself(datacenter: Datacenter) -> None:
    for machine in datacenter.machines():
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((machine.ip, 8500), timeout=5)
        assert machine.get("http://127.0.0.1:8500/v1/status/leader")[0] == 200
        configuration = machine.configuration("consul")
        assert (configuration["enable_script_checks"], configuration["disable_remote_exec"]) == (False, True)


def test_c5_https_asks_for_a_certificate(datacenter: Datacenter) -> None:
    url = datacenter.connection.consul.addresses[0] + "/v1/status/leader"
    with datacenter.http() as http:
        assert http.get(url).status_code == 200
    with datacenter.http(certificate=False) as http, pytest.raises(httpx.TransportError):
        http.get(url)


def test_c5_writes_come_from_the_machine_itself_or_an_operator(datacenter: Datacenter) -> None:
    token = {"TOKEN": datacenter.connection.consul.secret}
    pair = "--cert /run/hashistack/consul/tls/cert.pem --key /run/hashistack/consul/tls/key.pem"
    server, client = datacenter.servers[0], datacenter.clients[0]
    resolved = f'{pair} --resolve consul.service.consul:8501:{server.ip} -H "X-Consul-Token: $TOKEN"'
    url = "https://consul.service.consul:8501/v1/kv/written-by-a-test"
    assert client.get(url, f"{resolved} -X PUT -d no", token)[0] == 403
    assert client.get(url, resolved, token)[0] == 404, "reading is allowed, so it was the address that was refused"
    with datacenter.http() as http:
        own = {"X-Consul-Token": datacenter.connection.consul.secret}
        mine = datacenter.connection.consul.addresses[0] + "/v1/kv/written-by-a-test"
        assert http.put(mine, content="yes", headers=own).status_code == 200
        assert http.delete(mine, headers=own).status_code == 200


def test_c6_the_agent_is_no_root_and_cannot_write_its_configuration(datacenter: Datacenter) -> None:
    for machine in datacenter.machines():
        assert machine.sh(f"stat -c %U /proc/{machine.process('consul')}").strip() == "consul"
        writable = machine.sh("chpst -u consul find /run/hashistack/consul /opt/hashistack -writable ! -type l")
        assert writable == "", machine.name


def test_c9_every_machine_has_an_id_of_its_own(datacenter: Datacenter) -> None:
    for ids in (
        [node["ID"] for node in datacenter.consul("/v1/catalog/nodes")],
        [node["ID"] for node in datacenter.nomad("/v1/nodes")],
        [peer["ID"] for peer in datacenter.nomad("/v1/operator/raft/configuration")["Servers"]],
    ):
        assert all(ids)
        assert len(set(ids)) == len(ids)

"""Rows N2 and C2: whoever has what a client machine has can't become a server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .datacenter import Datacenter
from .impostor import REFUSAL_SECONDS, Impostor, raft_connection_stays_open

NOMAD = (4647, b"\x04", b"\x02")
"""Port, and the bytes that announce TLS and then, inside, Raft (Nomad's helper/pool/conn.go)."""
CONSUL = (8300, b"\x03", b"\x01")
"""The same of Consul (agent/pool/conn.go)."""


@pytest.fixture(scope="module")
def impostor(datacenter: Datacenter) -> Iterator[Impostor]:
    """Consul and Nomad as servers in the cluster's network, with a client's certificate."""
    made = Impostor(datacenter)
    try:
        yield made
    finally:
        made.leave()
    datacenter.healthy()


@pytest.mark.parametrize("port", [NOMAD, CONSUL], ids=["N2", "C2"])
def test_only_a_servers_certificate_speaks_raft(
    datacenter: Datacenter, impostor: Impostor, port: tuple[int, bytes, bytes]
) -> None:
    server, client = datacenter.servers[0], datacenter.clients[0].role_document()
    honest = server.role_document()
    assert raft_connection_stays_open(server.ip, port, honest["ca"], honest["cert"], honest["key"])
    elsewhere = impostor.certificate("server.elsewhere.nomad", "server.elsewhere.consul")
    for cert, key in ((client["cert"], client["key"]), (elsewhere.cert_pem, elsewhere.key_pem)):
        assert not raft_connection_stays_open(server.ip, port, honest["ca"], cert, key, REFUSAL_SECONDS)


def test_n2_a_client_gets_no_vote_and_no_data_from_nomad(impostor: Impostor) -> None:
    impostor.stays_powerless("nomad")


def test_c2_a_client_gets_no_vote_and_no_data_from_consul(impostor: Impostor) -> None:
    impostor.stays_powerless("consul")

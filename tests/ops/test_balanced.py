"""A load balancer in front of the servers: one address, which no certificate names, and any server behind it."""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from select import select
from socket import SHUT_RDWR, create_connection, create_server, socket
from urllib.parse import urlsplit

import pytest

from hashistack.ops.api import tunnel
from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.connection import Connection, Endpoint
from hashistack.ops.api.http import ApiError
from hashistack.ops.readiness.checks import NotReady, readiness, wait
from hashistack.ops.snapshots.archive import examine
from hashistack.ops.snapshots.save import _vault

from .conftest import Pki, free_ports

HOST = "127.0.0.2"
"""The certificates name 127.0.0.1."""


class Balancer:
    """Passes each connection on to the next of `backends` (host and port), TLS untouched. `taken`: how many."""

    def __init__(self, backends: Sequence[tuple[str, int]]) -> None:
        self._turn = cycle(backends)
        self._listening = create_server((HOST, 0))
        self.address = f"https://{HOST}:{self._listening.getsockname()[1]}"
        self.taken = 0
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        self._listening.shutdown(SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                came, _ = self._listening.accept()
            except OSError:
                return
            self.taken += 1
            self._threads.append(threading.Thread(target=_pass_on, args=(came, next(self._turn))))
            self._threads[-1].start()


def _pass_on(came: socket, backend: tuple[str, int]) -> None:
    """Until one side ends. A target that is gone ends at once, as where a balancer still takes it for healthy."""
    with came, suppress(OSError), create_connection(backend) as went:
        other = {came: went, went: came}
        while True:
            for one in select([came, went], [], [])[0]:
                if not (piece := one.recv(1 << 16)):
                    return
                other[one].sendall(piece)


Balance = Callable[..., Balancer]


@pytest.fixture
def balance() -> Iterator[Balance]:
    made: list[Balancer] = []

    def start(*addresses: str) -> Balancer:
        parts = [urlsplit(address) for address in addresses]
        made.append(Balancer([(str(part.hostname), int(part.port or 0)) for part in parts]))
        return made[-1]

    yield start
    for one in made:
        one.close()


@pytest.fixture
def dead() -> str:
    return f"https://127.0.0.1:{free_ports(1)[0]}"


def through(connection: Connection, **addresses: str) -> Connection:
    """The connection with a lone address for each of these products."""
    endpoints: Mapping[str, Endpoint] = {
        product: replace(getattr(connection, product), address=address, servers=())
        for product, address in addresses.items()
    }
    return replace(connection, **endpoints)


def live(connection: Connection, product: str) -> str:
    endpoint: Endpoint = getattr(connection, product)
    return endpoint.addresses[-1]


def apis(cluster: Cluster) -> dict[str, tuple[str, ...]]:
    """What is asked, by product."""
    return {api.product: api.addresses for api in (cluster.nomad.api, cluster.consul.api, cluster.vault.api)}


def test_everything_is_told_through_addresses_that_no_certificate_names(
    connection: Connection, balance: Balance
) -> None:
    fronts = {product: balance(live(connection, product)).address for product in ("nomad", "consul", "vault")}
    with Cluster(through(connection, **fronts)) as cluster:
        told = {check.sentence: check.probe(cluster) for check in readiness(connection, smoke=False)[:5]}
        assert {sentence: result.done for sentence, result in told.items() if not result.done} == {}
        assert apis(cluster) == {product: (front,) for product, front in fronts.items()}


def test_who_is_no_server_of_this_region_is_refused(connection: Connection) -> None:
    with Cluster(replace(connection, region="elsewhere")) as cluster, pytest.raises(ApiError) as refused:
        cluster.nomad.api.call("GET", "/v1/status/leader", address=live(connection, "nomad"))
    assert refused.value.status is None
    assert "server.elsewhere.nomad" in refused.value.excerpt


def test_each_call_may_reach_another_server(connection: Connection, balance: Balance, dead: str) -> None:
    front = balance(live(connection, "nomad"), dead, dead)
    with Cluster(through(connection, nomad=front.address)) as cluster:
        cluster.nomad.api.call("GET", "/v1/status/leader")
        assert front.taken == 1
        cluster.nomad.api.call("GET", "/v1/status/leader")  # two servers that are gone, and the first one again
        assert front.taken == 4


def test_a_server_without_a_leader_is_not_the_last_word(connection: Connection, balance: Balance, pki: Pki) -> None:
    with answering(pki, 500) as ill:
        front = balance(ill, ill, live(connection, "nomad"))
        with Cluster(through(connection, nomad=front.address)) as cluster:
            assert cluster.nomad.api.call("GET", "/v1/status/leader").data


def test_a_snapshot_comes_from_the_active_vault_whoever_is_met_first(
    connection: Connection, balance: Balance, pki: Pki, tmp_path: Path
) -> None:
    with answering(pki, 307) as standby:
        # login goes to the first; then more standbys than a call has tries
        front = balance(live(connection, "vault"), *[standby] * 6)
        with Cluster(through(connection, vault=front.address)) as cluster:
            _vault(cluster, tmp_path / "vault.snap")
    with (tmp_path / "vault.snap").open("rb") as taken:
        assert examine("vault", "1.21.2", taken).size > 1000
    assert front.taken == 8


def test_a_tunnel_is_used_for_every_product(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(tunnel.VIA, "127.0.0.1")
    hidden = {
        product: f"https://internal-prod.elb.invalid:{urlsplit(live(connection, product)).port}"
        for product in ("nomad", "consul", "vault")
    }
    with Cluster(through(connection, **hidden)) as cluster:
        assert apis(cluster) == {product: (live(connection, product),) for product in hidden}
        assert cluster.nomad.raft().leader and cluster.consul.raft().leader and cluster.vault.login()


def test_a_cluster_that_never_comes_says_how_to_reach_it(connection: Connection, dead: str) -> None:
    nowhere = through(connection, nomad=dead, consul=dead, vault=dead)
    with Cluster(nowhere) as cluster, pytest.raises(NotReady) as late:
        wait(cluster, readiness(nowhere, smoke=False), 1, lambda update: None)
    assert str(late.value).count("Next: ") == 1
    assert "HASHISTACK_VIA" in str(late.value)


def test_who_can_not_reach_the_balancer_is_told_how(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, dead: str
) -> None:
    with Cluster(through(connection, nomad=dead)) as cluster, pytest.raises(ApiError) as failed:
        cluster.nomad.nodes()
    assert "VPN" in failed.value.remedy and "HASHISTACK_VIA=127.0.0.1" in failed.value.remedy
    monkeypatch.setenv(tunnel.VIA, "127.0.0.1")
    with Cluster(through(connection, nomad=dead)) as cluster, pytest.raises(ApiError) as failed:
        cluster.nomad.nodes()
    assert "look whether the tunnel" in failed.value.remedy
    with Cluster(connection) as cluster, pytest.raises(ApiError) as failed:
        cluster.nomad.api.call("GET", "/v1/nothing")
    assert failed.value.remedy == ""


@contextmanager
def answering(pki: Pki, status: int) -> Iterator[str]:
    """A server with the cluster's certificate that gives every call this status."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Location", "https://10.255.0.1:8200/v1/x")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *what: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.files()["cert"], pki.files()["key"])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

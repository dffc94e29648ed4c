"""When key material is made anew, and which inputs are refused."""

from __future__ import annotations

import base64
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509

from hashistack.provider.handler import UNKNOWN, Context
from hashistack.secrets.handler import ClusterSecretsHandler

START = datetime(2030, 1, 1, tzinfo=UTC)
CTX = Context()
SERVER = {
    "common_name": "server.global.nomad",
    "dns_names": ["server.global.nomad", "*.example.org", "localhost"],
    "ip_addresses": ["127.0.0.1", "::1"],
    "usages": ["server", "client"],
}
OPERATOR = {"common_name": "operator", "dns_names": ["operator"], "ip_addresses": [], "usages": ["client"]}
NEWS: dict[str, Any] = {
    "common_name": "test CA",
    "ca_validity_days": 90,
    "roles": {"server": SERVER, "operator": OPERATOR},
    "validity_days": 30,
    "gossip": ["consul", "nomad"],
    "tokens": ["a", "b"],
}
SECRETS = {"keys", "gossip_keys", "ids"}


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


class Cluster:
    """One resource's life: `up` returns what the diff says, and applies it."""

    def __init__(self, **change: Any) -> None:
        self.clock = Clock()
        self.handler = ClusterSecretsHandler(self.clock)
        self.state: dict[str, Any] = {}
        news = {**NEWS, **change}
        self.state = {**news, **self.handler.create(CTX, news)[1]}

    def due(self, **change: Any) -> tuple[str, ...]:
        return self.handler.diff(CTX, "id", self.state, {**NEWS, **change}).update

    def up(self, **change: Any) -> dict[str, Any]:
        """Updates; returns the state before."""
        news, before = {**NEWS, **change}, self.state
        self.state = {**news, **self.handler.update(CTX, "id", before, news)}
        return before


def anew(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    """The names whose keys are others than before."""
    parts = ("keys", "gossip_keys", "ids")
    return {name for part in parts for name, value in after[part].items() if before[part].get(name) != value}


def test_all_of_a_cluster_is_made_at_once() -> None:
    state = Cluster().state
    assert set(state["certificates"]) == set(state["keys"]) == set(state["not_after"]) == {"ca", "server", "operator"}
    authority = x509.load_pem_x509_certificate(state["certificates"]["ca"].encode())
    for role in ("server", "operator"):
        x509.load_pem_x509_certificate(state["certificates"][role].encode()).verify_directly_issued_by(authority)
    assert {len(base64.b64decode(key)) for key in state["gossip_keys"].values()} == {32}
    assert {uuid.UUID(token).version for token in state["ids"].values()} == {4}
    values = [*state["keys"].values(), *state["gossip_keys"].values(), *state["ids"].values()]
    assert len(set(values)) == len(values) == 7


def test_what_is_secret_is_so_from_birth() -> None:
    assert ClusterSecretsHandler.secret == SECRETS
    public = {name: value for name, value in Cluster().state.items() if name not in SECRETS}
    assert "PRIVATE KEY" not in str(public)


def test_an_authority_is_renewed_in_the_last_third_of_its_life_with_all_that_it_signed() -> None:
    cluster = Cluster(validity_days=80, renew_before_days=1)
    cluster.clock.now = START + timedelta(days=60, seconds=-1)
    assert cluster.due(validity_days=80, renew_before_days=1) == ()
    cluster.clock.now = START + timedelta(days=60)
    assert cluster.due(validity_days=80, renew_before_days=1) == ("not_after",)
    before = cluster.up(validity_days=80, renew_before_days=1)
    assert anew(before, cluster.state) == {"ca", "server", "operator"}
    assert before["certificates"]["ca"] in cluster.state["certificates"]["ca"]  # trusted until the next rotation
    assert cluster.due(validity_days=80, renew_before_days=1) == ()


@pytest.mark.parametrize(
    ("before", "day"),
    [(None, 20), (10, 20), (0.5, 29.5)],
    ids=["a third of its life", "ten days", "half a day"],
)
def test_certificates_are_renewed_in_their_last_days_with_new_keys(before: float | None, day: float) -> None:
    cluster = Cluster(renew_before_days=before)
    cluster.clock.now = START + timedelta(days=day, seconds=-1)
    assert cluster.due(renew_before_days=before) == ()
    cluster.clock.now = START + timedelta(days=day)
    assert cluster.due(renew_before_days=before) == ("not_after",)
    old = cluster.up(renew_before_days=before)
    assert anew(old, cluster.state) == {"server", "operator"}
    assert cluster.state["not_after"]["server"] == (cluster.clock.now + timedelta(days=30)).isoformat()
    assert cluster.state["not_after"]["ca"] == old["not_after"]["ca"]
    assert cluster.due(renew_before_days=before) == ()


@pytest.mark.parametrize(
    ("change", "made"),
    [
        ({"rotate_ca": "1"}, {"ca", "server", "operator"}),
        ({"common_name": "other"}, {"ca", "server", "operator"}),
        ({"ca_validity_days": 91}, {"ca", "server", "operator"}),
        ({"rotate_certificates": "1"}, {"server", "operator"}),
        ({"validity_days": 31}, {"server", "operator"}),
        ({"roles": {"server": {**SERVER, "dns_names": ["localhost"]}, "operator": OPERATOR}}, {"server"}),
        ({"roles": {"server": SERVER, "operator": OPERATOR, "client": OPERATOR}}, {"client"}),
        ({"roles": {"server": SERVER}}, set()),
        ({"tokens": ["b", "c"]}, {"c"}),
        ({"gossip": ["consul", "nomad", "serf"]}, {"serf"}),
        ({"rotate_gossip": "1"}, {"consul", "nomad"}),
        ({"rotate_tokens": "1"}, {"a", "b"}),
    ],
)
def test_a_change_makes_anew_what_it_asks_for_and_keeps_the_rest(change: dict[str, Any], made: set[str]) -> None:
    cluster = Cluster()
    assert cluster.due(**change) == tuple(change)
    before = cluster.up(**change)
    assert anew(before, cluster.state) == made
    assert set(cluster.state["keys"]) == {"ca", *cluster.state["roles"]}
    assert set(cluster.state["ids"]) == set(cluster.state["tokens"])
    assert cluster.due(**change) == ()


def test_the_window_of_renewal_alone_changes_nothing() -> None:
    assert Cluster().due(renew_before_days=5) == ()


def test_a_new_authority_is_trusted_by_those_who_know_the_old_one() -> None:
    cluster = Cluster()
    before = cluster.up(rotate_ca="1")
    assert cluster.state["certificates"]["ca"].endswith(before["certificates"]["ca"])
    chain = x509.load_pem_x509_certificates(cluster.state["certificates"]["server"].encode())
    old = x509.load_pem_x509_certificate(before["certificates"]["ca"].encode())
    assert len(chain) == 2
    chain[1].verify_directly_issued_by(old)


@pytest.mark.parametrize(
    ("change", "path", "text"),
    [
        ({"common_name": ""}, "common_name", "1 to 64"),
        ({"ca_validity_days": 40000}, "ca_validity_days", "36500"),
        ({"validity_days": 0}, "validity_days", "above 0"),
        ({"validity_days": -1}, "validity_days", "above 0"),
        ({"validity_days": True}, "validity_days", "number"),
        ({"renew_before_days": 0}, "renew_before_days", "above 0"),
        ({"renew_before_days": 30}, "renew_before_days", "less than validity_days"),
        ({"roles": None}, "roles", "mapping"),
        ({"roles": {"ca": SERVER}}, "roles", "called ca"),
        ({"tokens": []}, "tokens", "at least one"),
        ({"tokens": None}, "tokens", "at least one"),
        ({"tokens": ["a", "a"]}, "tokens[1]", "twice"),
        ({"tokens": [""]}, "tokens[0]", "text"),
        ({"gossip": [1]}, "gossip[0]", "text"),
    ],
)
def test_bad_inputs_are_refused_with_their_path(change: dict[str, Any], path: str, text: str) -> None:
    (failure,) = ClusterSecretsHandler().check({**NEWS, **change})
    assert failure.path == path
    assert text in failure.reason


@pytest.mark.parametrize(
    ("change", "path", "text"),
    [
        ({"common_name": "x" * 65}, "common_name", "1 to 64"),
        ({"dns_names": ["ok", "not ok"]}, "dns_names[1]", "'not ok'"),
        ({"dns_names": ["a..b"]}, "dns_names[0]", "DNS name"),
        ({"dns_names": ["a.*.b"]}, "dns_names[0]", "DNS name"),
        ({"dns_names": "localhost"}, "dns_names", "a list"),
        ({"ip_addresses": ["10.0.0.256"]}, "ip_addresses[0]", "IPv4"),
        ({"usages": []}, "usages", "server"),
        ({"usages": ["servers"]}, "usages", "servers"),
    ],
)
def test_bad_certificates_are_refused_with_their_path(change: dict[str, Any], path: str, text: str) -> None:
    news = {**NEWS, "roles": {"operator": OPERATOR, "server": {**SERVER, **change}}}
    (failure,) = ClusterSecretsHandler().check(news)
    assert failure.path == f"roles.server.{path}"
    assert text in failure.reason


def test_good_and_unknown_inputs_are_accepted() -> None:
    handler = ClusterSecretsHandler()
    assert handler.check(NEWS) == []
    assert handler.check(dict.fromkeys(NEWS, UNKNOWN)) == []
    assert handler.check({**NEWS, "roles": {"server": UNKNOWN}, "tokens": [UNKNOWN, "a"]}) == []
    assert handler.check({**NEWS, "roles": {"server": dict.fromkeys(SERVER, UNKNOWN)}}) == []
    state = Cluster().state
    assert handler.diff(CTX, "id", state, {**NEWS, "roles": UNKNOWN}).update == ("roles",)

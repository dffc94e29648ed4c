"""When key material is made anew, and which inputs are refused."""

from __future__ import annotations

import base64
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hashistack.provider.handler import UNKNOWN, Context, Handler
from hashistack.secrets.authority import AuthorityHandler
from hashistack.secrets.role import RoleCertificateHandler
from hashistack.secrets.tokens import GossipKeyHandler, TokenSetHandler

START = datetime(2030, 1, 1, tzinfo=UTC)
CTX = Context()
CA = {"common_name": "test CA", "validity_days": 90}
ROLE = {
    "ca_cert_pem": "x",
    "ca_key_pem": "y",
    "common_name": "server.global.nomad",
    "dns_names": ["server.global.nomad", "*.example.org", "localhost"],
    "ip_addresses": ["127.0.0.1", "::1"],
    "usages": ["server", "client"],
    "validity_days": 30,
}


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


def state_of(handler: Handler, news: dict[str, Any]) -> dict[str, Any]:
    return {**news, **handler.create(CTX, news)[1]}


@pytest.mark.parametrize(
    ("before", "day"),
    [(None, 60), (10, 80), (0.5, 89.5)],
    ids=["a third of its life", "ten days", "half a day"],
)
def test_an_authority_is_renewed_in_its_last_days(before: float | None, day: float) -> None:
    clock = Clock()
    handler = AuthorityHandler(clock)
    news = {**CA, **({} if before is None else {"renew_before_days": before})}
    state = state_of(handler, news)
    clock.now = START + timedelta(days=day, seconds=-1)
    assert handler.diff(CTX, "id", state, news).update == ()
    clock.now = START + timedelta(days=day)
    assert handler.diff(CTX, "id", state, news).update == ("not_after",)
    renewed = {**news, **handler.update(CTX, "id", state, news)}
    assert renewed["key_pem"] != state["key_pem"]
    assert state["cert_pem"] in renewed["cert_pem"]  # trusted until the next rotation
    assert handler.diff(CTX, "id", renewed, news).update == ()


def test_a_role_certificate_is_renewed_with_a_new_key() -> None:
    clock = Clock()
    ca = AuthorityHandler(clock).create(CTX, CA)[1]
    handler = RoleCertificateHandler(clock)
    news = {**ROLE, "ca_cert_pem": ca["cert_pem"], "ca_key_pem": ca["key_pem"]}
    state = state_of(handler, news)
    clock.now = START + timedelta(days=19)
    assert handler.diff(CTX, "id", state, news).update == ()
    clock.now = START + timedelta(days=21)
    assert handler.diff(CTX, "id", state, news).update == ("not_after",)
    renewed = handler.update(CTX, "id", state, news)
    assert renewed["key_pem"] != state["key_pem"]
    assert renewed["not_after"] == (clock.now + timedelta(days=30)).isoformat()


def test_changes_ask_for_an_update_and_the_window_alone_does_not() -> None:
    handler = AuthorityHandler(Clock())
    state = state_of(handler, CA)
    for change in ({"rotate": "2"}, {"common_name": "other"}, {"validity_days": 91}):
        assert handler.diff(CTX, "id", state, {**CA, **change}).update == tuple(change)
    assert handler.diff(CTX, "id", state, {**CA, "renew_before_days": 5}).update == ()


@pytest.mark.parametrize(
    ("change", "path", "text"),
    [
        ({"common_name": ""}, "common_name", "1 to 64"),
        ({"common_name": "x" * 65}, "common_name", "1 to 64"),
        ({"validity_days": 0}, "validity_days", "above 0"),
        ({"validity_days": -1}, "validity_days", "above 0"),
        ({"validity_days": True}, "validity_days", "number"),
        ({"validity_days": 40000}, "validity_days", "36500"),
        ({"renew_before_days": 0}, "renew_before_days", "above 0"),
        ({"renew_before_days": 30}, "renew_before_days", "less than validity_days"),
        ({"dns_names": ["ok", "not ok"]}, "dns_names[1]", "'not ok'"),
        ({"dns_names": ["a..b"]}, "dns_names[0]", "DNS name"),
        ({"dns_names": ["a.*.b"]}, "dns_names[0]", "DNS name"),
        ({"dns_names": "localhost"}, "dns_names", "a list"),
        ({"ip_addresses": ["10.0.0.256"]}, "ip_addresses[0]", "IPv4"),
        ({"usages": []}, "usages", "server"),
        ({"usages": ["servers"]}, "usages", "servers"),
    ],
)
def test_bad_inputs_are_refused_with_their_path(change: dict[str, Any], path: str, text: str) -> None:
    (failure,) = RoleCertificateHandler().check({**ROLE, **change})
    assert failure.path == path
    assert text in failure.reason


def test_good_and_unknown_inputs_are_accepted() -> None:
    assert RoleCertificateHandler().check(ROLE) == []
    assert RoleCertificateHandler().check(dict.fromkeys(ROLE, UNKNOWN)) == []
    assert AuthorityHandler().check(dict.fromkeys(CA, UNKNOWN)) == []
    assert TokenSetHandler().check({"names": [UNKNOWN, "a"]}) == []


def test_a_gossip_key_is_32_bytes_and_rotates() -> None:
    handler = GossipKeyHandler()
    first = handler.create(CTX, {})[1]["key"]
    assert len(base64.b64decode(first)) == 32
    assert handler.diff(CTX, "id", {"key": first}, {"rotate": "1"}).update == ("rotate",)
    assert handler.update(CTX, "id", {"key": first}, {"rotate": "1"})["key"] != first


def test_token_ids_are_kept_unless_rotated() -> None:
    handler = TokenSetHandler()
    state = state_of(handler, {"names": ["a", "b"]})
    assert {uuid.UUID(token).version for token in state["ids"].values()} == {4}
    more = handler.update(CTX, "id", state, {"names": ["b", "c"]})["ids"]
    assert more["b"] == state["ids"]["b"] and set(more) == {"b", "c"}
    anew = handler.update(CTX, "id", state, {"names": ["a", "b"], "rotate": "1"})["ids"]
    assert not set(anew.values()) & set(state["ids"].values())


@pytest.mark.parametrize(
    ("names", "path"),
    [([], "names"), (None, "names"), (["a", "a"], "names[1]"), ([""], "names[0]"), ([1], "names[0]")],
)
def test_bad_token_names_are_refused(names: Any, path: str) -> None:
    assert [failure.path for failure in TokenSetHandler().check({"names": names})] == [path]

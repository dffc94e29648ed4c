"""How long a cluster may stay, whose it is and which run made it."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime

import pytest

from hashistack.component.tenure import OWNER, RUN, RUNS, TTL, Tenure, tenure
from hashistack.errors import HashistackError

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


def test_what_is_said_holds_and_a_cis_own_variables_do_where_nothing_is() -> None:
    assert tenure({TTL: "4h", OWNER: "me", RUN: "7"}, NOW) == Tenure("2026-12-01T16:00:00+00:00", "me", "7")
    assert [tenure({OWNER: "me", name: "8"}, NOW).run for name in RUNS] == ["8"] * len(RUNS)
    assert tenure({OWNER: "me", RUN: "7", RUNS[0]: "8"}, NOW) == Tenure("", "me", "7")


def test_without_a_word_the_owner_is_this_user_if_he_has_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tenure({}, NOW) == Tenure("", getpass.getuser(), "")

    def nobody() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert tenure({}, NOW) == Tenure("", "", "")


@pytest.mark.parametrize(("ttl", "said"), [("4", "It needs a unit"), ("2d", "48h"), ("999999999h", "longer than a")])
def test_a_bad_duration_is_refused(ttl: str, said: str) -> None:
    with pytest.raises(HashistackError, match=said):
        tenure({TTL: ttl}, NOW)

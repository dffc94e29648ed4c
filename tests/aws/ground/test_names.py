"""Names of every length and alphabet become names that AWS takes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashistack.aws import names
from hashistack.aws.names import Kind

KINDS = {name: kind for name, kind in vars(names).items() if isinstance(kind, Kind)}
_RANDOM = 8


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@given(name=st.from_regex(r"[A-Za-z][A-Za-z0-9_.-]{0,200}", fullmatch=True))
def test_a_name_fits(kind: Kind, name: str) -> None:
    prefix = names.prefix(name, kind)
    if prefix is None:
        taken = name.lower() if kind is names.BUCKET else name
        assert len(taken) + _RANDOM <= kind.most
    else:
        taken = prefix
        assert 1 < len(prefix) <= kind.prefix
    assert not re.search(kind.strange, taken)
    assert taken[0].isalnum()


def test_a_name_that_fits_is_pulumis_own() -> None:
    assert names.prefix("prod-api-nomad-http", names.TARGET_GROUP) is None
    assert names.prefix("production-api-nomad-http", names.TARGET_GROUP) == "produ-"
    assert names.prefix("Prod-artifacts", names.BUCKET) is None
    assert names.prefix("my_cluster-bucket", names.BUCKET) == "my-cluster-bucket-"


def test_a_description_has_what_aws_takes() -> None:
    assert names.description("Nomad's API; for “all”") == "Nomads API; for all"
    assert len(names.description("x" * 300)) == 255

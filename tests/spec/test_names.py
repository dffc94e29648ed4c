"""Names: the vendors' and clouds' limits (rows 7, 17, 18, 20 to 24), and none that a shell would read (row 55)."""
# ruff: noqa: E501 - the texts are whole lines

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashistack.spec import ClientPool, ClusterSpec, SpecError, names

CASES = [
    ("17", names.NAMESPACE, "a_b", 'a Nomad namespace or policy cannot have "_" (got "a_b"). Use only letters, digits and "-".'),
    ("18", names.SERVICE, "a_b", 'a service\'s name cannot have "_" (got "a_b"). Use only letters, digits and "-".'),
    ("18", names.SERVICE, "-a", 'a service\'s name cannot begin with "-" (got "-a"). Begin it with a letter or a digit.'),
    ("20", names.AWS_LAUNCH_TEMPLATE, "ab", 'is 2 characters long, an AWS launch template\'s name has 3 to 128 (got "ab"). Give a longer one.'),
    ("20", names.AWS_LAUNCH_TEMPLATE, "a" * 141, f'is 141 characters long, an AWS launch template\'s name has 3 to 128 (got "{"a" * 60}…"). Shorten it.'),
    ("21", names.AWS_LIFECYCLE_HOOK, "drain hook", 'an AWS lifecycle hook\'s name cannot have " " (got "drain hook"). Use only letters, digits and - _ /.'),
    ("21", names.AWS_AUTOSCALING_GROUP, "a" * 256, f'is 256 characters long, an AWS Auto Scaling group\'s name has 1 to 255 (got "{"a" * 60}…"). Shorten it.'),
    ("22", names.GCP_RESOURCE, "Web_1", 'a Google Cloud name cannot have "W", "_" (got "Web_1"). Use only a-z, 0-9 and "-".'),
    ("22", names.GCP_RESOURCE, "1web", 'a Google Cloud name cannot begin with "1" (got "1web"). Begin it with a letter (a-z).'),
    ("23", names.GCP_INSTANCE_GROUP_BASE, "a" * 59, 'is 59 characters long, a managed instance group\'s base name has 1 to 58 (got "' + "a" * 59 + '"). Shorten it.'),
    ("24", names.GCP_RESOURCE, "prod-", 'a Google Cloud name cannot end with "-" (got "prod-"). End it with a letter or a digit.'),
    ("56", names.GCP_LABEL_KEY, "Team", 'a Google Cloud label key cannot have "T" (got "Team"). Use only a-z, 0-9, "-" and "_".'),
]  # fmt: skip


@pytest.mark.parametrize(("row", "rule", "name", "text"), CASES, ids=[case[0] + case[2][:9] for case in CASES])
def test_limits(row: str, rule: names.Rule, name: str, text: str) -> None:
    assert str(rule.problem(name, "name")) == f"spec.name: {text}"


def test_at_their_limits_names_are_good() -> None:
    for rule, name in [
        (names.AWS_LAUNCH_TEMPLATE, "a" * 128),
        (names.AWS_AUTOSCALING_GROUP, "a" * 255),
        (names.GCP_RESOURCE, "a" * 63),
        (names.GCP_INSTANCE_GROUP_BASE, "a" * 58),
        (names.NODE_POOL, "A_b-9" + "x" * 123),
    ]:
        assert rule.problem(name) is None


def test_row_7_a_zone_of_another_region() -> None:
    zones = ("us-east-1a", "eu-west-1a", "us-east-1-z", "us-east-11a")
    assert [str(problem) for problem in names.foreign_zones(zones, "us-east-1", "servers.zones")] == [
        'spec.servers.zones[1]: is not in region us-east-1 (got "eu-west-1a"). Name a zone of us-east-1.',
        'spec.servers.zones[3]: is not in region us-east-1 (got "us-east-11a"). Name a zone of us-east-1.',
    ]


@given(st.from_regex(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True))
def test_a_cluster_may_have_any_dns_label_as_its_name(name: str) -> None:
    assert ClusterSpec(name=name).name == name


@given(st.text(min_size=1))
def test_a_name_that_is_accepted_needs_no_quoting_anywhere(name: str) -> None:
    safe = set(string.ascii_letters + string.digits + "-_")
    for make in (lambda: ClusterSpec(name=name).name, lambda: ClientPool(name=name).name):
        try:
            accepted = make()
        except SpecError as refusal:
            assert len(str(refusal).splitlines()) == 1
        else:
            assert set(accepted) <= safe
            assert len(accepted) <= 128

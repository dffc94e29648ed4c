"""`hashistack config explain`: every setting, in words and for programs.

What it says of a change: tests/machine/test_explained.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from hashistack.cli import main
from hashistack.cli.commands.config import _paths
from hashistack.cli.errors import Refusal
from hashistack.spec import ClusterSpec, Dns
from hashistack.spec.explain import FIRST, SINCE, settings
from hashistack.version import VERSION

GOLDEN = Path(__file__).parents[1] / "golden"


def explain(*arguments: str) -> Result:
    return CliRunner().invoke(main.app, ["config", "explain", *arguments], env={"COLUMNS": "80"})


def test_a_setting_is_explained() -> None:
    assert explain("clients.disk_gib").output == (
        "clients.disk_gib\n"
        "  Size of the data disk in GiB.\n"
        "\n"
        "  type      whole number, 8 to 16384\n"
        "  default   50\n"
        "  since     0.1.0\n"
        "  change    by `up`\n"
        "  machines  those of the pool are replaced\n"
    )
    fixed = explain("dns.domain").output
    assert "  change    never: every certificate has it\n" in fixed
    assert "machines" not in fixed
    assert "change    only by a step that is supported" in explain("versions.nomad").output
    assert "default   that of upgrade.canary" in explain("clients.upgrade.canary").output
    assert "default   none: it has to be given" in explain("clients.name").output


def test_a_section_lists_its_settings_within_the_terminal() -> None:
    shown = explain("clients.upgrade").output
    assert "How machines of a pool are replaced" in shown
    assert "  drain_deadline    Longest time that a drain waits" in shown
    assert max(map(len, shown.splitlines())) <= 80
    whole = explain().output
    assert all(f"\n  {name} " in whole for name in ClusterSpec.model_fields)


def test_programs_get_all_of_them_an_object_each() -> None:
    told = [json.loads(line) for line in explain("-o", "json").output.splitlines()]
    assert [one["path"] for one in told] == [*settings()]
    assert {*told[0]} == {"path", "what", "type", "default", "since", "change", "replaces", "fields"}
    below = [json.loads(line)["path"] for line in explain("dns", "-o", "json").output.splitlines()]
    assert below == ["dns", *(f"dns.{field}" for field in Dns.model_fields)]


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("clients.drain", "clients.upgrade.drain_deadline (or upgrade.drain_deadline)"),
        ("dns.domian", "hashistack config explain dns.domain"),
        ("clients[0].min", "hashistack config explain clients.min"),
        ("xyzzy", "Next: hashistack config explain"),
        (".", "Next: hashistack config explain"),
    ],
)
def test_a_setting_that_there_is_not_is_answered_with_those_like_it(path: str, told: str) -> None:
    error = explain(path).exception
    assert isinstance(error, Refusal)
    assert f"there is no setting {path}" in str(error)
    assert told in str(error)


def test_a_shell_completes_paths() -> None:
    assert _paths("dns.cache") == ["dns.cache_max_ttl", "dns.cache_max_negative_ttl"]


def test_a_setting_that_a_later_release_brings_says_so(golden: Callable[[str, str], None]) -> None:
    name = f"spec/settings-{FIRST}.txt"
    if VERSION == FIRST:
        golden(name, "".join(f"{path}\n" for path in settings()))
    assert {*settings()} - {*(GOLDEN / name).read_text().split()} == {*SINCE}

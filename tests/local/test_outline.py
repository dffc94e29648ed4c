"""What a program keeps of a specification that was good once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pulumi
import pytest

from hashistack.local.outline import outline
from hashistack.spec import ClusterSpec, Versions

SPEC: dict[str, Any] = {
    "name": "kept",
    "servers": {"count": 5, "vault_config": {"default_lease_ttl": "700h"}},
    "clients": [
        {"name": "web", "desired": 3, "upgrade": {"max_surge": 2}},
        {"name": "batch", "node_pool": "batch", "drivers": ["exec"]},
    ],
    "upgrade": {"min_healthy_time": "7s"},
    "dns": {"upstreams": ["192.0.2.53", "192.0.2.54"]},
    "network": {"cidr": "10.9.0.0/24"},
}


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HASHISTACK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "specifications"


def files(kept: Path) -> list[Path]:
    return sorted(kept.iterdir()) if kept.exists() else []


def test_it_is_what_the_specification_says(kept: Path) -> None:
    spec = ClusterSpec.parse(SPEC)
    said = outline(spec)
    assert files(kept) == []  # nothing was read that was worth keeping
    assert ClusterSpec.parse(json.loads(said.text)) == spec
    assert [(pool.name, pool.role, pool.count) for pool in said.pools] == [
        ("server", "server", 5),
        ("web", "client", 3),
        ("batch", "client", 2),
    ]
    assert [(pool.node_pool, pool.drivers) for pool in said.pools] == [
        ("", []),
        ("default", ["exec", "docker"]),
        ("batch", ["exec"]),
    ]
    assert [pool.settings for pool in said.pools] == [{"vault_config": {"default_lease_ttl": "700h"}}, {}, {}]
    assert [pool.policy["max_surge"] for pool in said.pools] == [1, 2, 1]
    assert {pool.policy["min_healthy_time"] for pool in said.pools} == {7.0}
    assert (said.upstreams, said.cidr) == (("192.0.2.53", "192.0.2.54"), "10.9.0.0/24")
    assert said.versions["nomad"] == Versions().of("nomad")
    assert (said.subject.name, said.subject.domain) == ("kept", "consul")


def test_plain_data_are_read_once_and_say_the_same_from_then_on(kept: Path) -> None:
    first = outline(SPEC)
    assert first == outline(ClusterSpec.parse(SPEC))
    (file,) = files(kept)
    assert outline(dict(reversed(SPEC.items()))) == first  # the order of keys says nothing
    assert files(kept) == [file]
    assert outline({**SPEC, "name": "other"}).subject.name == "other"
    assert len(files(kept)) == 2


def test_what_is_kept_needs_no_pydantic(kept: Path) -> None:
    program = "import sys\nfrom hashistack.local.outline import outline\noutline({'name': 'x'})\n"
    program += "print(*sorted({'pydantic', 'hashistack.spec'} & set(sys.modules)))"
    said = [subprocess.check_output([sys.executable, "-c", program], text=True).split() for _ in range(2)]
    assert said == [["hashistack.spec", "pydantic"], []]


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", '{"pools": [], "subject": 1, "upstreams": []}'])
def test_half_a_file_counts_as_none(kept: Path, damage: str) -> None:
    first = outline(SPEC)
    (file,) = files(kept)
    file.write_text(damage)
    assert outline(SPEC) == first
    assert json.loads(file.read_text())["text"] == first.text


def test_what_is_bad_is_told_each_time_and_kept_nowhere(kept: Path) -> None:
    for _ in range(2):
        with pytest.raises(pulumi.RunError, match=r"servers\.count"):
            outline({**SPEC, "servers": {"count": 4}})
    assert files(kept) == []


def test_keys_that_are_no_text_are_not_taken_for_their_text(kept: Path) -> None:
    outline({"name": "kept", "tags": {"1": "x"}})
    assert len(files(kept)) == 1
    with pytest.raises(pulumi.RunError, match="has a key that is not text"):
        outline({"name": "kept", "tags": {1: "x"}})


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(kept: Path) -> None:
    kept.parent.write_text("a file in its place")
    assert outline(SPEC) == outline(ClusterSpec.parse(SPEC))


@pytest.mark.parametrize("given", [SPEC, ClusterSpec.parse(SPEC)], ids=["data", "specification"])
def test_a_driver_that_the_machine_image_lacks_is_refused(kept: Path, given: Any) -> None:
    clients = [{"name": "web"}, {"name": "jvm", "drivers": ["exec", "java"]}]
    spec = {**SPEC, "clients": clients}
    with pytest.raises(pulumi.RunError) as refusal:
        outline(spec if isinstance(given, dict) else ClusterSpec.parse(spec))
    assert "clients[1].drivers: the machine image of local clusters has no java" in str(refusal.value)
    assert files(kept) == []

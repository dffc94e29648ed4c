"""boot: what a machine has before its services start."""

from __future__ import annotations

import json

import pytest

from .cases import CASES
from .documents import SERVER
from .sandbox import ADDRESS, Sandbox


@pytest.mark.parametrize(
    ("search", "lines"), [("", []), ("corp.example eu.corp.example", ["search corp.example eu.corp.example"])]
)
def test_names_are_asked_of_our_resolver_and_tried_in_the_domains_of_the_specification(
    machine: Sandbox, search: str, lines: list[str]
) -> None:
    machine.install_bundle(CASES["minimal"].bundle("server"), "server", "server")
    manifest = machine.bundle_path("manifest.json")
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "tools": [], "search": search}))
    machine.path("/opt/hashistack/bin/consul").mkdir(parents=True)
    machine.write("/standin/identity", json.dumps({"id": "i-1", "name": "server-1", "ip": ADDRESS, "zone": "z1"}))
    machine.write("/standin/secrets/server", json.dumps(SERVER))
    machine.path("/var/lib/hashistack/nomad/server/raft").mkdir(parents=True)  # it has been here before
    done = machine.run("/opt/hashistack/current/bin/boot")
    assert done.returncode == 0, done.stderr
    told = machine.read("/etc/resolv.conf").splitlines()
    assert told == [f"nameserver {ADDRESS}", "options timeout:1 attempts:3", *lines]

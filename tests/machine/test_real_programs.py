"""The programs themselves read what render made of our configuration: an unknown or misspelt setting stops here."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hashistack.secrets import pki, tokens
from hashistack.secrets.cluster import _FOR_CLIENTS, _TOKENS
from hashistack.spec.catalog import Product
from hashistack.toolchain import resolve

from .cases import CASES, role
from .sandbox import Sandbox

RUN = "/run/hashistack"
MACHINES = [
    ("minimal", "server"),
    ("minimal", "workers"),
    ("five-servers-two-pools", "server"),
    ("five-servers-two-pools", "web"),
    ("awskms-seal", "server"),
]
pytestmark = pytest.mark.parametrize("shell", ["dash"], indirect=True)  # the programs under test are the vendor's


def document(case: str, pool: str, names: Sequence[str] = ()) -> dict[str, str]:
    """A role document of real keys; its certificate has these names too."""
    now = datetime.now(UTC)
    ca = pki.authority("test CA", timedelta(days=200), now)
    own = pki.certificate(
        ca.cert_pem,
        ca.key_pem,
        common_name="test",
        dns_names=[f"{role(pool)}.{CASES[case].spec.region}.nomad", "localhost", *names],
        ip_addresses=["127.0.0.1"],
        validity=timedelta(days=100),
        now=now,
        usages=["server", "client"],
    )
    ids = tokens.token_ids(_TOKENS if role(pool) == "server" else _FOR_CLIENTS)
    gossip = {name: tokens.gossip_key() for name in ("consul_gossip", "nomad_gossip")}
    return {"ca": ca.cert_pem, "cert": own.cert_pem, "key": own.key_pem, **gossip, **ids}


def rendered(machine: Sandbox, case: str, pool: str, product: Product, **more: Any) -> Sandbox:
    """A machine with a rendered configuration and this one program; `more` goes into a last fragment."""
    machine.install_bundle(CASES[case].bundle(pool), role(pool), pool)
    machine.facts(document(case, pool))
    if more:
        machine.bundle_path(f"conf/{product}/99-test.json").write_text(json.dumps(more))
    done = machine.run("/opt/hashistack/current/bin/render")
    assert done.returncode == 0, done.stderr
    tool = resolve(product, CASES[case].spec.versions.of(product))
    machine.mounts[tool.path.parent] = "/tool"
    return machine


def output(done: subprocess.CompletedProcess[str]) -> str:
    return done.stdout + done.stderr


@pytest.mark.parametrize(("case", "pool"), MACHINES)
def test_consul_takes_it(machine: Sandbox, case: str, pool: str) -> None:
    rendered(machine, case, pool, "consul")
    done = machine.run("/tool/consul", "validate", f"{RUN}/consul/consul.json")
    assert done.returncode == 0, output(done)
    assert "Configuration is valid!" in done.stdout


def test_consul_refuses_what_it_does_not_know(machine: Sandbox) -> None:
    rendered(machine, "minimal", "server", "consul", no_such_setting=True)
    done = machine.run("/tool/consul", "validate", f"{RUN}/consul/consul.json")
    assert done.returncode == 1
    assert "no_such_setting" in output(done)


@pytest.mark.parametrize(("case", "pool"), MACHINES)
def test_nomad_takes_it(machine: Sandbox, case: str, pool: str) -> None:
    rendered(machine, case, pool, "nomad")
    done = machine.run("/tool/nomad", "config", "validate", f"{RUN}/nomad/nomad.json")
    assert done.returncode == 0, output(done)
    assert "Configuration is valid!" in output(done)


def test_nomad_refuses_what_it_does_not_know(machine: Sandbox) -> None:
    rendered(machine, "minimal", "workers", "nomad", client={"no_such_setting": True})
    done = machine.run("/tool/nomad", "config", "validate", f"{RUN}/nomad/nomad.json")
    assert done.returncode == 1
    assert "no_such_setting" in output(done)


def diagnosed(machine: Sandbox) -> dict[str, tuple[str, str]]:
    """What Vault finds when it does all but serve: check to status and words."""
    done = machine.run("/tool/vault", "operator", "diagnose", "-format=json", f"-config={RUN}/vault/vault.json")
    found: dict[str, tuple[str, str]] = {}

    def collect(check: dict[str, Any]) -> None:
        for child in check.get("children", ()):
            collect(child)
        if not check.get("children"):
            words = [check.get("message", ""), *check.get("warnings", ())]
            found[check["name"]] = (check["status"], " ".join(words).strip())

    collect(json.loads(done.stdout))
    assert "Check Server Before Runtime" in found, "it did not come to the end"
    return found


NO_FAULT_OF_OURS = {
    "Check Operating System": "",  # the test's mounts, each of which it wants to measure
    "Check For Raft Quorum": "0 voters found",  # it has not been initialised
    "Check Telemetry": "incomplete Stackdriver telemetry",  # said of each configuration with telemetry
    "Create Vault Server Configuration Seals": "NoCredentialProviders",  # the machine is none of AWS's
    "Check Autounseal Encryption": "could not create a barrier seal",  # which follows
}


def ills(found: dict[str, tuple[str, str]]) -> dict[str, str]:
    return {
        check: words
        for check, (status, words) in found.items()
        if status in ("fail", "warn") and not (check in NO_FAULT_OF_OURS and NO_FAULT_OF_OURS[check] in words)
    }


def unknown_settings(found: dict[str, tuple[str, str]]) -> set[str]:
    return set(re.findall(r"unsupported field (\S+) found", found["Parse Configuration"][1]))


UNKNOWN_TO = {"1.21.2": {"deny_slash_in_templated_paths"}, "1.21.0": {"deny_slash_in_templated_paths"}}
"""What we set and these versions of Vault do not know yet: they warn of it and go on."""


@pytest.mark.parametrize(("case", "pool"), [each for each in MACHINES if each[1] == "server"])
def test_vault_takes_it(machine: Sandbox, case: str, pool: str) -> None:
    rendered(machine, case, pool, "vault")
    found = diagnosed(machine)
    assert ills(found) == {}
    assert unknown_settings(found) == UNKNOWN_TO.get(CASES[case].spec.versions.of("vault"), set())
    assert found["Check Listener TLS"][0] == found["Create Listeners"][0] == "ok"


def test_vault_warns_of_what_it_does_not_know(machine: Sandbox) -> None:
    rendered(machine, "minimal", "server", "vault", no_such_setting=True)
    assert "no_such_setting" in unknown_settings(diagnosed(machine))


def test_vault_finds_a_key_that_is_not_the_certificates(machine: Sandbox) -> None:
    rendered(machine, "minimal", "server", "vault")
    machine.path(f"{RUN}/vault/tls/key.pem").write_text(document("minimal", "server")["key"])
    assert "private key does not match" in ills(diagnosed(machine))["Check Listener TLS"]

"""The program that Nomad asks for a registry's credentials, with the real Vault as the servers set it up."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from importlib.resources import files
from subprocess import PIPE
from typing import Any

import pytest

from hashistack.machine.config.bootstrap import bootstrap
from hashistack.machine.config.docker import CREDENTIALS
from hashistack.spec import ClusterSpec
from hashistack.spec.registries import Registry

from .agents import Agents, agents

HOST = "registry.example.com:5000"
SPEC = ClusterSpec(name="x", registries=(Registry(host=HOST, credentials="vault"),))
PLACE = f"kv/hashistack/registries/{HOST}"


def for_registries(contents: dict[str, Any]) -> None:
    contents |= bootstrap(SPEC)


@pytest.fixture(scope="module", params=["dash", "busybox"])
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agents]:
    names = ["active.vault.service.consul", "client.global.nomad"]  # it is client and server in one
    with agents(tmp_path_factory.mktemp("machine"), request.param, for_registries, names) as found:
        found.machine.write("/etc/hosts", f"127.0.0.1 localhost {names[0]}\n")
        program = found.machine.bundle_path(f"bin/{CREDENTIALS}")
        program.write_bytes((files("hashistack.machine") / "node/boot" / CREDENTIALS).read_bytes())
        program.chmod(0o755)
        found.program("bootstrap-vault")
        yield found


def asked(machine: Agents) -> subprocess.CompletedProcess[str]:
    """What the program says when Nomad asks it, as Docker's helpers are asked."""
    command = [*machine.inside(CREDENTIALS), "get"]
    return subprocess.run(command, input=f"https://{HOST}", capture_output=True, text=True, timeout=60)


def test_it_reads_them_in_vault_each_time_and_says_what_is_missing(machine: Agents) -> None:
    done = asked(machine)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"Vault has no credentials for {HOST}: vault kv put {PLACE} username=NAME password=-" in done.stderr
    operator = machine.operator()
    for password in ('first "quoted" $1', "second"):
        machine.vault("kv", "put", PLACE, "username=robot", "password=-", token=operator, stdin=password)
        done = asked(machine)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == {"ServerURL": HOST, "Username": "robot", "Secret": password}
    machine.vault("kv", "put", PLACE, "username=robot", token=operator)
    done = asked(machine)
    assert done.returncode == 1
    assert f"{PLACE} in Vault lacks username or password" in done.stderr
    # Neither the pair nor the token that read it stays.
    left = [path.name for path in machine.machine.path("/run/hashistack/api").iterdir() if "registry" in path.name]
    assert left == []


def test_a_pull_waits_for_vaults_next_leader(machine: Agents) -> None:
    """Its name leads nowhere until then."""
    machine.vault("kv", "put", PLACE, "username=robot", "password=p", token=machine.operator())
    hosts = machine.machine.read("/etc/hosts")
    machine.machine.write("/etc/hosts", "127.0.0.1 localhost\n")
    command = [*machine.inside(CREDENTIALS), "get"]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdin.write(f"https://{HOST}\n")
        process.stdin.close()
        assert "Vault does not answer yet" in process.stderr.readline()
        machine.machine.write("/etc/hosts", hosts)
        assert json.loads(process.stdout.read())["Secret"] == "p"


def test_that_token_reads_nothing_else(machine: Agents) -> None:
    policy = machine.vault("policy", "read", "registries", token=machine.operator())
    assert "hashistack/registries/*" in str(policy)
    login = machine.vault("read", "auth/cert/certs/registries", token=machine.operator())["data"]
    assert (login["token_policies"], login["token_ttl"]) == (["registries"], 60)
    assert login["allowed_dns_sans"] == ["client.global.nomad"]

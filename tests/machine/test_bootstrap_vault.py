"""bootstrap-vault where all servers were lost: the keys in the store open a Vault that nobody has any more."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .cases import CASES
from .conftest import Start, wait_for
from .documents import DOCUMENTS
from .sandbox import ADDRESS, PLATFORM, Sandbox

BOOTSTRAP = "/opt/hashistack/current/bin/bootstrap-vault"
OLD = {"initialised_by": "server-0", "keys_base64": ["old"], "root_token": "old-root"}
CLAIM = """
claim)
  [ ! -e "/standin/claimed/$2${3-}" ] || exit 1
  mkdir -p /standin/claimed
  echo >"/standin/claimed/$2${3-}"
  cat >/standin/claimed/new
  mv /standin/claimed/new "/standin/secrets/$2"
  ;;
prepare |"""
CURL = """
case "$*" in *--connect-to*) server=${*#*localhost:8200:} server=${server%%:8200*} ;; *) server=own ;; esac
cat >/dev/null
case "$*" in
*--rate*) printf '{}\n=poll 200 \n'; exit ;;
*sys/init) echo >/standin/vaults/own; said='{"keys_base64":["new"],"root_token":"new-root"}' ;;
*seal-status)
  if [ -e "/standin/away/$server" ]; then echo 'curl: (7) refused'; printf '\\n000'; exit 7; fi
  if [ -e "/standin/vaults/$server" ]; then said='{"initialized":true}'; else said='{"initialized":false}'; fi
  ;;
*) said='{}' ;;
esac
printf '%s\\n200' "$said"
"""


def server(machine: Sandbox, *initialised: str, away: tuple[str, ...] = ()) -> Sandbox:
    machine.install_bundle(CASES["minimal"].bundle("server"), "server", "server", PLATFORM.replace("prepare |", CLAIM))
    machine.facts(DOCUMENTS["server"])
    machine.stand_in("curl", CURL)
    machine.path("/var/lib/hashistack").mkdir(parents=True, exist_ok=True)
    machine.write("/standin/peers", f"10.9.8.1\n{ADDRESS}\n10.9.8.2\n")
    machine.write("/standin/secrets/vault-init", json.dumps(OLD))
    machine.path("/standin/vaults").mkdir()
    for address in initialised:
        machine.write(f"/standin/vaults/{address}", "")
    for address in away:
        machine.write(f"/standin/away/{address}", "")
    return machine


def stored(machine: Sandbox) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(machine.read("/standin/secrets/vault-init"))
    return found


def test_where_nobody_has_the_vault_another_is_initialised_and_the_old_keys_are_kept(
    machine: Sandbox, start: Start
) -> None:
    server(machine)
    start(BOOTSTRAP)
    wait_for(lambda: stored(machine).get("generation") == 1)
    assert stored(machine) == {
        "initialised_by": "web-1",
        "keys_base64": ["new"],
        "root_token": "new-root",
        "generation": 1,
        "previous": [{"initialised_by": "server-0", "keys_base64": ["old"]}],
    }
    assert machine.path("/standin/secrets/vault-claim-1").exists()


@pytest.mark.parametrize("initialised", ["10.9.8.1", "10.9.8.2"])
def test_a_vault_that_one_server_has_is_joined(machine: Sandbox, start: Start, initialised: str) -> None:
    _holds_back(server(machine, initialised), start)


def test_a_server_that_does_not_answer_may_have_it(machine: Sandbox, start: Start) -> None:
    _holds_back(server(machine, away=("10.9.8.2",)), start)


def test_fewer_servers_than_the_cluster_has_are_not_all(machine: Sandbox, start: Start) -> None:
    server(machine).write("/standin/peers", f"10.9.8.1\n{ADDRESS}\n")
    _holds_back(machine, start)


def _holds_back(machine: Sandbox, start: Start) -> None:
    process = start(BOOTSTRAP)
    asked = machine.path("/standin/verbs")
    wait_for(lambda: asked.exists() and asked.read_text().count("peers") >= 2)
    assert process.poll() is None
    assert stored(machine) == OLD

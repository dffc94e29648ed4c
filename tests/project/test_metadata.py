"""The metadata server as a machine's programs meet it, by curl and by Google's own library."""

from __future__ import annotations

import json
import subprocess
import time
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from threading import Thread
from typing import Any

import google.auth.transport.requests
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from google.auth.compute_engine import _metadata

from .accounts import Tokens
from .metadata import Instance, Metadata

ACCOUNT = "web@x-project.iam.gserviceaccount.com"


class World:
    def __init__(self) -> None:
        self.now = 1000.0
        self.tokens = Tokens(lambda: self.now)
        self.instance = Instance("4520031799277581759", "x-web-0vx2", "10.9.8.7", ACCOUNT, spot=True)
        self.metadata = Metadata(lambda address: self.instance, self.tokens)
        self.address = self.metadata.start()

    def get(self, path: str, *options: str) -> tuple[int, str]:
        """Status and text."""
        command = ["curl", "-s", "-m", "10", "-w", "\n%{http_code}", *options, f"http://{self.address}{path}"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        text, _, status = said.rpartition("\n")
        return int(status), text

    def ask(self, path: str, *options: str) -> tuple[int, str]:
        return self.get(f"/computeMetadata/v1/{path}", "-H", "Metadata-Flavor: Google", *options)


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.metadata.stop()


def test_values_and_directories(world: World) -> None:
    world.instance.attributes["user-data"] = "#!/bin/sh\n"
    assert world.ask("instance/id") == (200, world.instance.id)
    assert world.ask("instance/zone") == (200, "projects/123456789012/zones/europe-west1-b")
    assert world.ask("instance/network-interfaces/0/ip") == (200, "10.9.8.7")
    assert world.ask("instance/attributes/") == (200, "user-data\n")
    assert world.ask("instance/attributes/user-data") == (200, "#!/bin/sh\n")
    assert world.ask("instance/network-interfaces/") == (200, "0/\n")
    assert world.ask("instance/scheduling/preemptible") == (200, "TRUE")
    assert world.ask("instance/maintenance-event") == (200, "NONE")
    assert world.ask("instance/attributes")[0] == 301
    assert world.ask("instance/attributes/none")[0] == 404
    assert world.ask("instance/shutdown-details/stop-state")[0] == 404


def test_a_directory_as_json(world: World) -> None:
    world.instance.attributes["own-name"] = "x"
    status, text = world.ask("instance/?recursive=true")
    told = json.loads(text)
    assert (status, told["machineType"]) == (200, "projects/123456789012/machineTypes/n2-standard-2")
    assert (told["attributes"], told["networkInterfaces"][0]["ip"]) == ({"own-name": "x"}, "10.9.8.7")
    assert told["serviceAccounts"]["default"]["email"] == ACCOUNT
    assert json.loads(world.ask("instance/tags")[1]) == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), "Missing Metadata-Flavor"),
        (("-H", "Metadata-Flavor: Google", "-H", "X-Forwarded-For: 1.2.3.4"), "X-Forwarded-For"),
    ],
)
def test_what_no_program_of_the_machine_sends_is_refused(world: World, options: tuple[str, ...], says: str) -> None:
    status, text = world.get("/computeMetadata/v1/instance/id", *options)
    assert status == 403
    assert says in text


def test_whose_address_is_unknown_is_told_nothing(world: World) -> None:
    world.metadata.whose = lambda address: None
    assert world.ask("instance/id")[0] == 404


def test_a_token_stays_until_it_nears_its_end(world: World) -> None:
    first = json.loads(world.ask("instance/service-accounts/default/token")[1])
    assert (first["token_type"], first["expires_in"]) == ("Bearer", 3599)
    assert world.tokens.whose(first["access_token"]) == ACCOUNT
    world.now += 3200
    again = json.loads(world.ask(f"instance/service-accounts/{ACCOUNT}/token?scopes=x")[1])
    assert (again["access_token"], again["expires_in"]) == (first["access_token"], 399)
    world.now += 200
    later = json.loads(world.ask("instance/service-accounts/default/token")[1])
    assert later["access_token"] != first["access_token"]
    world.now += 200
    assert world.tokens.whose(first["access_token"]) is None
    assert world.tokens.whose(later["access_token"]) == ACCOUNT


def test_without_an_account_there_is_no_token(world: World) -> None:
    world.instance.account = ""
    assert world.ask("instance/service-accounts/default/token")[0] == 404
    assert world.ask("instance/service-accounts/") == (200, "")


def test_an_identity_is_signed_for_an_audience(world: World) -> None:
    assert world.ask("instance/service-accounts/default/identity")[0] == 400
    _, token = world.ask("instance/service-accounts/default/identity?audience=https://vault&format=full")
    text, _, signature = token.rpartition(".")
    claims = json.loads(_decoded(text.partition(".")[2]))
    assert (claims["aud"], claims["email"]) == ("https://vault", ACCOUNT)
    assert claims["google"]["compute_engine"]["instance_id"] == world.instance.id
    world.tokens.key.public_key().verify(_decoded(signature), text.encode(), padding.PKCS1v15(), hashes.SHA256())


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


WAYS_OUT: list[tuple[str, dict[str, Any], str]] = [
    ("instance/preempted", {"preempted": True}, "TRUE"),
    (
        "instance/maintenance-event",
        {"maintenance_event": "TERMINATE_ON_HOST_MAINTENANCE"},
        "TERMINATE_ON_HOST_MAINTENANCE",
    ),
]


@pytest.mark.parametrize(("path", "change", "becomes"), WAYS_OUT)
def test_who_waits_is_told_of_a_change(world: World, path: str, change: dict[str, Any], becomes: str) -> None:
    said: list[tuple[int, str]] = []
    waiting = Thread(target=lambda: said.append(world.ask(f"{path}?wait_for_change=true")))
    waiting.start()
    while not world.metadata.waiting:
        time.sleep(0.01)
    world.metadata.change(world.instance, attributes={"other": "x"})
    assert said == [], "it waits for that path alone"
    world.metadata.change(world.instance, **change)
    waiting.join(10)
    assert said == [(200, becomes)]


def test_who_knows_an_older_state_is_told_at_once(world: World) -> None:
    assert world.ask("instance/?recursive=true&wait_for_change=true&last_etag=0")[0] == 200
    _, headers = world.ask("instance/?recursive=true", "-D", "-", "-o", "/dev/null")
    tag = next(line.split()[1] for line in headers.splitlines() if line.lower().startswith("etag:"))
    world.metadata.change(world.instance, stop_state="PENDING_STOP")
    _, text = world.ask(f"instance/?recursive=true&wait_for_change=true&last_etag={tag}")
    assert json.loads(text)["shutdownDetails"] == {"stopState": "PENDING_STOP"}


def test_a_wait_has_an_end(world: World) -> None:
    assert world.ask("instance/preempted?wait_for_change=true&timeout_sec=0") == (200, "FALSE")


def test_it_may_be_down(world: World) -> None:
    world.metadata.outage = lambda instance, path: 503 if path == "instance/id" else None
    assert world.ask("instance/id")[0] == 503
    assert world.ask("instance/name")[0] == 200


def test_googles_own_library_takes_it_for_googles(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", world.address)
    monkeypatch.setenv("GCE_METADATA_IP", world.address)
    request = google.auth.transport.requests.Request()
    assert _metadata.ping(request)
    assert _metadata.get_project_id(request) == "x-project"
    token, _ = _metadata.get_service_account_token(request)
    assert world.tokens.whose(token) == ACCOUNT

"""Cloud Storage, Secret Manager and Compute Engine over HTTPS, as curl and Google's own library meet them."""

from __future__ import annotations

import json
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..box.authority import Authority
from .accounts import Tokens
from .api import Apis, Fault
from .compute import Compute, Template
from .front import Front
from .iam import Iam
from .secret_manager import Secret, SecretManager
from .storage import FIRST, Storage

BUCKET, PROJECT, WEB = "x-bundles", "x-project", "web@x-project.iam.gserviceaccount.com"
OBJECTS = f"/storage/v1/b/{BUCKET}/o"
SECRET = f"projects/{PROJECT}/secrets/shop-server"


class World:
    def __init__(self, directory: Path) -> None:
        self.now = 0.0
        self.tokens, self.iam = Tokens(), Iam(clock=lambda: self.now)
        self.storage, self.secrets = Storage(buckets={BUCKET: {}}), SecretManager()
        self.compute = Compute(looks=False)
        services = {"storage": self.storage, "secretmanager": self.secrets, "compute": self.compute}
        self.apis = Apis(services, self.tokens, self.iam)
        self.authority = Authority(directory)
        self.front = Front("127.0.0.1", self.apis, self.authority.server(["*.googleapis.com"], "127.0.0.1"), port=0)
        self.token = self.tokens.issue(WEB)
        self.iam.bind(f"serviceAccount:{WEB}", "roles/storage.objectViewer", f"projects/_/buckets/{BUCKET}")
        self.iam.bind(f"serviceAccount:{WEB}", "roles/storage.objectCreator", f"projects/_/buckets/{BUCKET}")

    def ask(self, service: str, path: str, *options: str, token: str = "") -> tuple[int, str]:
        """Status and text, as a machine asks: by Google's name, with its token, over TLS of the test's authority."""
        port, name = self.front.url.rpartition(":")[2], f"{service}.googleapis.com"
        command = ["curl", "-s", "-m", "10", "--cacert", str(self.authority.pem), "-w", "\n%{http_code}"]
        command += [
            "--connect-to",
            f"{name}:443:127.0.0.1:{port}",
            "-H",
            f"authorization: Bearer {token or self.token}",
        ]
        said = subprocess.run([*command, *options, f"https://{name}{path}"], capture_output=True, text=True, check=True)
        text, _, status = said.stdout.rpartition("\n")
        return int(status), text

    def upload(self, key: str, content: str, condition: str = "") -> tuple[int, Any]:
        path = f"/upload{OBJECTS}?uploadType=media&name={key}{condition}"
        status, text = self.ask("storage", path, "-H", "content-type: text/plain", "--data-raw", content)
        return status, json.loads(text)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.front.close()


def message(text: str) -> str:
    return str(json.loads(text)["error"]["message"])


def test_objects_have_generations(world: World) -> None:
    assert [world.upload("k", text)[1]["generation"] for text in ("one", "two")] == [str(FIRST), str(FIRST + 1)]
    assert world.ask("storage", f"{OBJECTS}/k?alt=media") == (200, "two")
    assert world.ask("storage", f"{OBJECTS}/k?alt=media&generation={FIRST}") == (200, "one")
    assert world.ask("storage", f"{OBJECTS}/k?alt=media&generation=7") == (404, f"No such object: {BUCKET}/k")


def test_a_condition_holds_a_name_for_who_was_first(world: World) -> None:
    assert world.upload("claims/x", "mine", "&ifGenerationMatch=0")[0] == 200
    status, said = world.upload("claims/x", "yours", "&ifGenerationMatch=0")
    assert (status, said["error"]["errors"][0]["reason"]) == (412, "conditionNotMet")
    assert world.storage.contents(BUCKET) == {"claims/x": [b"mine"]}


def test_a_part_of_an_object(world: World) -> None:
    world.upload("k", "0123456789")
    assert world.ask("storage", f"{OBJECTS}/k?alt=media", "-r", "2-4") == (206, "234")
    assert world.ask("storage", f"{OBJECTS}/k?alt=media", "-r", "-3") == (206, "789")
    assert world.ask("storage", f"{OBJECTS}/k?alt=media", "-r", "10-")[0] == 416


def test_a_bucket_that_there_is_not(world: World) -> None:
    world.iam.bind(f"serviceAccount:{WEB}", "roles/storage.objectViewer", "projects/_/buckets/none")
    status, text = world.ask("storage", "/storage/v1/b/none/o/k")
    assert (status, message(text)) == (404, "The specified bucket does not exist.")


def test_a_deleted_object_can_be_read_by_its_generation(world: World) -> None:
    world.upload("k", "one")
    operator = world.tokens.issue("operator@example.org")
    assert world.ask("storage", f"{OBJECTS}/k", "-X", "DELETE", token=operator)[0] == 204
    assert world.ask("storage", f"{OBJECTS}/k?alt=media")[0] == 404
    assert world.ask("storage", f"{OBJECTS}/k?alt=media&generation={FIRST}") == (200, "one")


@pytest.mark.parametrize("token", ["ya29.made-up", " "])
def test_who_is_nobody_is_refused_and_kept(world: World, token: str) -> None:
    status, text = world.ask("storage", f"{OBJECTS}/k", token=token)
    assert (status, json.loads(text)["error"]["status"]) == (401, "UNAUTHENTICATED")
    assert world.apis.refused == [f"no good token: GET {OBJECTS}/k"]


def test_what_is_in_no_document_is_refused_and_kept(world: World) -> None:
    assert world.ask("storage", f"{OBJECTS}/k?generatoin=1")[0] == 400
    assert world.apis.refused == ["storage.objects.get: generatoin is no parameter"]


def test_rights_come_late(world: World) -> None:
    world.secrets.secrets["shop-server"] = Secret([b"text"])
    path = f"/v1/{SECRET}/versions/latest:access"
    world.iam.late = 120
    world.iam.bind(f"serviceAccount:{WEB}", "roles/secretmanager.secretAccessor", SECRET)
    status, text = world.ask("secretmanager", path)
    assert (status, json.loads(text)["error"]["status"]) == (403, "PERMISSION_DENIED")
    assert "secretmanager.versions.access" in message(text)
    world.now = 120
    status, text = world.ask("secretmanager", path)
    assert (status, json.loads(text)["payload"]["data"]) == (200, b64encode(b"text").decode())


def test_a_condition_of_a_binding_limits_it_to_its_prefixes(world: World) -> None:
    other = "batch@x-project.iam.gserviceaccount.com"
    place = f"projects/_/buckets/{BUCKET}"
    expression = " || ".join(f'resource.name.startsWith("{place}/objects/{each}")' for each in ("a/", "b/"))
    world.iam.bind(f"serviceAccount:{other}", "roles/storage.objectViewer", place, expression)
    token = world.tokens.issue(other)
    assert [world.ask("storage", f"{OBJECTS}/{key}", token=token)[0] for key in ("a%2Fx", "b%2Fx", "c%2Fx")] == [
        404,
        404,
        403,
    ]
    with pytest.raises(ValueError, match="of this form"):
        world.iam.bind("x", "roles/storage.objectViewer", place, 'resource.name == "x"')


def test_a_secrets_versions(world: World) -> None:
    operator = world.tokens.issue("operator@example.org")
    kind = ("-H", "content-type: application/json")

    def ask(path: str, *options: str) -> tuple[int, Any]:
        status, text = world.ask("secretmanager", f"/v1/{path}", *options, token=operator)
        return status, json.loads(text)

    assert (
        ask(f"projects/{PROJECT}/secrets?secretId=shop-server", *kind, "-d", '{"replication": {"automatic": {}}}')[0]
        == 200
    )
    assert ask(f"projects/{PROJECT}/secrets?secretId=shop-server", *kind, "-d", "{}")[0] == 409
    assert ask(f"{SECRET}/versions/latest:access")[0] == 404
    for text in (b"one", b"two"):
        body = json.dumps({"payload": {"data": b64encode(text).decode()}})
        status, said = ask(f"{SECRET}:addVersion", *kind, "-d", body)
    assert (status, said["name"]) == (200, "projects/123456789012/secrets/shop-server/versions/2")
    etag = ask(SECRET)[1]["etag"]
    change = json.dumps({"etag": etag, "versionAliases": {"hashistack": "1"}})
    assert ask(f"{SECRET}?updateMask=versionAliases", "-X", "PATCH", *kind, "-d", change)[0] == 200
    status, said = ask(f"{SECRET}?updateMask=versionAliases", "-X", "PATCH", *kind, "-d", change)
    assert (status, said["error"]["status"]) == (400, "FAILED_PRECONDITION"), "somebody has changed it since"
    assert ask(f"{SECRET}/versions/hashistack:access")[1]["payload"]["data"] == b64encode(b"one").decode()
    assert ask(f"{SECRET}/versions/1:destroy", *kind, "-d", "{}")[1]["state"] == "DESTROYED"
    assert ask(f"{SECRET}/versions/hashistack:access")[0] == 400


def test_a_machine_lists_the_servers_that_run(world: World) -> None:
    world.compute.group("x-server", Template("t", {"labels": {"hashistack-servers": "x"}}), 3)
    world.compute.settle()
    world.compute.vms[0].status = "STOPPING"
    wanted = "labels.hashistack-servers%3Dx%20AND%20status%3DRUNNING"
    path = f"/compute/v1/projects/{PROJECT}/aggregated/instances?filter={wanted}"
    assert world.ask("compute", path)[0] == 403
    world.iam.role("projects/x-project/roles/x.discoverer", ["compute.instances.list"])
    world.iam.bind(f"serviceAccount:{WEB}", "projects/x-project/roles/x.discoverer", f"projects/{PROJECT}")
    items = json.loads(world.ask("compute", path)[1])["items"]
    found = [one["networkInterfaces"][0]["networkIP"] for zone in items.values() for one in zone.get("instances", ())]
    assert sorted(found) == sorted(vm.ip for vm in world.compute.vms[1:])


def test_a_service_may_be_busy_or_break_off(world: World) -> None:
    world.upload("k", "0123456789")
    world.apis.faults += [Fault("storage.objects.get", 503, "busy"), Fault("storage.objects.get", 0, "0123")]
    assert world.ask("storage", f"{OBJECTS}/k?alt=media") == (503, "busy")
    with pytest.raises(subprocess.CalledProcessError) as failed:
        world.ask("storage", f"{OBJECTS}/k?alt=media")
    assert failed.value.returncode == 18  # curl's: a part of the file
    assert world.ask("storage", f"{OBJECTS}/k?alt=media") == (200, "0123456789")

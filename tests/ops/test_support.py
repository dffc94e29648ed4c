"""The archive for somebody who helps: what is taken out of it, and that nothing known is left."""

from __future__ import annotations

import json
import stat
import tarfile
from base64 import b64decode, b64encode
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hashistack.errors import HashistackError
from hashistack.ops.api.http import Answer, ApiError
from hashistack.ops.support import archive
from hashistack.ops.support.collect import ASKED, answers
from hashistack.ops.support.redaction import Redaction, of_data, of_state
from hashistack.spec.secret_detection import STRUCK

TOKEN = "0d5a4f0c-7be1-4a55-9d3e-0f0c2a8d7f11"
GOSSIP = b64encode(bytes(range(32))).decode()
PASSWORD = 'a"pass\\word/of it'
BODY = b64encode(bytes(range(200, 256)) * 2).decode()
KEY = f"-----BEGIN PRIVATE KEY-----\n{BODY[:64]}\n{BODY[64:128]}\n-----END PRIVATE KEY-----\n"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
SECRETS = (TOKEN, GOSSIP, PASSWORD, KEY)


@pytest.mark.parametrize(
    "written",
    [
        f"the token {TOKEN} is refused",
        json.dumps({"a": {"b": PASSWORD}}),
        json.dumps({"inner": json.dumps({"key": KEY})}),
        f"key: {BODY[64:128]}",
        b64encode(f"x{TOKEN}".encode()).decode(),
        b64encode(f"operator:{PASSWORD}, and more".encode()).decode(),
        b64encode(TOKEN.encode()).decode(),
        b64decode(GOSSIP).hex(),
        f'gossip "{GOSSIP}"',
    ],
)
def test_a_known_secret_goes_in_whatever_form_it_stands_there(written: str) -> None:
    redaction = Redaction(SECRETS)
    assert redaction.holds(written.encode())
    told = redaction.text(f"before\n{written}\nafter\n")
    assert not redaction.holds(told.encode())
    assert STRUCK in told
    assert told.startswith("before\n") and told.endswith("\nafter\n")


def test_what_only_looks_like_one_goes_too_and_ids_stay() -> None:
    told = Redaction(()).text(
        'vault: login gave hvs.CAESIJ0123456789abcdefghij\ndb_password = "swordfish"\n'
        "alloc 1f6c1c5e-2c1c-4b6e-9f63-0a4e8e6a1b77 is running\n" + KEY + "end\n"
    )
    assert told == (
        f"vault: login gave {STRUCK}\ndb_password = {STRUCK}\n"
        f"alloc 1f6c1c5e-2c1c-4b6e-9f63-0a4e8e6a1b77 is running\n{STRUCK}\nend\n"
    )


@pytest.mark.parametrize(
    "line",
    [
        "shop:password: hunter2222",
        '{"apiKey": "hunter2222"}',
        "accessToken=hunter2222",
        "Authorization: Bearer hunter2222",
        "pulling from https://user:hunter2222@registry.example/app",
    ],
)
def test_names_and_places_that_hold_secrets_are_known(line: str) -> None:
    assert "hunter2222" not in Redaction([]).text(line)


def test_short_texts_are_in_everything_and_no_secret() -> None:
    redaction = Redaction(["", "dc1", "server"])
    assert redaction.known == 0
    assert redaction.text("server dc1") == "server dc1"


def test_secrets_are_found_in_the_stacks_state_by_their_marks() -> None:
    def secret(value: Any) -> dict[str, str]:
        return {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "plaintext": json.dumps(value)}

    connection = {"nomad": {"address": "https://127.0.0.1:4646", "token": TOKEN}, "ca_pem": CERTIFICATE}
    state = {
        "deployment": {
            "resources": [
                {"type": "pulumi:pulumi:Stack", "outputs": {"connection": secret(json.dumps(connection))}},
                {
                    "type": "hashistack:index:ClusterSecrets",
                    "outputs": {"ids": secret({"consul_dns": "an-id"}), "keys": secret({"ca": KEY}), "not_after": "x"},
                },
                {"type": "other", "inputs": {"list": [secret({"note": "no secret by its name"})]}},
            ]
        }
    }
    assert list(of_state(state)) == [TOKEN, "an-id", KEY]
    assert list(of_state({})) == []


def test_certificates_are_public() -> None:
    assert list(of_data({"secret": CERTIFICATE, "token": ["t-1", {"deep": "t-2"}], "name": "shop"})) == ["t-1", "t-2"]


def test_the_archive_is_private_and_proved(tmp_path: Path) -> None:
    file, redaction = tmp_path / "shop.tar.gz", Redaction(SECRETS)
    archive.write(file, {"logs/a.log": f"token={TOKEN}\nfine\n", f"logs/{TOKEN}.log": "b"}, redaction)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with tarfile.open(file) as read:
        texts = {member.name: read.extractfile(member).read().decode() for member in read}  # type: ignore[union-attr]
    assert texts == {"shop/logs/a.log": f"token={STRUCK}\nfine\n", f"shop/logs/{STRUCK}.log": "b"}
    assert archive.leaks(file, redaction) == []
    assert list(tmp_path.iterdir()) == [file]


def test_an_archive_with_a_secret_in_it_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Redaction, "text", lambda self, text: text)  # as if a form were forgotten
    with pytest.raises(HashistackError, match=r"not written, a secret was still in shop/a.log, shop/c.log\. This is"):
        archive.write(tmp_path / "shop.tar.gz", {"a.log": TOKEN, "b.log": "fine", "c.log": KEY}, Redaction(SECRETS))
    assert list(tmp_path.iterdir()) == []


def test_what_is_asked_of_each_product_and_an_error_in_its_place() -> None:
    def call(method: str, path: str, **more: Any) -> Answer:
        if path == "/v1/operator/autopilot/health":
            raise ApiError("nomad", method, path, 500, "no leader")
        return Answer(200, {"path": path}, 0)

    api = SimpleNamespace(call=call)
    cluster: Any = SimpleNamespace(
        consul=SimpleNamespace(api=api),
        nomad=SimpleNamespace(api=api),
        vault=SimpleNamespace(api=api, header=lambda: ("X-Vault-Token", "t")),
    )
    said = answers(cluster)
    assert said.keys() == {f"{product}/{name}.json" for product, asked in ASKED.items() for name in asked}
    assert "no leader" in json.loads(said["consul/autopilot.json"])["error"]
    assert json.loads(said["vault/seal.json"]) == {"path": "/v1/sys/seal-status"}

"""`hashistack env`: its lines, read by real shells."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from hashistack.cli.commands.env import (
    NAMES,
    RESOLVER,
    TOOLS_VARIABLE,
    Shell,
    export,
    unset,
    variables,
    write_certificates,
)
from hashistack.ops.api import tunnel
from hashistack.ops.api.connection import Connection
from hashistack.ops.api.runtime_directory import directory, kept

AWKWARD = 'it\'s $HOME `x` "y" \\'


@pytest.fixture
def connection() -> Connection:
    server = {"name": "server", "role": "server", "count": 3}
    return Connection.parse(
        {
            "format": 1,
            "name": "test-1f",
            "provider": "local",
            "datacenter": "dc1",
            "region": "global",
            "ca_pem": "CA",
            "operator_cert_pem": "CERT",
            "operator_key_pem": "KEY",
            "nomad": {"address": "https://127.0.0.1:1", "servers": ["https://127.0.0.1:2"], "token": "nomad-token"},
            "consul": {"address": "https://127.0.0.1:3", "servers": [], "token": "consul-token"},
            "vault": {"address": "https://127.0.0.1:4", "servers": [], "username": "operator", "password": "pw"},
            "pools": [server],
        }
    )


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_a_shell_takes_the_lines_and_takes_them_back(
    shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = shutil.which(shell)
    assert program, f"{shell} is needed"
    before = os.environ["PATH"]
    lines = export({"NOMAD_TOKEN": AWKWARD}, [tmp_path / "a b", tmp_path / "a b"], Shell.SH)
    script = f'{lines}\nprintf "%s\\n" "$NOMAD_TOKEN" "$PATH"'
    seen = subprocess.run([program, "-c", script], capture_output=True, text=True, check=True).stdout.splitlines()
    assert seen == [AWKWARD, f"{tmp_path}/a b:{before}"]
    monkeypatch.setenv("PATH", seen[1])
    monkeypatch.setenv(TOOLS_VARIABLE, str(tmp_path / "a b"))
    # once more replaces what was there, --unset leaves PATH as it was
    again = export({}, [tmp_path / "new"], Shell.SH)
    assert f"PATH={tmp_path}/new:{before}" in again.replace("'", "")
    script = f'{unset(Shell.SH)}\nprintf "%s\\n" "${{NOMAD_TOKEN-none}}" "$PATH"'
    environment = {**os.environ, "NOMAD_TOKEN": "x"}
    done = subprocess.run([program, "-c", script], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.splitlines() == ["none", before]


def test_fish_gets_its_own_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/bin:/usr/bin")
    lines = export({"NOMAD_TOKEN": "it's \\ $x"}, [tmp_path], Shell.FISH).splitlines()
    assert lines[0] == r"set -gx NOMAD_TOKEN 'it\'s \\ $x'"
    assert lines[-1] == f"set -gx PATH '{tmp_path}' '/bin' '/usr/bin'"
    assert unset(Shell.FISH).splitlines()[0] == "set -e NOMAD_ADDR"


def test_everything_that_is_set_is_unset(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"ca": "/ca", "cert": "/cert", "key": "/key"}
    values = variables(connection, files, "vault-token")
    assert tuple(values) == NAMES
    assert f"unset {RESOLVER}" in unset(Shell.SH).splitlines()
    places = [values[name] for name in ("NOMAD_ADDR", "CONSUL_HTTP_ADDR", "VAULT_ADDR")]
    assert places == [f"https://127.0.0.1:{port}" for port in (1, 3, 4)]  # the API's own, no server's
    monkeypatch.setenv(tunnel.VIA, "192.0.2.7")
    assert variables(connection, files, "")["VAULT_ADDR"] == "https://192.0.2.7:4"
    assert values["VAULT_TOKEN"] == "vault-token"
    assert "pw" not in values.values()


def test_certificates_are_private(connection: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    place = directory(connection.name)
    assert place == tmp_path / "hashistack/test-1f"
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    for _ in range(2):  # a second `env` writes them again
        files = write_certificates(connection, place)
    assert Path(files["key"]).read_text() == "KEY"
    assert {stat.S_IMODE(file.stat().st_mode) for file in place.iterdir()} == {0o600}
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "gone"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert directory("x") == tmp_path / "home/.local/state/hashistack/x"
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    directory("x")
    assert kept("x") == [tmp_path / "hashistack/x", tmp_path / "home/.local/state/hashistack/x"]  # for `down`
    assert kept("never") == []

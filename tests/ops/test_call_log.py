"""The call log says what was asked of whom, and holds no secret of the cluster, whatever was asked."""

from __future__ import annotations

import re
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hashistack import call_log
from hashistack.errors import HashistackError
from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.connection import Connection
from hashistack.ops.api.http import ApiError
from hashistack.ops.readiness.smoke import Smoke
from hashistack.ops.snapshots.save import save

LINE = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \d+ \S+ \S.*$")


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    file = tmp_path / "calls.log"
    monkeypatch.setenv(call_log.VARIABLE, str(file))
    call_log.start()
    yield file.read_text
    call_log.stop()


def test_it_is_off_unless_it_is_asked_for() -> None:
    assert not call_log.is_on()


def test_every_call_is_a_line_and_no_secret_is_in_it(
    cluster: Cluster, connection: Connection, log: Callable[[], str], tmp_path: Path
) -> None:
    value = secrets.token_hex(16)
    token = cluster.vault.login()
    cluster.vault.write_secret("test/log", {"value": value})
    for ask in (cluster.nomad.raft, cluster.consul.raft, cluster.vault.health):
        ask()
    save(cluster, tmp_path / "archive.tar", '{"keys_base64": ["' + value + '"]}')
    Smoke(cluster).start()
    with pytest.raises(ApiError):
        cluster.consul.api.call("GET", "/v1/acl/tokens", token=("X-Consul-Token", value))
    subprocess.run([sys.executable, "-c", ""], env={"SECRET": value}, check=True)
    said = log()
    for asked in (
        r"vault PUT https://\S+/v1/auth/userpass/login/\S+ 200 \d+ ms",
        r"nomad GET https://\S+/v1/operator/raft/configuration 200 \d+ ms",
        r"consul GET https://\S+/v1/snapshot 200 \d+ ms",
        r"consul GET https://\S+/v1/acl/tokens 403 \d+ ms",
        rf"process {re.escape(sys.executable)} -c ''",
    ):
        assert re.search(asked, said), asked
    assert [line for line in said.splitlines() if not LINE.match(line)] == []
    for secret in (*connection.secrets, token, value):
        assert secret not in said
    assert "PRIVATE KEY" not in said


def test_the_file_is_private_and_is_added_to(log: Callable[[], str], tmp_path: Path) -> None:
    file = tmp_path / "calls.log"
    assert file.stat().st_mode & 0o777 == 0o600
    call_log.note("docker", "GET /info", 200, 0.0123)
    call_log.start()
    with pytest.raises(KeyError), call_log.call("docker", "GET /version"):
        raise KeyError
    first, second = log().splitlines()
    assert first.endswith(" docker GET /info 200 12 ms")
    assert " docker GET /version KeyError " in second


def test_one_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(call_log.VARIABLE, str(tmp_path / "nowhere" / "calls.log"))
    with pytest.raises(HashistackError, match=r"HASHISTACK_LOG: .*Next: name a file that can be written"):
        call_log.start()

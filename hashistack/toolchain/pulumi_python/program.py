"""Runs one Pulumi program for the language host, which starts this file by its path.

It may run under another interpreter than the host, in an environment without hashistack: nothing but Pulumi's
SDK and the standard library is imported. How the run is to be done comes as JSON on stdin.
"""

from __future__ import annotations

import asyncio
import json
import os
import runpy
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

# Python put this file's directory first; a program finds its own modules there instead.
sys.path.pop(0)

import grpc
import pulumi
from pulumi import log
from pulumi.runtime import run_in_stack, set_all_config, settings

_REPORTED = 32  # language_host.REPORTED


def main() -> int:
    """Run the program; returns the exit code."""
    order = json.load(sys.stdin)
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    set_all_config(order["config"], order["config_secret_keys"])
    settings.configure(
        settings.Settings(
            project=order["project"],
            stack=order["stack"],
            monitor=order["monitor"],
            engine=order["engine"],
            parallel=order["parallel"],
            dry_run=order["preview"],
            organization=order["organization"],
            root_directory=order["root_directory"],
        )
    )
    program = Path(order["program"])
    if program.is_file():
        sys.path.insert(0, str(program.parent))
    os.chdir(order["pwd"])
    sys.argv = [str(program), *order["args"]]
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.set_default_executor(ThreadPoolExecutor(max(order["parallel"], 1) * 4))
    loop.set_exception_handler(_stop_without_engine)
    try:
        loop.run_until_complete(run_in_stack(lambda: _run(program)))
    except grpc.RpcError as error:
        # An engine that is gone has told the user why.
        if error.code() == grpc.StatusCode.UNAVAILABLE:
            return _REPORTED
        log.error(f"RPC error: {error.details()}")
        return _REPORTED
    except Exception as error:
        log.error(_told(error, program))
        return _REPORTED
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def _run(program: Path) -> None:
    runpy.run_path(str(program), run_name="__main__")


def _stop_without_engine(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if isinstance(context.get("exception"), grpc.RpcError):
        loop.stop()
    else:
        loop.default_exception_handler(context)


def _told(error: Exception, program: Path) -> str:
    """What the user reads: an error of ours or Pulumi's as its one text, others with the program's frames."""
    if isinstance(error, pulumi.RunError) or type(error).__module__.partition(".")[0] == "hashistack":
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    directory = program if program.is_dir() else program.parent
    first = next((n for n, frame in enumerate(frames) if Path(frame.filename).is_relative_to(directory)), 0)
    lines = traceback.format_list(frames[first:]) + traceback.format_exception_only(error)
    return "Program failed with an unhandled exception:\nTraceback (most recent call last):\n" + "".join(lines)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # threads of a program or of grpc must not keep the engine waiting

"""Stand-ins for `aws ssm start-session`, with its plugin, and `gcloud compute start-iap-tunnel`: they forward a port.

As the real ones: the AWS CLI leaves Ctrl-C to its plugin, and the plugin is what holds the session.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FORWARD = """\
import asyncio, signal, sys, json, os
name, host, port, here = sys.argv[1:]
log = os.path.join(os.path.dirname(os.path.abspath(sys.argv[0])), "sessions.jsonl")
def note(**what):
    with open(log, "a") as file:
        file.write(json.dumps({"pid": os.getpid(), "machine": name, "port": port, **what}) + "\\n")
async def passed(reader, writer):
    while piece := await reader.read(65536):
        writer.write(piece)
        await writer.drain()
    writer.close()
async def connected(reader, writer):
    try:
        there, back = await asyncio.open_connection(host, int(port))
        await asyncio.gather(passed(reader, back), passed(there, writer))
    except OSError:
        pass
    finally:
        writer.close()
serving = set()
def kept(reader, writer):
    task = asyncio.ensure_future(connected(reader, writer))
    serving.add(task)
    task.add_done_callback(serving.discard)
async def main():
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, over.set)
    async with await asyncio.start_server(kept, "127.0.0.1", int(here)):
        print(f"Port {here} opened for sessionId box-0f1e", flush=True)
        note(event="opened")
        await over.wait()
    note(event="ended")
over = asyncio.Event()
asyncio.run(main())
"""

_AWS = """\
import json, os, signal, subprocess, sys
place = os.path.dirname(os.path.abspath(sys.argv[0]))
said = sys.argv[1:]
options = dict(zip(said[2::2], said[3::2], strict=True))
shown = {key: value for key, value in os.environ.items() if key.startswith("AWS_")}
with open(os.path.join(place, "calls.jsonl"), "a") as file:
    file.write(json.dumps({"arguments": said, "environment": shown}) + "\\n")
if os.path.exists(refused := os.path.join(place, options["--target"])):
    sys.exit(open(refused).read())
where = dict(one.split("=") for one in options["--parameters"].split(","))
signal.signal(signal.SIGINT, signal.SIG_IGN)
plugin = os.path.join(place, "session-manager-plugin")
held = [plugin, options["--target"], where["host"], where["portNumber"], where["localPortNumber"]]
sys.exit(subprocess.call(held, restore_signals=False, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)))
"""

_GCLOUD = """\
import json, os, sys
place = os.path.dirname(os.path.abspath(sys.argv[0]))
said = sys.argv[1:]
with open(os.path.join(place, "calls.jsonl"), "a") as file:
    file.write(json.dumps({"arguments": said, "environment": {}}) + "\\n")
name, port = said[2:4]
here = next(one for one in said if one.startswith("--local-host-port=")).rpartition(":")[2]
os.execv(os.path.join(place, "iap"), ["iap", name, "127.0.0.1", port, here])
"""


@dataclass(frozen=True)
class Programs:
    """The programs in a directory, and what they have written there."""

    directory: Path

    @classmethod
    def of_aws(cls, directory: Path) -> Programs:
        return cls._made(directory, {"aws": _AWS, "session-manager-plugin": _FORWARD})

    @classmethod
    def of_google(cls, directory: Path) -> Programs:
        return cls._made(directory, {"gcloud": _GCLOUD, "iap": _FORWARD})

    @classmethod
    def _made(cls, directory: Path, programs: Mapping[str, str]) -> Programs:
        directory.mkdir(exist_ok=True)
        for name, text in programs.items():
            file = directory / name
            file.write_text(f"#!{sys.executable} -I\n{text}")
            file.chmod(0o755)
        return cls(directory)

    @property
    def path(self) -> str:
        """PATH with them first."""
        return f"{self.directory}:{os.environ['PATH']}"

    def refuse(self, target: str, said: str) -> None:
        """Has AWS open no session to an instance."""
        (self.directory / target).write_text(said)

    @property
    def calls(self) -> list[dict[str, Any]]:
        """Arguments and environment of each call of the command."""
        return self._read("calls.jsonl")

    @property
    def sessions(self) -> list[dict[str, Any]]:
        """What became of sessions: `opened` and `ended`, with machine, port and the pid of who holds it."""
        return self._read("sessions.jsonl")

    def held(self) -> list[dict[str, Any]]:
        """The sessions that are open now."""
        return [one for one in self.sessions if one["event"] == "opened" and Path(f"/proc/{one['pid']}").exists()]

    def _read(self, name: str) -> list[dict[str, Any]]:
        file = self.directory / name
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

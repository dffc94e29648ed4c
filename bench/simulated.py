"""The three APIs of a large cluster, as far as a look at it asks them: a process of its own, without any machine.

`python -m bench.simulated CLIENTS ALLOCATIONS` prints its address and answers until standard input ends. GET /calls
tells how often each path was asked.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

SERVERS = tuple(f"server-{number}" for number in range(3))
POOL = "web"


def client(number: int) -> str:
    """The name of a client machine."""
    return f"{POOL}-{number}"


@contextmanager
def simulated(clients: int, allocations: int) -> Iterator[str]:
    """The address of such a process while it runs."""
    command = [sys.executable, "-m", "bench.simulated", str(clients), str(allocations)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, cwd=Path(__file__).parents[1], **pipes) as process:  # type: ignore[call-overload]
        yield process.stdout.readline().strip()
        process.stdin.close()


class Simulation:
    """What each path answers. Allocations are spread by chance (seeded), so that some clients hold none."""

    def __init__(self, clients: int, allocations: int) -> None:
        machines = [client(number) for number in range(clients)]
        # A seed, so that each run sees the same cluster.
        places = random.Random(0).choices(machines, k=allocations)  # noqa: S311
        self.allocations = [_allocation(number, node) for number, node in enumerate(places)]
        self.calls = Counter[str]()
        voting = [{"ID": name, "Node": name, "Voter": True, "Leader": name == SERVERS[0]} for name in SERVERS]
        well = {"Servers": [{"Name": name, "Healthy": True} for name in SERVERS]}
        peers = [{"node_id": name, "voter": True, "leader": name == SERVERS[0]} for name in SERVERS]
        everybody = [*SERVERS, *machines]
        pools = [*(["server"] * len(SERVERS)), *([POOL] * clients)]
        self.answers: dict[str, Any] = {
            "/nomad/v1/operator/raft/configuration": {
                "Servers": [{**one, "Node": f"{one['Node']}.global"} for one in voting]
            },
            "/nomad/v1/operator/autopilot/health": {
                "Servers": [{**one, "Name": f"{one['Name']}.global"} for one in well["Servers"]]
            },
            "/nomad/v1/nodes": [_node(name) for name in machines],
            "/consul/v1/operator/raft/configuration": {"Servers": voting},
            "/consul/v1/operator/autopilot/health": well,
            "/consul/v1/health/state/any": [_check(name) for name in everybody],
            "/consul/v1/catalog/nodes": [
                {"Node": name, "Meta": {"hashistack_pool": pool}} for name, pool in zip(everybody, pools, strict=True)
            ],
            "/vault/v1/auth/userpass/login/operator": {"auth": {"client_token": "t", "lease_duration": 3600}},
            "/vault/v1/sys/storage/raft/configuration": {"data": {"config": {"servers": peers}}},
            "/vault/v1/sys/storage/raft/autopilot/state": {
                "data": {"servers": {name: {"healthy": True} for name in SERVERS}}
            },
        }

    def answer(self, target: str) -> tuple[Any, str]:
        """What is at a path, and what asks for the next page of it."""
        parts = urlsplit(target)
        if parts.path == "/calls":
            return self.calls, ""
        self.calls[parts.path] += 1
        if parts.path != "/nomad/v1/allocations":
            return self.answers[parts.path], ""
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        first, size = int(asked.get("next_token", 0)), int(asked["per_page"])
        after = first + size
        return self.allocations[first:after], str(after) if after < len(self.allocations) else ""


def _node(name: str) -> dict[str, Any]:
    """As Nomad lists it, with fields that nobody here reads."""
    return {
        "ID": f"id-of-{name}", "Name": name, "NodePool": "default", "Status": "ready", "Drain": False,
        "SchedulingEligibility": "eligible", "Address": "10.0.0.1", "Datacenter": "dc1", "NodeClass": POOL,
        "StatusDescription": "", "Version": "1.11.3", "Drivers": {"exec": {"Detected": True, "Healthy": True}},
    }  # fmt: skip


def _check(name: str) -> dict[str, Any]:
    said = json.dumps({"ok": True, "machine": name, "checks": {"consul": "member", "nomad": "ready"}})
    return {"Node": name, "CheckID": "hashistack", "Status": "passing", "Output": said, "ServiceName": "hashistack"}


def _allocation(number: int, node: str) -> dict[str, Any]:
    return {
        "ID": f"{number:08x}-0000-0000-0000-000000000000", "Name": f"job-{number % 500}.group[{number // 500}]",
        "NodeName": node, "NodeID": f"id-of-{node}", "Namespace": "default", "JobID": f"job-{number % 500}",
        "JobType": "service", "JobVersion": 0, "TaskGroup": "group", "ClientStatus": "running", "DesiredStatus": "run",
        "DeploymentStatus": {"Healthy": True}, "CreateTime": 1_700_000_000_000_000_000 + number,
        "ModifyTime": 1_700_000_000_000_000_000 + number, "FollowupEvalID": "", "NextAllocation": "",
    }  # fmt: skip


def main() -> None:
    """Serve until standard input ends."""
    simulation = Simulation(int(sys.argv[1]), int(sys.argv[2]))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            data, after = simulation.answer(self.path)
            body = json.dumps(data).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", f"{len(body)}")
            if after:
                self.send_header("X-Nomad-NextToken", after)
            self.end_headers()
            self.wfile.write(body)

        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: `calls` counts them."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()

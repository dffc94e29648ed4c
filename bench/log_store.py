"""`python -m bench.log_store NOMAD`: writes to Nomad servers with BoltDB, and with a write-ahead log.

NOMAD is any binary of Nomad; one from before 2.0 has BoltDB alone. The servers are processes on loopback without TLS,
their data below the working directory: what differs is the log. The two take turns: a disk has good and bad minutes.
"""

from __future__ import annotations

import argparse
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from statistics import quantiles

from bench.figure import Figure, load, show

WRITERS = 16
"""Each writes one variable after another, as so many clients and jobs would."""
SIZE = 1024
"""Bytes of a write."""
READY_SECONDS = 60.0
STORES = ("boltdb", "wal")


class LogStoreFailed(Exception):
    """The binary did not become a cluster; says what it said last."""


def figures(nomad: str, servers: int, seconds: float, rounds: int) -> Iterator[Figure]:
    """Writes a second, their 99th percentile and what the log takes, for each store that the binary has."""
    stores = [store for store in STORES if store == "boltdb" or _has_wal(nomad)]
    taken: dict[str, list[float]] = {store: [] for store in stores}
    sizes: dict[str, int] = dict.fromkeys(stores, 0)
    for _ in range(rounds):
        for store in stores:
            with (
                tempfile.TemporaryDirectory(prefix="hashistack-log-store-", dir=Path.cwd()) as directory,
                _cluster(nomad, Path(directory), servers, store) as port,
            ):
                taken[store] += _write(port, seconds)
                sizes[store] += _size(Path(directory, "0/server/raft"))
    for store in stores:
        all_of, spent = sorted(taken[store]), seconds * rounds
        note = f"{servers} servers, {WRITERS} writers of {SIZE} B, {rounds} rounds of {seconds:g} s"
        yield Figure(f"{store}: writes", len(all_of) / spent, "/s", note=note, load=load())
        yield Figure(f"{store}: p50", quantiles(all_of, n=100)[49] * 1000, "ms", load=load())
        yield Figure(f"{store}: p99", quantiles(all_of, n=100)[98] * 1000, "ms", load=load())
        note = "of the first server's log, snapshots left out"
        yield Figure(f"{store}: bytes on disk a write", sizes[store] / len(all_of), "B", note=note, load=load())


def _has_wal(nomad: str) -> bool:
    said = subprocess.run([nomad, "version"], capture_output=True, text=True, check=True).stdout
    return int(said.split()[1].lstrip("v").split(".")[0]) >= 2


@contextmanager
def _cluster(nomad: str, directory: Path, servers: int, store: str) -> Iterator[int]:
    """Servers that have a leader; the HTTP port of the first."""
    ports = _free_ports(3 * servers)
    running: list[subprocess.Popen[bytes]] = []
    try:
        for number in range(servers):
            own = directory / f"{number}.json"
            own.write_text(json.dumps(_configuration(directory, number, servers, ports, store, _has_wal(nomad))))
            with (directory / f"{number}.log").open("wb") as log:
                agent = [nomad, "agent", f"-config={own}"]
                running.append(subprocess.Popen(agent, stdout=log, stderr=subprocess.STDOUT))
        deadline = time.monotonic() + READY_SECONDS
        while not _writes(ports[0]):
            if time.monotonic() > deadline or any(process.poll() is not None for process in running):
                raise LogStoreFailed((directory / "0.log").read_text()[-2000:])
            time.sleep(0.1)
        yield ports[0]
    finally:
        for process in running:
            process.kill()
            process.wait()


def _configuration(
    directory: Path, number: int, servers: int, ports: Sequence[int], store: str, has_wal: bool
) -> dict[str, object]:
    http, rpc, serf = ports[3 * number : 3 * number + 3]
    return {
        "name": f"server-{number}",
        "data_dir": str(directory / str(number)),
        "bind_addr": "127.0.0.1",
        "advertise": dict.fromkeys(("http", "rpc", "serf"), "127.0.0.1"),
        "ports": {"http": http, "rpc": rpc, "serf": serf},
        "disable_update_check": True,
        "consul": {"server_auto_join": False, "auto_advertise": False},
        "limits": {"http_max_conns_per_client": 0},
        "server": {
            "enabled": True,
            "bootstrap_expect": servers,
            "raft_multiplier": 1,
            "server_join": {"retry_join": [f"127.0.0.1:{ports[3 * each + 2]}" for each in range(servers)]},
            **({"raft_logstore": {"backend": store}} if has_wal else {}),
        },
    }


def _free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def _writes(port: int) -> bool:
    try:
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        return _put(connection, "first")
    except (OSError, HTTPException):
        return False


def _put(connection: HTTPConnection, path: str) -> bool:
    body = json.dumps({"Path": path, "Items": {"value": "x" * SIZE}})
    connection.request("PUT", f"/v1/var/{path}", body)
    answer = connection.getresponse()
    answer.read()
    return answer.status == 200


def _write(port: int, seconds: float) -> list[float]:
    """How long each write took that was acknowledged."""
    taken: list[float] = []
    end = time.monotonic() + seconds

    def writer(number: int) -> None:
        connection, count = HTTPConnection("127.0.0.1", port, timeout=30), 0
        while (began := time.monotonic()) < end:
            count += 1
            if _put(connection, f"writer-{number}/{count}"):
                taken.append(time.monotonic() - began)

    threads = [threading.Thread(target=writer, args=(number,)) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return taken


def _size(raft: Path) -> int:
    """What the log really takes on disk: a write-ahead log makes its files ahead."""
    files = [file for file in raft.rglob("*") if file.is_file() and "snapshots" not in file.parts]
    return sum(file.stat().st_blocks * 512 for file in files)


def main() -> int:
    """Measure and show; exit code 2 where the binary did not become a cluster."""
    parser = argparse.ArgumentParser("python -m bench.log_store", description=__doc__.partition("\n")[0])
    parser.add_argument("nomad", metavar="NOMAD", help="a binary of Nomad")
    parser.add_argument("--servers", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0, help="of writing, in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    arguments = parser.parse_args()
    nomad = shutil.which(arguments.nomad)
    if nomad is None:
        parser.error(f"there is no program {arguments.nomad}")
    try:
        found = list(figures(nomad, arguments.servers, arguments.seconds, arguments.rounds))
    except LogStoreFailed as error:
        print(f"log store: the servers did not come up: {error}", file=sys.stderr)
        return 2
    show(found, arguments.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Network load balancers: a listener of moto's is a TCP port on a loopback address that leads to targets in service.

Each load balancer has an address of its own, so that it may listen at the ports that it was given, and its name is in
/etc/hosts for as long as it is there.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, TypeVar
from zlib import crc32

from moto.ec2 import ec2_backends
from moto.elbv2 import elbv2_backends

CONNECT_SECONDS = 1.0
HOSTS = Path("/etc/hosts")
_MARK = "# a test's region"
Done = TypeVar("Done")


class Balancers:
    """Follows the load balancers of one region: `step` opens and closes ports, and names them."""

    def __init__(self, account: str, region: str) -> None:
        self._account, self._region = account, region
        self._open: dict[tuple[str, int], asyncio.Server] = {}
        self._named: dict[str, str] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="balancers", daemon=True)
        self._thread.start()

    def step(self) -> None:
        there = list(elbv2_backends[self._account][self._region].load_balancers.values())
        self._name({each.dns_name: _address(each.arn) for each in there})
        wanted = {
            (_address(each.arn), int(listener.port)): _forwarded(listener)
            for each in there
            for listener in list(each.listeners.values())
        }
        for place in wanted.keys() - self._open.keys():
            self._open[place] = self._run(self._listen(place, wanted[place]))
        for place in self._open.keys() - wanted.keys():
            self._run(self._shut(self._open.pop(place)))

    def close(self) -> None:
        for server in self._open.values():
            self._run(self._shut(server))
        self._name({})
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _name(self, names: dict[str, str]) -> None:
        if names == self._named:
            return
        kept = [line for line in HOSTS.read_text().splitlines() if not line.endswith(_MARK)]
        # Written in place: in a container it is a mount.
        HOSTS.write_text("".join(f"{line}\n" for line in [*kept, *(f"{a} {n} {_MARK}" for n, a in names.items())]))
        self._named = names

    def _run(self, work: Coroutine[Any, Any, Done]) -> Done:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self, place: tuple[str, int], group: str) -> asyncio.Server:
        turn = 0

        async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal turn
            turn += 1
            targets = self._targets(group)
            for index in range(len(targets)):
                host, port = targets[(turn + index) % len(targets)]
                with suppress(OSError, TimeoutError):
                    there = await asyncio.wait_for(asyncio.open_connection(host, port), CONNECT_SECONDS)
                    await asyncio.gather(_pipe(reader, there[1]), _pipe(there[0], writer))
                    return
            writer.close()

        return await asyncio.start_server(forward, *place)

    async def _shut(self, server: asyncio.Server) -> None:
        server.close()

    def _targets(self, group: str) -> list[tuple[str, int]]:
        """Where the group's instances answer; Auto Scaling registers those in service."""
        found = elbv2_backends[self._account][self._region].target_groups.get(group)
        instances = {one.id: one for one in ec2_backends[self._account][self._region].all_instances()}
        return [
            (str(instances[name].private_ip), int(target.get("port") or found.port))
            for name, target in (list(found.targets.items()) if found else ())
            if name in instances
        ]


def _address(arn: str) -> str:
    return str(IPv4Address("127.64.0.0") + 1 + crc32(arn.encode()) % 0xFFFF)


def _forwarded(listener: Any) -> str:
    return str(listener.default_actions[0].data["TargetGroupArn"])


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()

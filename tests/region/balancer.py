"""Network load balancers: each of moto's listeners is a TCP port on a loopback address that leads to targets in service."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress

from moto.ec2 import ec2_backends
from moto.elbv2 import elbv2_backends

from .addresses import balancer

CONNECT_SECONDS = 1.0


class Balancers:
    """Follows the load balancers of one region: `step` opens and closes ports."""

    def __init__(self, account: str, region: str) -> None:
        self._account, self._region = account, region
        self._open: dict[tuple[str, int], asyncio.Server] = {}
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="balancers", daemon=True).start()

    def step(self) -> None:
        wanted = {}
        backend = elbv2_backends[self._account][self._region]
        for each in list(backend.load_balancers.values()):
            for listener in list(each.listeners.values()):
                group = listener.default_actions[0].data.get("TargetGroupArn") or _forwarded(listener)
                wanted[(balancer(each.arn), int(listener.port))] = group
        for place in wanted.keys() - self._open.keys():
            self._open[place] = self._run(self._listen(place, wanted[place]))
        for place in self._open.keys() - wanted.keys():
            self._run(self._shut(self._open.pop(place)))

    def close(self) -> None:
        for server in self._open.values():
            self._run(self._shut(server))
        self._loop.call_soon_threadsafe(self._loop.stop)

    def _run(self, work):  # type: ignore[no-untyped-def]
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
            for name, target in (found.targets if found else {}).items()
            if name in instances
        ]


def _forwarded(listener) -> str:  # type: ignore[no-untyped-def]
    return str(listener.default_actions[0].data["ForwardConfig"]["TargetGroups"][0]["TargetGroupArn"])


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()

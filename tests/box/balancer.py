"""Load balancers on this host: TCP ports that lead to targets, and names of them in /etc/hosts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from hashistack.ops.api import relay

CONNECT_SECONDS = 1.0
HOSTS = Path("/etc/hosts")
Done = TypeVar("Done")
Targets = Callable[[], list[tuple[str, int]]]
"""Where a connection may go now, as address and port."""


class Ports:
    """Open ports of this host, by address and number; `follow` opens and closes them."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, int], asyncio.Server] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="balancers", daemon=True)
        self._thread.start()

    def follow(self, wanted: Mapping[tuple[str, int], Targets]) -> None:
        """Ports to where each of their connections goes."""
        for place in wanted.keys() - self._open.keys():
            self._open[place] = self._run(self._listen(place, wanted[place]))
        for place in self._open.keys() - wanted.keys():
            self._run(self._shut(self._open.pop(place)))

    def close(self) -> None:
        self.follow({})
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, Done]) -> Done:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self, place: tuple[str, int], targets: Targets) -> asyncio.Server:
        turn = 0

        async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal turn
            turn += 1
            found = targets()
            for index in range(len(found)):
                host, port = found[(turn + index) % len(found)]
                with suppress(OSError, TimeoutError):
                    there = await asyncio.wait_for(asyncio.open_connection(host, port), CONNECT_SECONDS)
                    await asyncio.gather(_pipe(reader, there[1]), _pipe(there[0], writer))
                    return
            writer.close()

        return await asyncio.start_server(relay.kept(forward), *place)

    async def _shut(self, server: asyncio.Server) -> None:
        server.close()


class Names:
    """Names in /etc/hosts, for as long as they are wanted. cloud: whose; another one's stay."""

    def __init__(self, cloud: str) -> None:
        self._mark = f"# the tests' {cloud}"
        self._named: Mapping[str, str] = {}

    def follow(self, wanted: Mapping[str, str]) -> None:
        """Name to address."""
        if wanted == self._named:
            return
        kept = [line for line in HOSTS.read_text().splitlines() if not line.endswith(self._mark)]
        # Written in place: in a container it is a mount.
        HOSTS.write_text(
            "".join(f"{line}\n" for line in [*kept, *(f"{a} {n} {self._mark}" for n, a in wanted.items())])
        )
        self._named = dict(wanted)


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()

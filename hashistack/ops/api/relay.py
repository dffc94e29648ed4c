"""Ports of loopback for this user: what is connected to them is passed on, or answered.

To an API without TLS here, for browsers, which trust no CA of ours and have no certificate; or to the end of a session
that leads there, as it is. On Linux only processes of this user are let in: the kernel says whose a connection is. What
passes through is not looked at.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from ssl import SSLContext
from urllib.parse import urlsplit

HOST = "127.0.0.1"
_SOCKETS = Path("/proc/net/tcp")
_PIECE = 1 << 16

Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def guarded() -> bool:
    """Whether it can be told here whose a connection is."""
    return _SOCKETS.exists()


async def listen(serve: Connected, wish: int = 0) -> tuple[asyncio.Server, int]:
    """Serves connections of this user on a port of loopback, `wish` if it is free; answers the port too."""

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if _ours(writer.get_extra_info("peername")[1], writer.get_extra_info("sockname")[1]):
                await serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # who asked or who answered is gone; the browser says so
        finally:
            writer.close()

    connected = kept(served)
    try:
        server = await asyncio.start_server(connected, HOST, wish)
    except OSError:  # somebody else's, or only root may have it
        server = await asyncio.start_server(connected, HOST, 0)
    return server, server.sockets[0].getsockname()[1]


def kept(serve: Connected) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]:
    """What a server calls for each connection, so that `serve` comes to its end.

    The loop knows no connection whose client has said all: without this it is garbage while its answer comes.
    """
    serving: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(serve(reader, writer))
        serving.add(task)
        task.add_done_callback(serving.discard)

    return connected


def to(address: str, context: SSLContext, server_name: str) -> Connected:
    """Passes a connection on to the API at `address`, whose certificate has to name `server_name`."""
    where = urlsplit(address)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(where.hostname, where.port, ssl=context, server_hostname=server_name)
        await _both(reader, writer, *there)

    return serve


def through(port: Callable[[], Awaitable[int]]) -> Connected:
    """Passes a connection on, as it is, to the port of loopback that `port` answers for it. It may wait."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _both(reader, writer, *await asyncio.open_connection(HOST, await port()))

    return serve


def redirect(target: Callable[[], str]) -> Connected:
    """Answers each request with a redirect to what `target` says now."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        location = await asyncio.to_thread(target)
        head = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nCache-Control: no-store\r\nContent-Length: 0\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n".encode())
        await writer.drain()

    return serve


async def _both(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, there: asyncio.StreamReader, back: asyncio.StreamWriter
) -> None:
    try:
        await asyncio.gather(_pass(reader, back), _pass(there, writer))
    except BaseException:
        back.transport.abort()  # nobody waits any more until the other end agrees
        raise


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(_PIECE):
        writer.write(piece)
        await writer.drain()
    # One that has said all ends both ways: TLS knows no half of a connection.
    writer.close()


def _ours(client: int, port: int) -> bool:
    """Whether the connection from loopback's port `client` to `port` is this user's, or of who called sudo."""
    if not guarded():
        return True
    local, remote = (f"{int.from_bytes(bytes([127, 0, 0, 1]), 'little'):08X}:{one:04X}" for one in (client, port))
    users = {str(os.getuid()), os.environ.get("SUDO_UID", "")}
    for line in _SOCKETS.read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1] == local and fields[2] == remote:
            return fields[7] in users
    return False

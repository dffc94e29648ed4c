"""An API at an address of this machine without TLS, for browsers: they trust no CA of ours and have no certificate.

Each connection to loopback becomes one to the API, with the cluster's CA and the operator's certificate. On Linux only
processes of this user are let in: the kernel says whose a connection is. What passes through is not looked at.
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


async def listen(serve: Connected) -> tuple[asyncio.Server, int]:
    """Serves connections of this user on a free port of loopback; answers the port too."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if _ours(writer.get_extra_info("peername")[1], writer.get_extra_info("sockname")[1]):
                await serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # who asked or who answered is gone; the browser says so
        finally:
            writer.close()

    server = await asyncio.start_server(connected, HOST, 0)
    return server, server.sockets[0].getsockname()[1]


def to(address: str, context: SSLContext, server_name: str) -> Connected:
    """Passes a connection on to the API at `address`, whose certificate has to name `server_name`."""
    where = urlsplit(address)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(
            where.hostname, where.port, ssl=context, server_hostname=server_name
        )
        try:
            await asyncio.gather(_pass(reader, back), _pass(there, writer))
        finally:
            back.close()

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

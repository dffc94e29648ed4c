"""Ports of this machine that lead to a cluster's APIs by sessions of the platform's own program, and stay while these
come and go.

A session ends for many reasons: its machine is replaced, the cloud cuts it off after an hour, the network was away.
Some end without a word. So each is probed with a TLS handshake, and another is opened, through another server first.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from socket import socket
from typing import Protocol
from urllib.parse import urlsplit

from hashistack.errors import HashistackError
from hashistack.ops.api import relay, tunnel
from hashistack.ops.api.connection import Connection
from hashistack.ops.api.http import tls_context

OPEN_SECONDS = 30.0
"""For a session to lead to its API: its program asks the cloud first, and the machine's agent then."""
PROBE_SECONDS = 20.0
"""Between two looks whether it still does; each is also the traffic without which AWS ends a session after 20 min."""
HANDSHAKE_SECONDS = 5.0
HOLD_SECONDS = 30.0
"""How long a new connection waits for a session that is being opened anew."""
PAUSES = (1.0, 2.0, 5.0, 15.0)
"""Between two rounds over the servers of which none led to the API; the last one again and again."""
_RETRY = 0.2
_END_SECONDS = 30.0
"""For the tether to end a session, which takes it 3 s at most, on a machine with nothing else to do."""
_LINES = 5
_TETHER = Path(__file__).with_name("tether.py")


class NoSession(HashistackError):
    """No session leads to an API; the text has what the program said of each machine."""


@dataclass(frozen=True)
class Program:
    """What forwards a port while it runs: arguments (nothing secret), and all of its environment."""

    arguments: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)


class Forwarder(Protocol):
    """How a platform forwards a port of this machine to an API."""

    remedy: str
    """What to look at when no session leads to an API."""

    def machines(self) -> Sequence[str]:
        """The machines that a session may go through, by name. Raises HashistackError."""

    def program(self, machine: str, address: str, port: int) -> Program:
        """Forwards `port` of loopback to the API at `address` through a machine. Raises HashistackError."""


async def forward(
    connection: Connection,
    forwarder: Forwarder,
    opened: Callable[[Mapping[str, str]], None],
    tell: Callable[[str], None],
) -> None:
    """Keep a port here for each API until cancelled, and have other commands find them.

    opened: called once all lead to their APIs, with product to address here. tell: what happens later, a line each.

    Raises:
        NoSession: no server leads to one of the APIs at the beginning.
        HashistackError: the platform can't be asked; or tunnel.TunnelOpen.
    """
    tunnel.refuse_second(connection.name)
    context = tls_context(connection.ca_pem, connection.operator_cert_pem, connection.operator_key_pem)
    ways = [_Way(product, connection, forwarder, context, tell) for product in tunnel.PRODUCTS]
    async with AsyncExitStack() as ending:
        here = {}
        for way in ways:
            server, port = await relay.listen(relay.through(way.port), urlsplit(way.address).port or 0)
            ending.callback(server.close)
            here[way.address] = f"https://{relay.HOST}:{port}"
        try:
            async with asyncio.TaskGroup() as group:
                for way in ways:
                    group.create_task(way.keep())
                for way in ways:
                    await way.ready.wait()
                ending.enter_context(tunnel.announced(connection.name, here))
                opened({way.product: here[way.address] for way in ways})
        except* HashistackError as failed:
            raise failed.exceptions[0] from None


class _Way:
    """The way to one API: the session that leads there now."""

    def __init__(
        self,
        product: str,
        connection: Connection,
        forwarder: Forwarder,
        context: ssl.SSLContext,
        tell: Callable[[str], None],
    ) -> None:
        self.product, self.address = product, str(getattr(connection, product).address)
        self.ready = asyncio.Event()
        self._cluster, self._server_name = connection.name, connection.server_name
        self._forwarder, self._context, self._tell = forwarder, context, tell
        self._port = 0

    async def port(self) -> int:
        """The session's, once there is one. Raises TimeoutError."""
        await asyncio.wait_for(self.ready.wait(), HOLD_SECONDS)
        return self._port

    async def keep(self) -> None:
        """Opens a session, and the next one when it ends. Raises HashistackError where the first can't be opened."""
        last, rounds, first = "", 0, True
        while True:
            try:
                last = await self._one(last)
                rounds, first = 0, False
            except HashistackError as failed:
                if first:
                    raise
                pause = PAUSES[min(rounds, len(PAUSES) - 1)]
                if rounds < len(PAUSES):
                    self._tell(f"{failed}; tried again in {pause:.0f} s")
                rounds += 1
                await asyncio.sleep(pause)

    async def _one(self, last: str) -> str:
        """A session from its beginning to its end; answers through which machine. `last`: of the one before."""
        machines = await asyncio.to_thread(self._forwarder.machines)
        said = [] if machines else ["no server runs"]
        for machine in sorted(machines, key=lambda one: one == last):
            async with self._session(machine) as session:
                if why := await self._opens(session):
                    said.append(f"{machine}: {why}")
                    continue
                self._port = session.port
                self.ready.set()
                try:
                    why = await self._ends(session)
                finally:
                    self.ready.clear()
            self._tell(f"{self.product}: the session through {machine} ended ({why}); another one is opened")
            return machine
        told = "\n  ".join([f"no session leads to {self.product} of {self._cluster}", *said])
        raise NoSession(told, self._forwarder.remedy)

    @asynccontextmanager
    async def _session(self, machine: str) -> AsyncIterator[_Session]:
        with socket() as free:
            free.bind((relay.HOST, 0))
            port = free.getsockname()[1]
        program = await asyncio.to_thread(self._forwarder.program, machine, self.address, port)
        session = _Session(program, port)
        try:
            yield session
        finally:
            await session.close()

    async def _opens(self, session: _Session) -> str:
        """Waits until a session leads to the API; answers why it does not, "" if it does."""
        why = "it does not lead there"
        with suppress(TimeoutError):
            async with asyncio.timeout(OPEN_SECONDS):
                while not session.over.done():
                    try:
                        return await self._probe(session.port)
                    except ssl.SSLCertVerificationError as error:
                        return _told(error)
                    except OSError as error:
                        why = _told(error)
                    await asyncio.wait([session.over], timeout=_RETRY)
        return session.said or why

    async def _ends(self, session: _Session) -> str:
        """Waits until a session ends, or leads nowhere any more at two looks; answers why."""
        missed, why = 0, ""
        while missed < 2:
            await asyncio.wait([session.over], timeout=_RETRY if missed else PROBE_SECONDS)
            if session.over.done():
                return session.last or "without a word"
            try:
                await self._probe(session.port)
                missed = 0
            except OSError as error:
                missed, why = missed + 1, _told(error)
        return why

    async def _probe(self, port: int) -> str:
        """Raises OSError (TimeoutError is one) where no server of the cluster is at the other end; else answers ""."""
        async with asyncio.timeout(HANDSHAKE_SECONDS):
            _, writer = await asyncio.open_connection(
                relay.HOST, port, ssl=self._context, server_hostname=self._server_name
            )
        writer.close()  # a session that hangs now would hold up who waited for that
        return ""


def _told(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"who answers is no server of this cluster ({error.verify_message})"
    if isinstance(error, TimeoutError):
        return "nobody answers"
    return str(error) or type(error).__name__


class _Session:
    """One run of a platform's program. over: done when it has ended."""

    def __init__(self, program: Program, port: int) -> None:
        self.port, self._closed = port, False
        self._lines: deque[str] = deque(maxlen=_LINES)
        self._process: asyncio.subprocess.Process | None = None
        self.over = asyncio.ensure_future(self._run(program))

    @property
    def said(self) -> str:
        """The last that it wrote, in one line."""
        return " ".join(self._lines)

    @property
    def last(self) -> str:
        return self._lines[-1] if self._lines else ""

    async def close(self) -> None:
        """Ends it with all that it has started, and waits for that; who is cancelled meanwhile waits too."""
        self._closed = True
        self._let_go()
        ending = asyncio.ensure_future(asyncio.wait([self.over], timeout=_END_SECONDS))
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            await ending
            raise
        finally:
            self.over.cancel()

    async def _run(self, program: Program) -> None:
        try:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", str(_TETHER), *program.arguments),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env=program.environment,
                start_new_session=True,
            )
        except OSError as error:
            self._lines.append(_told(error))
            return
        if self._closed:
            self._let_go()
        if self._process.stdout:
            async for line in self._process.stdout:
                if text := line.decode(errors="replace").strip():
                    self._lines.append(text)
        await self._process.wait()

    def _let_go(self) -> None:
        if self._process and self._process.stdin:
            self._process.stdin.close()

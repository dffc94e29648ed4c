"""Ports of loopback that lead to an API: whom they serve, and what becomes of a connection."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import socket
import ssl
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from hashistack.ops.api import relay
from hashistack.ops.api.connection import Connection
from hashistack.ops.api.http import tls_context

from .conftest import Pki


def test_a_browser_reaches_an_api_that_asks_for_a_certificate_without_one(connection: Connection) -> None:
    context = tls_context(connection.ca_pem, connection.operator_cert_pem, connection.operator_key_pem)

    async def asked() -> tuple[str, str]:
        server, port = await relay.listen(relay.to(connection.consul.address, context, connection.server_name))
        other, login = await relay.listen(relay.redirect(lambda: f"http://127.0.0.1:{port}/v1/status/leader"))
        async with server, other:
            first = await asyncio.to_thread(_read, f"http://127.0.0.1:{port}/v1/status/leader")
            return first, await asyncio.to_thread(_read, f"http://127.0.0.1:{login}/")

    first, second = asyncio.run(asked())
    assert first == second
    assert first.startswith('"127.0.0.1:')
    with pytest.raises(OSError, match=r"(?i)certificate required|reset"):
        urllib.request.urlopen(connection.consul.address, context=tls_context(connection.ca_pem), timeout=5)  # noqa: S310


def test_only_this_users_connections_are_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    monkeypatch.delenv("SUDO_UID", raising=False)

    async def asked() -> None:
        server, port = await relay.listen(relay.redirect(lambda: "http://127.0.0.1:1/"))
        async with server:
            await asyncio.to_thread(_read, f"http://127.0.0.1:{port}/")

    with pytest.raises(OSError, match=r"closed|reset"):
        asyncio.run(asked())


@pytest.fixture
def silent(pki: Pki) -> Iterator[str]:
    """An API that takes a connection and says nothing, not even that it ends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.files()["cert"], pki.files()["key"])
    over = threading.Event()

    def serve() -> None:
        with suppress(OSError), context.wrap_socket(listening.accept()[0], server_side=True):
            over.wait()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"https://127.0.0.1:{listening.getsockname()[1]}"
        over.set()
        thread.join()


def test_a_connection_whose_client_is_gone_is_no_garbage(silent: str, pki: Pki) -> None:
    """It ends in its own time: the loop itself forgets it, and warned of what it had left open."""

    async def asked() -> None:
        server, port = await relay.listen(relay.to(silent, tls_context(pki.ca_pem), "localhost"))
        async with server:
            before = len(asyncio.all_tasks())
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            await _until(lambda: len(asyncio.all_tasks()) == before + 3)  # it, and one for each way
            writer.close()
            await writer.wait_closed()
            await _until(lambda: len(asyncio.all_tasks()) == before + 2)  # one way is over
            del writer
            gc.collect()
            assert len(asyncio.all_tasks()) == before + 2

    asyncio.run(asked())


def test_ctrl_c_ends_open_connections_without_a_word(silent: str, pki: Pki, caplog: pytest.LogCaptureFixture) -> None:
    async def asked() -> asyncio.StreamWriter:
        server, port = await relay.listen(relay.to(silent, tls_context(pki.ca_pem), "localhost"))
        async with server:
            before = len(asyncio.all_tasks())
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            await _until(lambda: len(asyncio.all_tasks()) == before + 3)
            writer.close()
            await writer.wait_closed()
        return writer

    with caplog.at_level(logging.ERROR):
        asyncio.run(asked())
    assert caplog.records == []


def _read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310
        return str(answer.read().decode())


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(0.01)

"""Modules that load when they are first used, each case in a process of its own."""

from __future__ import annotations

import subprocess
import sys


def run(code: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return done.stdout.split()


def test_what_the_plugin_never_uses_is_not_loaded() -> None:
    loaded = run("import hashistack.provider.plugin, sys; print(*sys.modules)")
    assert {"grpc", "google.protobuf.descriptor"} <= set(loaded)
    assert not [name for name in loaded if name.partition(".")[0] == "asyncio" or name.startswith("grpc.aio")]


def test_who_uses_it_after_all_gets_the_real_one() -> None:
    code = """
import sys
from hashistack.provider.later import later
with later():
    import grpc
assert "asyncio" not in sys.modules
kept = grpc.aio
import asyncio, grpc.aio
async def ask():
    async with kept.insecure_channel("127.0.0.1:1") as channel:
        try:
            await channel.unary_unary("/a/b")(b"")
        except grpc.aio.AioRpcError as error:
            print(error.code().name)
asyncio.run(ask())
"""
    assert run(code) == ["UNAVAILABLE"]


def test_what_was_imported_before_stays_as_it_is() -> None:
    code = """
import asyncio
from hashistack.provider.later import later
with later():
    import asyncio as same
print(same is asyncio)
"""
    assert run(code) == ["True"]

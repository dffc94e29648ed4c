"""Several outputs as one, without the engine."""

from __future__ import annotations

import asyncio
from typing import Any

import pulumi

from hashistack.provider.outputs import together


def seen(make: Any) -> tuple[Any, bool, bool]:
    """The value, whether it is known, and whether it is secret."""

    async def ask() -> tuple[Any, bool, bool]:
        output = make()
        return await output.future(), await output.is_known(), await output.is_secret()

    return asyncio.run(ask())


def test_values_come_whole_and_in_order() -> None:
    value = {"a": [1, {"b": None}], "c": 0.5}
    assert seen(lambda: together(pulumi.Output.from_input(value), pulumi.Output.from_input("x"))) == (
        [value, "x"],
        True,
        False,
    )


def test_one_secret_makes_all_of_it_secret() -> None:
    assert seen(lambda: together(pulumi.Output.from_input("x"), pulumi.Output.secret({"key": "y"}))) == (
        ["x", {"key": "y"}],
        True,
        True,
    )


def test_what_is_unknown_stays_so() -> None:
    def unknown() -> pulumi.Output[Any]:
        known: asyncio.Future[bool] = asyncio.Future()
        known.set_result(False)
        value: asyncio.Future[Any] = asyncio.Future()
        value.set_result(None)
        return pulumi.Output(set(), value, known)

    assert seen(lambda: together(pulumi.Output.from_input("x"), unknown()))[1] is False

"""Where the number of a pool's machines is said: in a stack's configuration, or in a line of its program. Pure."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

SERVER = "server"
"""What the connection calls the servers' pool; the specification has them in `servers`."""


def places(configuration: Any, pool: str, at: str = "") -> Iterator[str]:
    """The paths in a configuration that hold a pool's number, or would: those of `servers`, or of the pool in a list.

    configuration: key to value, as the stack's file has it; a specification may lie at any depth.
    """
    if isinstance(configuration, Mapping):
        servers, clients = configuration.get("servers"), configuration.get("clients")
        if pool == SERVER and isinstance(servers, Mapping):
            yield _path(at, "servers.count")
        elif isinstance(clients, list):
            named = (n for n, one in enumerate(clients) if isinstance(one, Mapping) and one.get("name") == pool)
            yield from (_path(at, f"clients[{number}].desired") for number in named)
        for key, value in configuration.items():
            yield from places(value, pool, _path(at, str(key)))


def _path(at: str, key: str) -> str:
    return f"{at}.{key}" if at else key


def line(program: str, pool: str) -> int | None:
    """The line of a Python program that says a pool's number, or declares the pool; None where none is found.

    Raises SyntaxError.
    """
    found: list[tuple[bool, int]] = []
    field = "count" if pool == SERVER else "desired"
    for node in ast.walk(ast.parse(program)):
        given = _given(node, pool)
        if given is not None:
            said = given.get(field)
            found.append((said is None, said.lineno if said else getattr(node, "lineno", 0)))
    return min(found)[1] if found else None


def _given(node: ast.AST, pool: str) -> Mapping[str, ast.expr] | None:
    """What a call or a mapping gives for each field, where it is the pool's; else None."""
    if isinstance(node, ast.Call):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        given = {one.arg: one.value for one in node.keywords if one.arg}
        kind = "ServerPool" if pool == SERVER else "ClientPool"
        return given if called == kind and (pool == SERVER or _text(given.get("name")) == pool) else None
    if isinstance(node, ast.Dict):
        given = {key: value for name, value in zip(node.keys, node.values, strict=True) if (key := _text(name))}
        if pool != SERVER:
            return given if _text(given.get("name")) == pool else None
        servers = given.get("servers")
        if isinstance(servers, ast.Dict):
            keys = zip(servers.keys, servers.values, strict=True)
            return {key: value for name, value in keys if (key := _text(name))}
    return None


def _text(node: ast.AST | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def differences(before: Mapping[str, Any], after: Mapping[str, Any], sizes: Mapping[str, int]) -> list[str]:
    """Paths at which two specifications differ, but for the sizes that are wanted of pools.

    before, after: as `model_dump` writes them. A pool's `min` and `max` may follow `desired`, as they do when they are
    not given.
    """
    return sorted(_differing(_resized(before, after, sizes), after, ""))


def _resized(before: Mapping[str, Any], after: Mapping[str, Any], sizes: Mapping[str, int]) -> dict[str, Any]:
    servers = {**before["servers"], "count": sizes.get(SERVER, before["servers"]["count"])}
    now = {pool["name"]: pool for pool in after["clients"]}
    clients = [_pool(pool, now.get(pool["name"]), sizes.get(pool["name"])) for pool in before["clients"]]
    return {**before, "servers": servers, "clients": clients}


def _pool(pool: Mapping[str, Any], now: Mapping[str, Any] | None, size: int | None) -> Mapping[str, Any]:
    if size is None or now is None:
        return pool
    followed = {bound: size for bound in ("min", "max") if pool[bound] == pool["desired"] and now[bound] == size}
    return {**pool, "desired": size, **followed}


def _differing(before: Any, after: Any, at: str) -> Iterator[str]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in {**before, **after}:
            yield from _differing(before.get(key), after.get(key), _path(at, key))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from _differing(old, new, f"{at}[{number}]")
    elif before != after:
        yield at

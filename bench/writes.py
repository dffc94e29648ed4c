"""Writes to Consul, Nomad and Vault while something goes on, and whether all that was acknowledged is still there."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from urllib.parse import quote

from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.http import Api, ApiError

PER_SECOND = 10
WORKERS = 24
"""Writes of one product that may be under way: one that hangs in a dead leader holds up no other."""

PATIENCE = 30.0
"""Seconds for which a write is tried again, on one server after the other."""

PAUSE_SECONDS = 0.1


@dataclass(frozen=True)
class Written:
    """What became of one product's writes.

    lost: keys that were acknowledged and can't be read back, or hold another value. given_up: writes that no server
    acknowledged in time; they may be there or not. longest: the longest time without an acknowledged write, in
    seconds, and began: when it did, since 1970.
    """

    acknowledged: int
    given_up: int
    lost: tuple[str, ...]
    longest: float
    began: float


@dataclass
class _Product:
    """Where one product's values are written and read. `value` takes the value out of what a read answers."""

    api: Api
    path: str
    body: Callable[[str, str], Any]
    value: Callable[[Any], str]
    token: tuple[str, str] | None = None
    prefix: str = ""
    params: Mapping[str, str | int] = field(default_factory=dict)
    acknowledged: dict[str, str] = field(default_factory=dict)
    moments: list[float] = field(default_factory=list)
    given_up: int = 0

    def write(self, key: str, turn: int) -> None:
        """Write once, and again on the next server until one acknowledges it."""
        value, addresses = secrets.token_hex(8), self.api.addresses
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                body = self.body(self.prefix + key, value)
                self._call("PUT", key, body=body, address=addresses[turn % len(addresses)])
            except ApiError:
                turn += 1
                time.sleep(PAUSE_SECONDS)
            else:
                # Single operations on a list and a dict: threads need no lock for them.
                self.acknowledged[key] = value
                self.moments.append(time.time())
                return
        self.given_up += 1

    def lost(self, key: str) -> bool:
        """Whether what was acknowledged can't be read back."""
        try:
            answer = self._call("GET", key, accept=(404,), seconds=PATIENCE, params=self.params)
        except ApiError:
            return True
        return answer.status == 404 or self.value(answer.data) != self.acknowledged[key]

    def _call(self, method: Any, key: str, **more: Any) -> Any:
        return self.api.call(method, self.path + quote(self.prefix + key), token=self.token, **more)


class Writes:
    """`start()`, then whatever is to be survived, then `stop()`; what was written stays in the cluster.

    Writes are unique keys, ten a second and product whatever became of those before, to all servers in turn.
    """

    def __init__(self, cluster: Cluster, run: str = "") -> None:
        prefix = f"bench/{run or secrets.token_hex(4)}/"
        vault = cluster.vault
        self._products = {
            "consul": _Product(
                cluster.consul.api,
                "/v1/kv/",
                lambda key, value: value,
                # The body is JSON, and so is what was stored.
                lambda data: str(data).strip('"'),
                prefix=prefix,
                params={"raw": "", "consistent": ""},
            ),
            "nomad": _Product(
                cluster.nomad.api,
                "/v1/var/",
                lambda key, value: {"Path": key, "Items": {"value": value}},
                lambda data: str(data["Items"]["value"]),
                prefix=prefix,
            ),
            "vault": _Product(
                vault.api,
                "/v1/kv/data/",
                lambda key, value: {"data": {"value": value}},
                lambda data: str(data["data"]["data"]["value"]),
                token=("X-Vault-Token", vault.login()),
                prefix=prefix,
            ),
        }
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(p,)) for p in self._products.values()]
        self._began = self._ended = 0.0

    def start(self) -> None:
        """Begin to write."""
        self._began = time.time()
        for thread in self._threads:
            thread.start()

    def stop(self) -> dict[str, Written]:
        """End, wait for what is under way, and read everything back."""
        self._ended = time.time()
        self._over.set()
        for thread in self._threads:
            thread.join()
        return {name: self._written(product) for name, product in self._products.items()}

    def _write(self, product: _Product) -> None:
        with ThreadPoolExecutor(WORKERS) as workers:
            due, number = time.monotonic(), 0
            while not self._over.wait(max(0.0, due - time.monotonic())):
                workers.submit(product.write, f"{number:06}", number)
                number, due = number + 1, due + 1 / PER_SECOND

    def _written(self, product: _Product) -> Written:
        moments = [self._began, *sorted(product.moments), self._ended]
        longest, began = max((after - before, before) for before, after in pairwise(moments))
        keys = sorted(product.acknowledged)
        with ThreadPoolExecutor(8) as readers:
            lost = tuple(key for key, gone in zip(keys, readers.map(product.lost, keys), strict=True) if gone)
        return Written(len(keys), product.given_up, lost, longest, began)

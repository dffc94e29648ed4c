"""One rollout at a time: a lock on a Nomad variable, which lives in Raft and belongs to no machine.

A holder that is killed loses it when its time to live is over.
https://developer.hashicorp.com/nomad/api-docs/variables/locks
"""

from __future__ import annotations

import getpass
import os
import socket
import threading
import time
from datetime import UTC, datetime
from types import TracebackType

from hashistack.ops.api import Api, ApiError

PATH = "/v1/var/hashistack/rollout"
TTL_SECONDS = 30
"""Longer than an election and a server's replacement keep a renewal from coming through; the least is 10 s."""
RENEW_SECONDS = 5.0


class Locked(Exception):
    """Somebody else changes the machines of this cluster now."""


class Lock:
    """Use as `with Lock(cluster.nomad.api, "rollout"): ...`. Renews itself; `lost` is set when somebody else has it.

    Raises on entering:
        Locked: another one holds it; who, since when, and how long a dead one's lock lasts.
        ApiError: Nomad did not answer.
    """

    def __init__(self, nomad: Api, purpose: str) -> None:
        self._nomad, self._purpose = nomad, purpose
        self._stop, self.lost = threading.Event(), threading.Event()
        self._id = ""
        self._renewing = threading.Thread(target=self._renew, daemon=True)

    def __enter__(self) -> Lock:
        since = datetime.now(UTC).isoformat(timespec="seconds")
        who = f"{getpass.getuser()}@{socket.gethostname()}, process {os.getpid()}"
        body = {
            "Path": PATH.removeprefix("/v1/var/"),
            "Items": {"holder": who, "purpose": self._purpose, "since": since},
            "Lock": {"TTL": f"{TTL_SECONDS}s", "LockDelay": "1s"},
        }
        answer = self._nomad.call("PUT", f"{PATH}?lock-acquire", body=body, accept=(409,), seconds=TTL_SECONDS)
        if answer.status == 409:
            held = self._nomad.call("GET", PATH, accept=(404,)).data or {}
            items = held.get("Items") or {}
            raise Locked(
                f"the cluster's machines are being changed: {items.get('purpose', 'a rollout')} by "
                f"{items.get('holder', 'somebody')} since {items.get('since', 'a moment ago')}. "
                f"Wait for it; if it was killed, repeat this in {TTL_SECONDS} s."
            )
        self._id = str(answer.data["Lock"]["ID"])
        self._renewing.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._renewing.join()
        try:
            self._nomad.call("PUT", f"{PATH}?lock-release", body=self._body(), accept=(409,), seconds=RENEW_SECONDS)
        except ApiError:
            return  # it ends by itself

    def _body(self) -> dict[str, object]:
        return {"Path": PATH.removeprefix("/v1/var/"), "Lock": {"ID": self._id}}

    def _renew(self) -> None:
        renewed = time.monotonic()
        while not self._stop.wait(RENEW_SECONDS):
            try:
                answer = self._nomad.call("PUT", f"{PATH}?lock-renew", body=self._body(), accept=(409,))
            except ApiError:
                if time.monotonic() - renewed > TTL_SECONDS:
                    self.lost.set()
                continue
            if answer.status == 409:
                self.lost.set()
                return
            renewed = time.monotonic()


def release(nomad: Api) -> None:
    """Let go of whoever's lock: of a run that can't be alive, because a restore brought its lock back."""
    held = nomad.call("GET", PATH, accept=(404,)).data
    if isinstance(held, dict) and (lock := held.get("Lock")):
        body = {"Path": PATH.removeprefix("/v1/var/"), "Lock": {"ID": lock["ID"]}}
        nomad.call("PUT", f"{PATH}?lock-release", body=body, accept=(409,))

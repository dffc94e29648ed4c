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
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from hashistack.errors import HashistackError
from hashistack.ops.api.http import Api, ApiError

PATH = "/v1/var/hashistack/rollout"
TTL_SECONDS = 15
"""Longer than an election keeps a renewal from coming through; the least is 10 s."""
RENEW_SECONDS = 5.0
PATIENCE_SECONDS = 10.0
"""Beyond a dead holder's time: Nomad's own delay, and a new leader's, which begins to count anew."""


class Locked(HashistackError):
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
        items = {"user": _user(), "host": socket.gethostname(), "pid": str(os.getpid())}
        body = {
            "Path": PATH.removeprefix("/v1/var/"),
            "Items": {**items, "purpose": self._purpose, "since": since},
            "Lock": {"TTL": f"{TTL_SECONDS}s", "LockDelay": "1s"},
        }
        # Nomad lets go after twice the time to live.
        deadline = time.monotonic() + 2 * TTL_SECONDS + PATIENCE_SECONDS
        while True:
            answer = self._nomad.call("PUT", f"{PATH}?lock-acquire", body=body, accept=(409,), seconds=TTL_SECONDS)
            if answer.status != 409:
                break
            held = (self._nomad.call("GET", PATH, accept=(404,)).data or {}).get("Items") or {}
            if not _dead(held) or time.monotonic() > deadline:
                raise Locked(
                    f"the cluster's machines are being changed: {held.get('purpose', 'a rollout')} by "
                    f"{held.get('user', 'somebody')}@{held.get('host', 'somewhere')}, process {held.get('pid', '?')}, "
                    f"since {held.get('since', 'a moment ago')}. Wait for it; if it was killed, repeat this in "
                    f"{2 * TTL_SECONDS} s."
                )
            time.sleep(1)  # killed on this host: nobody renews its lock
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
                if time.monotonic() - renewed > 2 * TTL_SECONDS:
                    self.lost.set()
                continue
            if answer.status == 409:
                self.lost.set()
                return
            renewed = time.monotonic()


def _dead(held: Mapping[str, str]) -> bool:
    """Whether the holder was a process on this host, and is no more."""
    if held.get("host") != socket.gethostname() or not held.get("pid", "").isdigit():
        return False
    return not alive(int(held["pid"]))


def alive(pid: int) -> bool:
    """Whether a process on this host lives; one that has ended, and whose parent has not looked yet, does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return True


def release(nomad: Api) -> None:
    """Let go of whoever's lock: of a run that can't be alive, because a restore brought its lock back."""
    held = nomad.call("GET", PATH, accept=(404,)).data
    if isinstance(held, dict) and (lock := held.get("Lock")):
        body = {"Path": PATH.removeprefix("/v1/var/"), "Lock": {"ID": lock["ID"]}}
        nomad.call("PUT", f"{PATH}?lock-release", body=body, accept=(409,))


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no passwd entry, as in many a container
        return f"uid {os.getuid()}"

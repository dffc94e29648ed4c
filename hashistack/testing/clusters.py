"""The clusters of test runs: who makes one, who waits for it, and who removes it. Files and locks alone.

    ROOT/run-ID/        all of one run of pytest, whichever of its processes made it; gone with the run
        KEY/            the Pulumi project of a cluster
        KEY.json        what became of it, for the process that ends the run
        KEY.failed      why it did not come up: every process tells that, and none tries again
    ROOT/reuse-KEY/     the project of a cluster that is kept for later runs

The kernel drops the locks of a process that dies. So one that is killed leaves no lock, and counts no more.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from hashistack.component.tenure import is_over
from hashistack.errors import HashistackError
from hashistack.version import VERSION

Made = TypeVar("Made")

_RECORD = "pytest.json"
"""In a project: whether its cluster came up, and until when it may stay."""


class BringUp(Protocol[Made]):
    """Makes, finds and removes the cluster of a project's directory. Every call may be repeated.

    harm: whether who gets the cluster may harm it.
    """

    def make(self, place: Path, spec: Mapping[str, Any], *, keep_on_failure: bool, harm: bool) -> Made:
        """Make the cluster, or repair it; returns when it is ready. Raises HashistackError."""

    def find(self, place: Path, *, harm: bool) -> Made | None:
        """The cluster that is there, None where it is not well."""

    def destroy(self, place: Path) -> None:
        """Remove the cluster, and prove it. Raises HashistackError."""

    def expires(self) -> str:
        """Until when a cluster that is made now may stay, ISO 8601 in UTC."""

    def name(self, made: Made) -> str:
        """What the cluster is called."""


class NotMade(HashistackError):
    """A cluster of this run did not come up, which another process has told."""


@dataclass(frozen=True)
class Policy:
    """reuse: clusters of all are kept for later runs. keep: never, failed or always; "" leaves it to `reuse`."""

    reuse: bool = False
    keep: str = ""

    @property
    def keeps_failed(self) -> bool:
        """Whether a cluster that did not come up stays, to be looked at."""
        return self.keep in ("failed", "always")

    def keeps(self, failed: bool, reuse: bool = False) -> bool:
        """Whether a cluster stays after a run in which a test failed, or none did. reuse: it is one for reuse."""
        return {"always": True, "failed": failed, "": reuse}.get(self.keep, False)


@dataclass
class Clusters(Generic[Made]):
    """Those of one run, as one of its processes sees them.

    root: where runs are kept, private. run: the run's id. who: this process, for the others.
    """

    root: Path
    run: str
    who: str
    policy: Policy
    bring_up: BringUp[Made]
    _here: dict[str, Made] = field(default_factory=dict)
    _uses: list[int] = field(default_factory=list)

    @property
    def of_run(self) -> Path:
        """The run's directory."""
        return self.root / f"run-{self.run}"

    def has(self, spec: Mapping[str, Any], alone: str = "") -> bool:
        """Whether this process has got it already."""
        return _key(spec, alone) in self._here

    def get(self, spec: Mapping[str, Any], alone: str = "", *, harm: bool = False) -> tuple[str, Made]:
        """A cluster of this specification, which is made where there is none; and its key.

        alone: nobody but who says the same text gets it. harm: it may be harmed.

        Raises:
            NotMade: another process has tried in vain.
            HashistackError: it did not come up.
        """
        key = _key(spec, alone)
        if key not in self._here:
            self._here[key] = self._get(key, spec, self.policy.reuse and not alone, harm)
        return key, self._here[key]

    def _get(self, key: str, spec: Mapping[str, Any], reuse: bool, harm: bool) -> Made:
        place = self.root / f"reuse-{key}" if reuse else self.of_run / key
        told = self.of_run / f"{key}.failed"
        for directory in (self.root, self.of_run):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        began = time.monotonic()
        with locked(_beside(place, "lock")):
            if told.exists():
                raise NotMade(told.read_text(encoding="utf-8"))
            ledger = self.of_run / f"{key}.json"
            entry = {"place": str(place), "reuse": reuse, **_read(ledger)}
            _write(ledger, entry)  # first: who ends the run finds what a killed process began
            try:
                made, how = self._made(place, spec, reuse, harm)
            except BaseException as error:
                first = str(error).strip().splitlines() or [type(error).__name__]
                told.write_text(f"the cluster did not come up, as {self.who} tells: {first[0]}", encoding="utf-8")
                raise
            if reuse:
                self._uses.append(_shared(_beside(place, "users")))
            _write(
                ledger,
                {"how": how, "seconds": time.monotonic() - began, **entry, "name": self.bring_up.name(made)},
            )
        return made

    def _made(self, place: Path, spec: Mapping[str, Any], reuse: bool, harm: bool) -> tuple[Made, str]:
        record = _read(place / _RECORD)
        if reuse and _expired(record) and _alone(_beside(place, "users")):
            self._destroy(place)  # `hashistack gc` may remove it at any moment
            record = {}
        if record.get("ready") and (found := self.bring_up.find(place, harm=harm)) is not None:
            return found, "reused"
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        expires = record.get("expires") or self.bring_up.expires()
        record = {"ready": False, "expires": expires}
        _write(place / _RECORD, record)
        made = self.bring_up.make(place, spec, keep_on_failure=self.policy.keeps_failed, harm=harm)
        _write(place / _RECORD, {**record, "ready": True})
        return made, "made"

    def end(self, key: str, failed: bool) -> None:
        """Remove a cluster that one alone had, unless the policy keeps it."""
        self._here.pop(key, None)
        entry = _read(self.of_run / f"{key}.json")
        place = Path(entry["place"])
        if not self.policy.keeps(failed):
            with locked(_beside(place, "lock")):
                began = time.monotonic()
                self._destroy(place)
                _write(self.of_run / f"{key}.json", {**entry, "gone": time.monotonic() - began})

    def finish(self, failed: bool, say: Callable[[str], None]) -> list[str]:
        """Remove what is left of the run, unless the policy keeps it: once, by who outlives all its processes.

        failed: whether a test did. say: hears a line for each cluster.

        Returns what could not be removed.
        """
        for use in self._uses:
            os.close(use)
        self._uses.clear()
        left = []
        for file in sorted(self.of_run.glob("*.json")):
            entry = _read(file)
            name, place = entry.get("name", "a cluster"), Path(entry["place"])
            how = f"{entry['how']} in {entry['seconds']:.1f} s" if "how" in entry else "did not come up"
            try:
                end = self._ended(entry, place, failed)
            except HashistackError as error:
                left.append(f"{name} is left: {error}\nNext: hashistack down -C {place} --yes")
                continue
            say(f"{name}: {how}, {end}")
            file.unlink()
        if not self.of_run.exists():  # no test asked for a cluster
            return left
        self._sweep(say)
        if not left:
            for file in (*self.of_run.glob("*.lock"), *self.of_run.glob("*.failed")):
                file.unlink()
            with suppress(OSError):  # what is kept is in it
                self.of_run.rmdir()
        return left

    def _ended(self, entry: Mapping[str, Any], place: Path, failed: bool) -> str:
        if "gone" in entry:
            return f"removed in {entry['gone']:.1f} s"
        record = _read(place / _RECORD)
        stays = record.get("ready") or (record and self.policy.keeps_failed)
        if stays and self.policy.keeps(failed, entry["reuse"]):
            return f"kept. Next: hashistack status -C {place}, or hashistack down -C {place} --yes"
        began = time.monotonic()
        with locked(_beside(place, "lock")):
            if entry["reuse"] and not _alone(_beside(place, "users")):
                return "which another run uses, and removes"
            self._destroy(place)
        return f"removed in {time.monotonic() - began:.1f} s"

    def _sweep(self, say: Callable[[str], None]) -> None:
        """Remove what killed runs left, and earlier ones kept, once its time is over."""
        for file in self.root.glob(f"run-*/*/{_RECORD}"):
            if _expired(_read(file)) and file.parent.parent != self.of_run:
                try:
                    self._destroy(file.parent)
                except HashistackError as error:
                    say(f"{file.parent}, whose time is over, is left: {error}")
                else:
                    say(f"removed {file.parent}, whose time was over")
                    if not any(file.parent.parent.glob(f"*/{_RECORD}")):
                        shutil.rmtree(file.parent.parent)

    def _destroy(self, place: Path) -> None:
        if place.exists():
            self.bring_up.destroy(place)
            shutil.rmtree(place)


def _key(spec: Mapping[str, Any], alone: str) -> str:
    return f"{digest(spec)}-{digest(alone)}" if alone else digest(spec)


def digest(value: Any) -> str:
    """The key of plain data: the same for equal data and the same release of hashistack."""
    text = json.dumps([VERSION, value], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Waits until nobody else holds the lock, and holds it."""
    handle = _open(file)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _expired(record: Mapping[str, Any]) -> bool:
    return "expires" in record and is_over(record["expires"], datetime.now(UTC))


def _shared(file: Path) -> int:
    """One more user, until the handle is closed or the process ends."""
    handle = _open(file)
    fcntl.flock(handle, fcntl.LOCK_SH)
    return handle


def _alone(file: Path) -> bool:
    """Whether nobody uses it."""
    handle = _open(file)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True


def _open(file: Path) -> int:
    return os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _beside(place: Path, suffix: str) -> Path:
    return place.with_name(f"{place.name}.{suffix}")


def _read(file: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return found


def _write(file: Path, data: Mapping[str, Any]) -> None:
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.write_text(json.dumps(data), encoding="utf-8")
    draft.replace(file)

"""The clusters of test runs: who makes one, who waits for it, and who removes it. Files and locks alone.

ROOT/run-ID/        all of one run of pytest, whichever of its processes made it; gone with the run
    KEY/            the Pulumi project of a cluster
    KEY.json        what became of it, for the process that ends the run; KEY.TIME.json, of one that is gone
    KEY.failed      why it did not come up: every process tells that, and none tries again
ROOT/run-ID.users   shared by the run's processes that have asked for a cluster: while one lives, the run does
ROOT/reuse-KEY/     the project of a cluster that is kept for later runs; reuse-KEY.users as above
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from hashistack.component.tenure import is_over
from hashistack.errors import HashistackError, told
from hashistack.testing.locks import claimed, locked, shared, written
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
    _uses: dict[Path, int] = field(default_factory=dict)

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
        failed = self.of_run / f"{key}.failed"
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._use(self.of_run)  # first: nobody takes a run for a dead one that has a directory
        self.of_run.mkdir(mode=0o700, exist_ok=True)
        began = time.monotonic()
        with locked(_beside(place, "lock")):
            if failed.exists():
                raise NotMade(failed.read_text(encoding="utf-8"))
            ledger = self.of_run / f"{key}.json"
            entry = {"place": str(place), "reuse": reuse, **_read(ledger)}
            _write(ledger, entry)  # first: who ends the run finds what a killed process began
            try:
                made, how = self._made(place, spec, reuse, harm)
            except BaseException as error:
                first = str(error).strip().splitlines() or [type(error).__name__]
                failed.write_text(f"the cluster did not come up, as {self.who} tells: {first[0]}", encoding="utf-8")
                raise
            if reuse:
                self._use(place)
            _write(
                ledger,
                {"how": how, "seconds": time.monotonic() - began, **entry, "name": self.bring_up.name(made)},
            )
        return made

    def _use(self, place: Path) -> None:
        if place not in self._uses:
            self._uses[place] = shared(_beside(place, "users"))

    def _made(self, place: Path, spec: Mapping[str, Any], reuse: bool, harm: bool) -> tuple[Made, str]:
        record = _read(place / _RECORD)
        if reuse and _expired(record):
            with claimed(_beside(place, "users")) as alone:
                if alone:
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
        ledger = self.of_run / f"{key}.json"
        entry = _read(ledger)
        place = Path(entry["place"])
        if not self.policy.keeps(failed):
            with locked(_beside(place, "lock")):
                began = time.monotonic()
                self._destroy(place)
                # In a file of its own: the next cluster of this key begins with nothing of this one.
                _write(self.of_run / f"{key}.{time.time_ns()}.json", {**entry, "gone": time.monotonic() - began})
                ledger.unlink()

    def finish(self, failed: bool, say: Callable[[str], None]) -> list[str]:
        """Remove what is left of the run, unless the policy keeps it: once, by who outlives all its processes.

        failed: whether a test did. say: hears a line for each cluster.

        Returns what could not be removed.
        """
        if not self.of_run.exists():  # no test asked for a cluster
            return []
        self._use(self.of_run)  # what made clusters may have ended: until here the run lives
        left: list[str] = []
        places: set[Path] = set()
        for place in [place for place in self._uses if place != self.of_run]:
            os.close(self._uses.pop(place))
        for file in sorted(self.of_run.glob("*.json")):
            entry = _read(file)
            name, place = entry.get("name", "a cluster"), Path(entry.get("place", file.with_suffix("")))
            how = f"{entry['how']} in {entry['seconds']:.1f} s" if "how" in entry else "did not come up"
            places.add(place)
            try:
                end = self._ended(entry, place, failed)
            except Exception as error:
                left.append(f"{name} is left: {told(error)}\nNext: hashistack down -C {place} --yes")
                continue
            say(f"{name}: {how}, {end}")
            file.unlink()
        self._sweep(places, say)
        if not left:
            for file in [one for kind in ("lock", "users", "failed") for one in self.of_run.glob(f"*.{kind}")]:
                file.unlink()
            with suppress(OSError):  # what is kept is in it
                self.of_run.rmdir()
                _beside(self.of_run, "users").unlink()
        os.close(self._uses.pop(self.of_run))
        return left

    def _ended(self, entry: Mapping[str, Any], place: Path, failed: bool) -> str:
        if "gone" in entry:
            return f"removed in {entry['gone']:.1f} s"
        record = _read(place / _RECORD)
        stays = record.get("ready") or (record and self.policy.keeps_failed)
        if stays and self.policy.keeps(failed, entry.get("reuse", False)):
            return f"kept. Next: hashistack status -C {place}, or hashistack down -C {place} --yes"
        began = time.monotonic()
        with locked(_beside(place, "lock")), claimed(_beside(place, "users")) as alone:
            if not alone:
                return "which another run uses, and removes"
            self._destroy(place)
        return f"removed in {time.monotonic() - began:.1f} s"

    def _sweep(self, own: Collection[Path], say: Callable[[str], None]) -> None:
        """Remove what killed runs left, and earlier ones kept, once its time is over and nobody uses it."""
        for record in (*self.root.glob(f"run-*/*/{_RECORD}"), *self.root.glob(f"reuse-*/{_RECORD}")):
            place, run = record.parent, record.parent.parent
            if place in own or run == self.of_run or not _expired(_read(record)):
                continue
            used = place if run == self.root else run
            try:
                with claimed(_beside(used, "users")) as dead, claimed(_beside(place, "lock")) as idle:
                    if not (dead and idle and record.exists()):
                        continue
                    self._destroy(place)
                    if run != self.root and not any(run.glob(f"*/{_RECORD}")):
                        shutil.rmtree(run)
                        _beside(run, "users").unlink()
            except Exception as error:
                say(f"{place}, whose time is over, is left: {told(error)}")
            else:
                say(f"removed {place}, whose time was over")

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


def _expired(record: Mapping[str, Any]) -> bool:
    return "expires" in record and is_over(record["expires"], datetime.now(UTC))


def _beside(place: Path, suffix: str) -> Path:
    return place.with_name(f"{place.name}.{suffix}")


def _read(file: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return found


def _write(file: Path, data: Mapping[str, Any]) -> None:
    written(file, json.dumps(data))

"""What a resource type implements: plain values in, plain values out, no Pulumi and no gRPC.

A handler lives beside its subject (`secrets/`, `local/`, `ops/`); `registry.py` names it. Its methods are
ordinary blocking functions: the server runs each call in a worker thread of its own, so many resources are
made side by side.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, final

from hashistack.errors import HashistackError, expected


@final
class Unknown:
    """The type of `UNKNOWN`: a value that a preview cannot know yet."""

    _only: ClassVar[Unknown | None] = None

    def __new__(cls) -> Unknown:
        if cls._only is None:
            cls._only = super().__new__(cls)
        return cls._only

    def __repr__(self) -> str:
        return "UNKNOWN"

    def __bool__(self) -> bool:
        raise TypeError("an unknown value is neither true nor false: test `is UNKNOWN` first")


UNKNOWN: Final = Unknown()

BEGAN: Final = time.time()
"""When this process began, in seconds of the epoch: each `up` has a plugin of its own."""

Props = dict[str, Any]
"""A resource's properties as plain Python values: str, bool, int, float, None, list, dict, `UNKNOWN`.

Secrets are unwrapped, and a whole number is an `int`.
"""


def is_known(value: object) -> bool:
    """Whether nothing in `value`, however deep, is `UNKNOWN`."""
    if isinstance(value, Mapping):
        return all(is_known(item) for item in value.values())
    if isinstance(value, list | tuple):
        return all(is_known(item) for item in value)
    return value is not UNKNOWN


@dataclass(frozen=True)
class Failure:
    """One bad input: `path` as the user wrote it (`pools[0].count`), `reason` with what to do."""

    path: str
    reason: str


@dataclass(frozen=True)
class Diff:
    """What `up` has to do; nothing when both are empty.

    update: names of properties that change in place. An output's name is fine (a certificate's `not_after`).
    replace: names of properties that can only change with a new resource.
    delete_before_replace: the old resource must go before the new one can be made.
    """

    update: tuple[str, ...] = ()
    replace: tuple[str, ...] = ()
    delete_before_replace: bool = False


class ResourceFailed(HashistackError):
    """A failure of one resource.

    With `id` the resource exists in part: it is recorded in the state with `props` (outputs so far), and the
    next `up` calls `update` with them, the next `destroy` calls `delete`.
    """

    def __init__(self, what: str, remedy: str = "", *, id: str | None = None, props: Props | None = None) -> None:
        super().__init__(what, remedy)
        self.id = id
        self.props: Props = props or {}


def _silent(severity: str, text: str) -> None:
    """Where a context's messages go when no engine listens (a handler called directly)."""


@dataclass(frozen=True)
class Context:
    """The call that a handler serves.

    urn: the resource's URN; `stack`, `project` and `name` are parts of it.
    preview: nothing may be changed.
    timeout: the user's custom timeout for this operation in seconds; 0 when there is none.
    cancelled: set when the user cancels or the engine is gone; long waits must watch it and stop.
    """

    urn: str = "urn:pulumi:stack::project::hashistack:index:None::name"
    preview: bool = False
    timeout: float = 0.0
    cancelled: threading.Event = field(default_factory=threading.Event)
    log: Callable[[str, str], None] = _silent

    @property
    def stack(self) -> str:
        return self.urn.split("::")[0].removeprefix("urn:pulumi:")

    @property
    def project(self) -> str:
        return self.urn.split("::")[1]

    @property
    def name(self) -> str:
        return self.urn.split("::", 3)[3]

    def progress(self, text: str) -> None:
        """Show `text` in the resource's status column; the next one takes its place, nothing is kept."""
        self.log("progress", text)

    def info(self, text: str) -> None:
        """Add a line to the resource's messages, which stay after the operation."""
        self.log("info", text)

    def warn(self, text: str) -> None:
        """Add a warning to the resource's messages."""
        self.log("warning", text)


class Handler:
    """One resource type. The state that the engine keeps is the inputs plus what `create` or `update` return.

    secret: names of outputs that are secret from birth. Inputs that came as secrets stay so by themselves.
    """

    secret: ClassVar[frozenset[str]] = frozenset()

    def check(self, news: Props) -> list[Failure]:
        """All that is wrong with the inputs `news`; some may be `UNKNOWN` in a preview."""
        return []

    def diff(self, ctx: Context, id: str, olds: Props, news: Props) -> Diff:
        """What leads from the state `olds` to the inputs `news`; by default each change is an update."""
        return Diff(update=changed(olds, news))

    def preview(self, ctx: Context, olds: Props | None, news: Props) -> Props:
        """The outputs that are known before a create (`olds` is None) or an update; the rest is unknown."""
        return {}

    def create(self, ctx: Context, news: Props) -> tuple[str, Props]:
        """Make the resource; returns its id and outputs. Must converge when an earlier try was cut short."""
        raise NotImplementedError

    def failure(self, error: Exception) -> HashistackError | None:
        """What an error out of one of these methods is to the user; None for a bug in hashistack."""
        return expected(error)

    def read(self, ctx: Context, id: str, olds: Props) -> tuple[str, Props] | None:
        """The live state for `refresh` (and import: `olds` is empty); None when the resource is gone."""
        if not olds:
            raise ResourceFailed(f"{id}: this type of resource cannot be imported: let `pulumi up` create it")
        return id, olds

    def update(self, ctx: Context, id: str, olds: Props, news: Props) -> Props:
        """Change the resource in place; returns all its outputs."""
        raise NotImplementedError

    def delete(self, ctx: Context, id: str, olds: Props) -> None:
        """Remove the resource; one that is gone already is no error. By default nothing is to be removed."""


def changed(olds: Props, news: Props, *, among: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """Names of inputs in `news` (or only `among` them) that differ from `olds`; None and absent are equal."""
    names = sorted(news) if among is None else among
    return tuple(name for name in names if olds.get(name) != news.get(name))

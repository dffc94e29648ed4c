"""The platforms: the one list of them, and what the rest of hashistack asks of each.

A platform is a folder with a `PlatformOperations` and a project to begin with (`template`), a line in `PLATFORMS`,
the program `platform-<name>` for its machines (`machine/node/platform`) and an extra in pyproject.toml. Besides, a
cloud may have prices (`prices.json` in its folder), a seal in `spec/seal.py`, limits of names in `spec/names.py`,
answers for tests of programs in `testing`, and its components among the names that `hashistack` exports. No command
and nothing of `ops` names a platform.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar, Final, NoReturn, Protocol, TypeVar

from hashistack.errors import HashistackError

if TYPE_CHECKING:
    from hashistack.component.findings import Finding
    from hashistack.component.trial import Trial
    from hashistack.ops.api.connection import Connection
    from hashistack.ops.api.port_forward import Forwarder
    from hashistack.ops.cost.estimate import Bill
    from hashistack.ops.rollout.driver import PoolDriver
    from hashistack.spec import ClusterSpec

T = TypeVar("T")

PLATFORMS: Final[dict[str, str]] = {
    "aws": "hashistack.aws.operations:AwsOperations",
    "gcp": "hashistack.gcp.operations:GcpOperations",
    "local": "hashistack.local.operations:LocalOperations",
}
"""Name, as it stands in a connection's `provider`, to the dotted name of its `PlatformOperations`."""

MACHINES: Final = "machines"
"""The display phase of resources that are pools: their line counts machines."""


class PlatformMissing(HashistackError):
    """No such platform in this release, or its SDK is not installed; the text says which, and what to do."""


@dataclass(frozen=True)
class Running:
    """A cluster that is seen from here: its id (`site`), its name, and the Pulumi project and stack that made it.

    machines, up: how many there are, and how many of them run; 0 where only something else of it is left.
    created, expires: ISO 8601 in UTC; "" where nothing says it. owner, run: who made it, and in which run of a CI.
    platform: filled in by `seen`.
    """

    site: str
    name: str
    project: Path
    stack: str
    machines: int = 0
    up: int = 0
    created: str = ""
    expires: str = ""
    owner: str = ""
    run: str = ""
    platform: str = ""


@dataclass(frozen=True)
class Stack:
    """A stack that was destroyed: its project's directory, its name as `project/stack`, and the clusters that it had.

    clusters: () for a stack that never came to say them.
    """

    directory: Path
    name: str
    clusters: Sequence[Connection] = ()


class Stored(Protocol):
    """An object in an archive store: its key, and its size in bytes."""

    @property
    def key(self) -> str: ...

    @property
    def size(self) -> int: ...


class ArchiveStore(Protocol):
    """Where snapshot archives lie beside files, opened at one URL; `key` is what the URL names in it."""

    key: str

    def url(self, key: str) -> str:
        """An object, as a user writes it."""

    def put(self, file: Path, key: str) -> None:
        """Write `file` to a key that is free."""

    def get(self, key: str, file: Path) -> None:
        """Fetch an object into `file`."""

    def listed(self, suffix: str) -> Sequence[Stored]:
        """The objects under `key` whose names end so."""

    def opened(self, stored: Any) -> AbstractContextManager[IO[bytes]]:
        """An object as a file that fetches only what is read of it."""


class PlatformOperations:
    """What one platform does for the commands and the plugin. Its module imports no SDK: its methods do, when called.

    What a platform has not, it leaves as it is here.
    """

    extra: ClassVar[str]
    """The extra of pyproject.toml that brings its SDK."""
    component: ClassVar[str]
    """The type token of its cluster: a stack that has one is on this platform."""
    component_class: ClassVar[str] = ""
    """The dotted name of its class: the plugin makes it for programs in other languages than Python."""
    specification: ClassVar[str] = "hashistack:index:Specification"
    """The type token of the resource whose input `spec` is a cluster's specification, as JSON."""
    handlers: ClassVar[Mapping[str, str]] = {}
    """Type tokens of its own resources to the dotted names of their handlers."""
    functions: ClassVar[Mapping[str, str]] = {}
    """Tokens of functions that its components ask, to the dotted names of `Callable[[Context, Props], Props]`."""
    phases: ClassVar[Mapping[str, str]] = {}
    """Resource types that one line of `up` stands for; `MACHINES` for pools."""
    ready: ClassVar[str] = ""
    """The resource type whose messages are shown as lines of their own: it waits for the cluster."""
    here: ClassVar[bool] = False
    """Whether its machines are on this one: where a newcomer begins."""
    archive_scheme: ClassVar[str] = ""
    """How URLs of its archive store begin, `s3://`."""

    def driver(self, connection: Connection) -> PoolDriver:
        """The driver of the cluster's pools."""
        raise NotImplementedError

    def left(self, stack: Stack) -> Sequence[str]:
        """What is there of a stack after `down`, one text each. Raises HashistackError where it can't be seen."""
        return ()

    def proof(self, stack: Stack) -> str:
        """What `down` says when `left` found nothing."""
        return "the stack is empty"

    def running(self) -> Sequence[Running]:
        """The clusters that can be seen from here without being told where they are, where asking costs nothing."""
        return ()

    def remove(self, cluster: Running, warn: Callable[[str], None]) -> None:
        """Remove all that `running` saw of a cluster, with its data; what is gone already is fine."""
        raise PlatformMissing(f"{cluster.site} can't be removed without its stack", "hashistack down -C DIR")

    def findings(self) -> Sequence[Finding]:
        """What this machine must have for a cluster."""
        return ()

    def account(self, connection: Connection) -> Sequence[Finding]:
        """What the account says to what a cluster is made from, by calls that cost nothing and change nothing."""
        return ()

    def trial(self, run: str, settings: Mapping[str, Any]) -> Trial | None:
        """A smoke run of the account that a stack's settings of its provider name; None where none can be tried."""
        return None

    def load_images(self, cluster: str, images: Sequence[str], tell: Callable[[str], None]) -> int:
        """Put container images of this machine's Docker into a cluster; answers how many machines have them."""
        raise PlatformMissing(
            f"images of this machine's Docker go into clusters on it alone, and {cluster} is elsewhere",
            "push them to a registry that its machines reach",
        )

    def resolver(self, connection: Connection) -> str:
        """Where this machine is answered for names of the cluster's domain: address and port, "" where nowhere."""
        return ""

    def reach(self, connection: Connection) -> Mapping[str, Mapping[str, str]]:
        """Machine to what Ansible needs to reach it: variables, beside them `hashistack_zone` where there are zones.

        No connection that it names may need Python on machines for `raw`.
        """
        return {}

    def forwarder(self, connection: Connection) -> Forwarder:
        """What a tunnel to the cluster's APIs is made of. Raises HashistackError where there is none, or it lacks."""
        raise HashistackError(f"no tunnel leads to {connection.name}: its platform has none")

    def logs(self, connection: Connection, machine: str) -> Mapping[str, str]:
        """What a machine has written lately, by file: the services' own where they can be read from here."""
        return {"console.log": self.driver(connection).evidence(machine)}

    def published(self, connection: Connection) -> Sequence[str]:
        """Ports of pools that this machine reaches, a text each: the address here, and where it leads."""
        return ()

    def bill(self, spec: ClusterSpec) -> Bill | None:
        """What it bills for a cluster, None where it bills nothing. `prices.json` in its folder has its prices."""
        if self.here:
            return None
        raise PlatformMissing(f"what {self.component.rpartition(':')[2]} is billed for is not known")

    def region(self, connection: Connection) -> str:
        """The region in which it bills a cluster."""
        return str(connection.pools[0].template.get("region", ""))

    def archives(self, url: str) -> ArchiveStore:
        """The archive store that `url`, which begins with `archive_scheme`, names."""
        raise NotImplementedError


def operations(name: str) -> PlatformOperations:
    """The operations of a platform. Raises `PlatformMissing` for a name that this release does not have."""
    if name not in PLATFORMS:
        raise PlatformMissing(f"this release of hashistack has no platform {name}, only {', '.join(PLATFORMS)}")
    module, _, found = PLATFORMS[name].partition(":")
    made: PlatformOperations = getattr(import_module(module), found)()
    return made


def every() -> Iterator[PlatformOperations]:
    """The operations of all platforms, in the order of the list."""
    return map(operations, PLATFORMS)


def with_sdk(platform: PlatformOperations, call: Callable[[], T]) -> T:
    """What `call` of the platform's operations returns. Raises `PlatformMissing` where its SDK is not installed."""
    try:
        return call()
    except ModuleNotFoundError as missing:
        _missing(platform, missing)


def driver(connection: Connection) -> PoolDriver:
    """The driver of a cluster's pools. Raises `PlatformMissing`."""
    platform = operations(connection.provider)
    return with_sdk(platform, lambda: platform.driver(connection))


def forwarder(connection: Connection) -> Forwarder:
    """What a tunnel to a cluster's APIs is made of. Raises HashistackError where there is none, or something lacks."""
    platform = operations(connection.provider)
    return with_sdk(platform, lambda: platform.forwarder(connection))


def archive_store(url: str) -> ArchiveStore | None:
    """The store that a URL names, None where it is the path of a file. Raises `PlatformMissing`."""
    for platform in every():
        if platform.archive_scheme and url.startswith(platform.archive_scheme):
            return with_sdk(platform, lambda: platform.archives(url))  # noqa: B023 (called at once)
    return None


def seen() -> list[Running]:
    """What can be seen from here of all platforms' clusters, also of half removed ones.

    Platforms whose SDK is not installed have none.
    """
    found: list[Running] = []
    for name in PLATFORMS:
        platform = operations(name)
        try:
            found += (replace(one, platform=name) for one in with_sdk(platform, platform.running))
        except PlatformMissing:
            continue
    return found


def running() -> list[Running]:
    """The clusters of all platforms that can be seen from here, and have machines."""
    return [one for one in seen() if one.machines]


def templates() -> dict[str, Path]:
    """Name of each platform that has a project to begin with, to that project: `template` beside its operations.

    Those with machines on this machine come first.
    """
    ordered = sorted(PLATFORMS, key=lambda name: not operations(name).here)
    return {name: place for name in ordered if (place := _beside(name, "template")).is_dir()}


def prices(name: str) -> Path | None:
    """The platform's own file of prices, None where it has none."""
    file = _beside(name, "prices.json")
    return file if file.is_file() else None


def _beside(name: str, file: str) -> Path:
    """What lies beside a platform's operations."""
    return Path(str(sys.modules[type(operations(name)).__module__].__file__)).with_name(file)


def specifications() -> set[str]:
    """The resource types of all platforms whose input `spec` is a cluster's specification."""
    return {platform.specification for platform in every()}


def phases() -> dict[str, str]:
    """Resource types of all platforms to their display phases."""
    return {type_: phase for platform in every() for type_, phase in platform.phases.items()}


def _missing(platform: PlatformOperations, missing: ModuleNotFoundError) -> NoReturn:
    """Says what to install; an error of our own is raised as it is."""
    if (missing.name or "").partition(".")[0] == "hashistack":
        raise missing
    install = f"pip install 'hashistack[{platform.extra}]'"
    raise PlatformMissing(f"{missing.name} is not installed", install) from None

"""What a local cluster's program needs to know of its specification, as plain values that are kept between runs.

To read a specification takes pydantic, and that a tenth of an `up` that changes nothing. One that this release has
found good is good the next time too: what the program needs of it is kept in hashistack's cache. A bad one is kept
nowhere, so it is told each time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pulumi

from hashistack.machine.roles import SERVER, TOOLS
from hashistack.machine.source_digest import source_digest
from hashistack.secrets.subject import Subject
from hashistack.toolchain import cache

if TYPE_CHECKING:
    from hashistack.spec import ClusterSpec
    from hashistack.spec.problems import Problem

_KEPT = 64
"""Files in the cache, of about 3 KiB: far more than the stacks of one machine."""


@dataclass(frozen=True)
class PoolOutline:
    """One pool: its name, `server` or `client`, the machines that it is to have, the fields of its `Policy`, its Nomad
    node pool, its task drivers, its own settings and the ports that it publishes (`port`, `host`).
    """

    name: str
    role: str
    count: int
    policy: dict[str, Any]
    node_pool: str
    drivers: list[str]
    settings: dict[str, Any]
    publish: list[dict[str, int]]


@dataclass(frozen=True)
class Outline:
    """A good specification's own text (JSON), and what of it the program passes on. The servers are the first pool.

    digests: of pinned binaries for `arch`; upstreams: () for the host's own. to_look_at: there is what
    a look before an `up` tells of.
    """

    text: str
    datacenter: str
    region: str
    domain: str
    arch: str
    cidr: str | None
    upstreams: tuple[str, ...]
    versions: dict[str, str]
    digests: dict[str, str]
    to_look_at: bool
    subject: Subject
    pools: tuple[PoolOutline, ...]


def outline(spec: ClusterSpec | Mapping[str, Any]) -> Outline:
    """The outline of a specification or of its plain data. Raises `pulumi.RunError` with every problem."""
    place = _place(spec) if isinstance(spec, Mapping) else None
    if place and (known := _read(place)):
        return known
    from hashistack.spec import ClusterSpec, SpecError

    try:
        found = _of(spec if isinstance(spec, ClusterSpec) else ClusterSpec.parse(spec))
    except SpecError as error:
        # The one exception that every language host shows without a traceback.
        raise pulumi.RunError(str(error)) from error
    if place:
        with suppress(OSError):  # a home that can't be written to costs time only
            _keep(place, found)
    return found


def _of(spec: ClusterSpec) -> Outline:
    from hashistack.ops.api.policy import Policy
    from hashistack.spec import SpecError, own_settings

    if lacking := tuple(_lacking_drivers(spec)):
        raise SpecError(lacking)
    arch, versions = spec.servers.arch, spec.versions
    policy, own = vars(Policy.of(spec.upgrade)), own_settings.of(spec.servers)
    servers = PoolOutline(SERVER, SERVER, spec.servers.count, policy, "", [], own, [])
    clients = (
        PoolOutline(
            pool.name,
            "client",
            pool.desired,
            vars(Policy.of(spec.upgrade_of(pool))),
            pool.node_pool,
            list(pool.drivers),
            own_settings.of(pool),
            [one.model_dump() for one in pool.publish],
        )
        for pool in spec.clients
    )
    return Outline(
        text=spec.model_dump_json(),
        datacenter=spec.datacenter,
        region=spec.region,
        domain=spec.dns.domain,
        arch=arch,
        cidr=spec.network.cidr,
        upstreams=tuple(spec.dns.upstreams),
        versions={tool: versions.of(tool) for tool in TOOLS},
        digests={tool: versions.digests(tool)[arch] for tool in TOOLS if versions.digests(tool)},
        to_look_at=spec.to_look_at,
        subject=Subject.of(spec),
        pools=(servers, *clients),
    )


def _lacking_drivers(spec: ClusterSpec) -> Iterator[Problem]:
    """Task drivers whose programs the machine image does not have."""
    from hashistack.spec.problems import Problem

    for index, pool in enumerate(spec.clients):
        for driver in pool.drivers:
            if driver in ("java", "qemu"):
                yield Problem(
                    f"clients[{index}].drivers",
                    f"the machine image of local clusters has no {driver}",
                    'Use "docker" there: an image with it does the same.',
                )


def _place(spec: Mapping[str, Any]) -> Path | None:
    """The file for what these data and this release make; None for data that JSON can't tell from others."""
    try:
        text = json.dumps(spec, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError):
        return None
    if json.loads(text) != spec:  # keys that are not text, for one, become such
        return None
    name = sha256(f"{source_digest('local')}\n{text}".encode()).hexdigest()
    return cache.root() / "specifications" / f"{name}.json"


def _read(place: Path) -> Outline | None:
    try:
        found = json.loads(place.read_bytes())
        pools = tuple(PoolOutline(**pool) for pool in found.pop("pools"))
        subject, upstreams = Subject(**found.pop("subject")), tuple(found.pop("upstreams"))
        return Outline(**found, pools=pools, subject=subject, upstreams=upstreams)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # none yet, or half of one


def _keep(place: Path, found: Outline) -> None:
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = place.with_name(f".{place.name}.{os.getpid()}")
    fresh.write_text(json.dumps(asdict(found)))
    fresh.replace(place)
    kept = sorted(place.parent.glob("*.json"), key=lambda file: file.stat().st_mtime, reverse=True)
    for file in kept[_KEPT:]:
        file.unlink(missing_ok=True)

"""Pools of machines: the servers, and the clients that run the work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, field_serializer, model_validator

from hashistack.spec import own_settings
from hashistack.spec.durations import Duration, seconds
from hashistack.spec.names import HOST_VOLUME, MachineType, NodeClass, NodePool, PoolName, ZoneName
from hashistack.spec.policy import UpgradePolicy
from hashistack.spec.problems import FieldError, Problem, show
from hashistack.spec.section import Many, Section, nearest, reads
from hashistack.spec.text import MetaKey, PlainText

Arch = Literal["amd64", "arm64"]
_RESTART_BUDGET = 10  # seconds that an agent may take to restart in place
DRIVERS = ("exec", "docker", "java", "qemu", "raw_exec")
"""The task drivers that a pool may have: those built into Nomad."""
VolumeName = Annotated[str, AfterValidator(HOST_VOLUME.check)]
Disk = Annotated[int, Field(ge=8, le=16384)]


def _count(value: int) -> int:
    if value in (3, 5):
        return value
    if value == 1:
        raise FieldError("must be 3 or 5", "One server tolerates no failure: use 3, on the laptop too.")
    if value > 5 and value % 2:
        raise FieldError("must be 3 or 5", "More voters slow every write down and gain little: use 5.")
    if value > 1:
        raise FieldError("must be 3 or 5", "An even number adds no fault tolerance: use 3 or 5.")
    raise FieldError("must be 3 or 5", "Use 3, or 5 to survive the loss of two servers.")


def _zones(zones: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if zones is None:
        return None
    if not zones:
        raise FieldError(
            "at least one zone is needed",
            "Name one or more, or leave the field out: the provider then chooses.",
        )
    for zone in zones:
        if zones.count(zone) > 1:
            raise FieldError(f"zone {show(zone)} is listed twice", "List each zone once.")
    return zones


Zones = Annotated[Many[ZoneName] | None, AfterValidator(_zones)]


def _outlasts_restart(grace: str) -> str:
    if seconds(grace) < _RESTART_BUDGET:
        raise FieldError(
            "is shorter than an agent's restart in place: it would reschedule all allocations",
            f'Give at least "{_RESTART_BUDGET}s".',
        )
    return grace


def _absolute(path: str) -> str:
    if not path.startswith("/") or ".." in path.split("/"):
        raise FieldError("must be an absolute path", 'Begin it with "/" and leave out "..".')
    return path


def _spread(pool: ServerPool) -> Iterator[Problem]:
    zones = len(pool.zones or ())
    if zones < 2:
        return
    lost = -(-pool.count // zones)
    if lost > pool.count // 2:
        yield Problem(
            "zones",
            f"the loss of one zone would drop {lost} of {pool.count} servers (got {show(pool.zones)})",
            "Give at least 3 zones.",
        )


class ServerPool(Section):
    """The servers: each runs Nomad, Consul and Vault as a voter."""

    checks = (
        (reads("count", "zones"), _spread),
        (reads("nomad_config", "consul_config", "vault_config", "accept"), own_settings.problems),
    )
    hints: ClassVar[Mapping[str, str]] = {
        "spot": "Servers hold the cluster's state: they are always on-demand. Remove it.",
        "all_spot": "Servers hold the cluster's state: they are always on-demand. Remove it.",
        "min": "Servers have one fixed number: give `count`.",
        "max": "Servers have one fixed number: give `count`.",
        "desired": "Servers have one fixed number: give `count`.",
    }

    count: Annotated[int, AfterValidator(_count)] = 3
    """How many servers there are: 3 survive the loss of one, 5 the loss of two."""
    zones: Zones = None
    """Zones to spread the servers over; none given: the provider chooses three."""
    machine_type: MachineType | None = None
    """The platform's machine type; none given: the provider's reference type."""
    arch: Arch = "amd64"
    """Processor architecture."""
    disk_gib: Disk = 50
    """Size of the data disk in GiB."""
    heartbeat_grace: Annotated[Duration, AfterValidator(_outlasts_restart)] = "30s"
    """How long a Nomad client may be silent beyond its heartbeat before its work is rescheduled; longer than
    an agent's restart in place, which takes up to 10 s."""
    nomad_config: dict[str, Any] = Field(default={})
    """Settings of one's own for the servers' Nomad, merged over all others; not for secrets: they are in the bundle."""
    consul_config: dict[str, Any] = Field(default={})
    """The same for their Consul."""
    vault_config: dict[str, Any] = Field(default={})
    """The same for Vault."""
    accept: Many[str] = ()
    """Own settings that are refused unless they stand here, by name, as `nomad_config.enable_debug`."""


class HostVolume(Section):
    """A directory of the machine that jobs may mount."""

    path: Annotated[PlainText, AfterValidator(_absolute)]
    """Absolute path on the machine."""
    read_only: bool = False
    """Whether jobs may only read it."""


class Published(Section):
    """A port of a pool's machines that the host of a local cluster reaches on loopback."""

    port: Annotated[int, Field(ge=1, le=65535)]
    """Port on the machines: a job's static one."""
    host: Annotated[int, Field(ge=1, le=65535)] = Field(default_factory=lambda given: given["port"])
    """Port on 127.0.0.1; `port` if not given."""


def _size(pool: ClientPool) -> Iterator[Problem]:
    if pool.min > pool.max:
        yield Problem("min", f"min {pool.min} > max {pool.max}", "Lower min or raise max.")
    elif pool.desired > pool.max:
        yield Problem("desired", f"is more than max {pool.max} (got {pool.desired})", "Lower it, or raise max.")
    elif pool.desired < pool.min:
        yield Problem("desired", f"is less than min {pool.min} (got {pool.desired})", "Raise it, or lower min.")
    if pool.max == 0:
        yield Problem("max", "the pool would have no machine (got 0)", "Give at least 1, or remove the pool.")


def _spot(pool: ClientPool) -> Iterator[Problem]:
    if pool.all_spot and not pool.spot:
        yield Problem("all_spot", "all_spot without spot (got true)", "Set `spot: true` too.")
    elif pool.all_spot and pool.on_demand_base:
        yield Problem(
            "on_demand_base",
            f"contradicts `all_spot: true` (got {pool.on_demand_base})",
            "Set it to 0, or remove all_spot.",
        )
    elif pool.spot and not pool.all_spot and pool.on_demand_base < 1:
        yield Problem(
            "on_demand_base",
            "spot machines need at least 1 on-demand machine beside them (got 0)",
            "Give at least 1, or set `all_spot: true` if the whole pool may vanish.",
        )


def _alternatives(pool: ClientPool) -> Iterator[Problem]:
    if pool.machine_types and pool.machine_type is None:
        yield Problem(
            "machine_types",
            f"alternatives without a first choice (got {show(pool.machine_types)})",
            "Give `machine_type` too.",
        )


def _drivers(drivers: tuple[str, ...]) -> tuple[str, ...]:
    if not drivers:
        raise FieldError("at least one driver is needed", 'Give ["exec"].')
    for driver in drivers:
        if driver == "podman":
            raise FieldError("podman needs a plugin that the reference machines don't have", 'Use "docker".')
        if driver not in DRIVERS:
            guess = nearest(driver, DRIVERS)
            remedy = f'Did you mean "{guess}"?' if guess else f"Known: {', '.join(DRIVERS)}."
            raise FieldError(f"{show(driver)} is not a driver of the reference machines", remedy)
        if drivers.count(driver) > 1:
            raise FieldError(f"driver {show(driver)} is listed twice", "List each driver once.")
    return drivers


def _csi(pool: ClientPool) -> Iterator[Problem]:
    if pool.csi and "docker" not in pool.drivers:
        yield Problem(
            "csi",
            f"CSI plugins run as privileged containers, and `drivers` has no docker (got {show(pool.drivers)})",
            'Add "docker" to `drivers`, or remove csi.',
        )


def _accepted(pool: ClientPool) -> Iterator[Problem]:
    if "raw_exec" in pool.drivers and "raw_exec" not in pool.accept:
        yield Problem(
            "drivers",
            "raw_exec runs tasks as root without isolation: whoever may submit a job owns the machine"
            f" (got {show(pool.drivers)})",
            'Use "exec", or set `accept: [raw_exec]` in this pool.',
        )


class ClientPool(Section):
    """A pool of equal Nomad clients. Its name is also their node class and their metadata `pool`."""

    checks = (
        (reads("min", "max", "desired"), _size),
        (reads("spot", "all_spot", "on_demand_base"), _spot),
        (reads("machine_type", "machine_types"), _alternatives),
        (reads("drivers", "accept"), _accepted),
        (reads("drivers", "csi"), _csi),
        (reads("nomad_config", "consul_config", "accept"), own_settings.problems),
    )
    hints: ClassVar[Mapping[str, str]] = {
        "count": "A pool of clients has `min`, `max` and `desired`.",
        "datacenter": "All machines are in the cluster's `datacenter`. Remove it.",
        "vault_config": "Vault runs on servers alone: set it in `servers`.",
    }
    stand_in: ClassVar[Mapping[str, Any]] = {"name": "unnamed"}

    name: PoolName
    """Name of the pool, and the value of its machines' metadata `pool`; unique in the cluster, whatever its case."""
    desired: Annotated[int, Field(ge=0)] = 2
    """Machines at first, and at least: 2, or the nearest to it between `min` and `max`. Where the platform scales by
    itself it may be more, up to `max`."""
    min: Annotated[int, Field(ge=0)] = Field(default_factory=lambda given: given["desired"])
    """Fewest machines; `desired` if not given."""
    max: Annotated[int, Field(ge=0)] = Field(default_factory=lambda given: given["desired"])
    """Most machines; `desired` if not given."""
    machine_type: MachineType | None = None
    """The platform's machine type; none given: the provider's reference type."""
    machine_types: Many[MachineType] = ()
    """Other machine types that will do, in order of preference: what makes spot capacity available."""
    spot: bool = False
    """Whether machines beyond `on_demand_base` are spot (preemptible) ones."""
    on_demand_base: Annotated[int, Field(ge=0)] = 0
    """Machines that are always on-demand in a pool with `spot`: at least 1, unless `all_spot`."""
    all_spot: bool = False
    """Accept that every machine of the pool may vanish at once."""
    arch: Arch = "amd64"
    """Processor architecture."""
    disk_gib: Disk = 50
    """Size of the data disk in GiB."""
    node_pool: NodePool = "default"
    """Nomad node pool of its machines. In another one than `default` they run only the jobs that name it."""
    node_class: NodeClass | None = None
    """Nomad node class; none given: the pool's name."""
    meta: dict[MetaKey, PlainText] = Field(default={})
    """Nomad node metadata, for constraints; `pool`, the pool's name, is there too."""
    drivers: Annotated[Many[str], AfterValidator(_drivers)] = ("exec", "docker")
    """Task drivers that are enabled (exec, docker, java, qemu, raw_exec); all others are denied."""
    csi: bool = False
    """Whether plugins for storage (CSI) may run: privileged containers, which may mount any path of the machine. So
    whoever may submit a job to the pool can be root on its machines."""
    accept: Many[str] = ()
    """Dangers that are accepted, by name: `raw_exec` lets each job be root on the machine; a setting of one's own that
    is refused unless it stands here, as `nomad_config.plugin.docker.config.allow_privileged`."""
    nomad_config: dict[str, Any] = Field(default={})
    """Settings of one's own for the pool's Nomad, merged over all others; not for secrets: they are in the bundle."""
    consul_config: dict[str, Any] = Field(default={})
    """The same for its Consul."""
    host_volumes: dict[VolumeName, HostVolume] = Field(default={})
    """Directories of the machine that jobs may mount, by name."""
    publish: Many[Published] = ()
    """Ports of its machines that the host reaches on 127.0.0.1; on local clusters alone."""
    zones: Zones = None
    """Zones to spread the machines over; none given: the provider chooses."""
    upgrade: UpgradePolicy | None = None
    """What differs from the cluster's `upgrade` for this pool."""

    @model_validator(mode="before")
    @classmethod
    def _nearest_size(cls, given: Any) -> Any:
        if not isinstance(given, dict) or "desired" in given:
            return given
        least, most = given.get("min", 0), given.get("max", 2)
        if type(least) is not int or type(most) is not int:
            return given  # told at the field itself
        return {**given, "desired": max(least, min(most, 2))}

    @field_serializer("upgrade")
    def _only_what_was_given(self, upgrade: UpgradePolicy | None) -> dict[str, Any] | None:
        return None if upgrade is None else upgrade.model_dump(exclude_unset=True)

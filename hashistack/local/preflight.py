"""What this machine must have for a local cluster: looked at within a second, changing nothing."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Network, ip_network
from pathlib import Path
from typing import Any

import docker

from hashistack.component.findings import Finding
from hashistack.home import home
from hashistack.local import docker_client, ranges
from hashistack.local.docker_client import DockerFailed
from hashistack.local.image import build as image
from hashistack.spec import Network

OLDEST_API = (1, 41)  # Docker 20.10
_GIB = 1 << 30
_SOCKET = Path("/var/run/docker.sock")
_REGISTRY_PATIENCE = 0.6  # seconds


@dataclass(frozen=True)
class Engine:
    """What Docker says of itself, asked once."""

    client: docker.DockerClient
    info: dict[str, Any]
    api: str
    subnets: tuple[IPv4Network, ...]
    reserved: ranges.Reserved

    @property
    def native(self) -> bool:
        """Whether containers run on this machine's own kernel, so that /proc and /sys are theirs too."""
        here = platform.system() == "Linux" and self.info.get("Name") == platform.node()
        return here and "Docker Desktop" not in self.info.get("OperatingSystem", "")


def run(client: docker.DockerClient | None = None) -> list[Finding]:
    """Every finding, in the order in which one would repair them; only the first when Docker doesn't answer.

    `client` is a Docker client to use; without it, the one that the environment names.
    """
    try:
        with docker_client.asking():
            client = client or docker_client.engine(timeout=5)
            reserved = ranges.reserved(client.api)
            engine = Engine(client, client.info(), client.version()["ApiVersion"], tuple(_subnets(client)), reserved)
    except DockerFailed as error:
        return [_unreachable(error)]
    reached = Finding("Docker answers", True, f"version {engine.info.get('ServerVersion', '?')}")
    return [reached, *(check(engine) for check in _CHECKS)]


def _subnets(client: docker.DockerClient) -> Iterator[IPv4Network]:
    """What Docker's networks take of IPv4. Each driver fills in what it likes; 10.77.0.5/24 is all of 10.77.0.0/24."""
    for network in client.api.networks():
        for pool in (network.get("IPAM") or {}).get("Config") or ():
            try:
                found = ip_network(pool.get("Subnet") or "", strict=False)
            except ValueError:
                continue
            if isinstance(found, IPv4Network):
                yield found


def _unreachable(error: DockerFailed) -> Finding:
    sentence = "Docker answers"
    try:
        host, chosen_by = docker_client.here()
    except DockerFailed:
        return _place()
    if host != docker_client.SOCKET:
        remedy = f"start it, or {'unset DOCKER_HOST' if chosen_by == 'DOCKER_HOST' else 'docker context use default'}"
        return Finding(sentence, False, f"{host} ({chosen_by}) does not: {error.what}", remedy)
    desktop = home() / ".docker/run/docker.sock"
    if not _SOCKET.exists() and desktop.exists():
        return Finding(sentence, False, f"{_SOCKET} is missing", f"export DOCKER_HOST=unix://{desktop}")
    if not _SOCKET.exists() and not shutil.which("dockerd"):
        return Finding(sentence, False, "it is not installed", "https://docs.docker.com/engine/install")
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(_SOCKET))
    except PermissionError:
        remedy = "sudo usermod -aG docker $USER, then log in again"
        return Finding(sentence, False, f"this user may not use {_SOCKET}", remedy)
    except OSError:
        return Finding(sentence, False, "it is installed and not running", "sudo systemctl start docker")
    return Finding(sentence, False, error.what, "restart Docker and look at its log")


def _api(engine: Engine) -> Finding:
    oldest = ".".join(map(str, OLDEST_API))
    ok = tuple(map(int, engine.api.split("."))) >= OLDEST_API
    return Finding(f"Docker's API is {oldest} or newer", ok, engine.api, "" if ok else "install Docker 20.10 or newer")


def _place(engine: Engine | None = None) -> Finding:
    sentence = "Docker is on this machine"
    try:
        host, chosen_by = docker_client.here()
    except DockerFailed as error:
        return Finding(sentence, False, error.what, error.remedy)
    return Finding(sentence, True, f"{host} ({chosen_by})")


def _kind(engine: Engine) -> Finding:
    sentence = "containers run on a kernel we know how to use"
    name = engine.info.get("OperatingSystem", "?")
    if "name=rootless" in (engine.info.get("SecurityOptions") or ()):
        if engine.info.get("CgroupDriver") == "none":  # as on each host with cgroups of version 1
            detail = "rootless Docker without cgroups: Nomad's tasks can't have theirs"
            return Finding(sentence, False, detail, "docker context use default, for one that runs as root")
        remedy = "if machines don't start, use a Docker that runs as root"
        return Finding(sentence, None, "rootless Docker: Nomad's exec driver may not run in it", remedy)
    return Finding(sentence, True, f"{name}{'' if engine.native else ' (not this machine itself)'}")


def _cgroups(engine: Engine) -> Finding:
    version = engine.info.get("CgroupVersion", "?")
    return Finding("cgroups are version 1 or 2", version in ("1", "2") or None, f"version {version}")


def _inotify(engine: Engine) -> Finding:
    sentence = "enough inotify instances and watches"
    wanted = {"max_user_instances": 128, "max_user_watches": 8192}
    found = {name: _number(Path("/proc/sys/fs/inotify", name)) if engine.native else None for name in wanted}
    if None in found.values():
        return Finding(sentence, None, "can't be seen from here")
    detail = ", ".join(f"{name} {found[name]}" for name in wanted)
    low = [name for name, least in wanted.items() if (found[name] or 0) < least]
    return Finding(sentence, not low or None, detail, "; ".join(f"sudo sysctl fs.inotify.{n}={wanted[n]}" for n in low))


def _memory(engine: Engine) -> Finding:
    sentence = "4 GiB of memory are free"
    free, word = int(engine.info.get("MemTotal", 0)), "in all, as Docker says"
    if engine.native:
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        free, word = int(lines["MemAvailable"].split()[0]) * 1024, "free"
    ok = True if free >= 4 * _GIB else None if free >= 2 * _GIB else False
    remedy = "" if ok else "stop something, or give Docker more memory: five machines need about 4 GiB"
    return Finding(sentence, ok, f"{free / _GIB:.1f} GiB {word}", remedy)


def _disk(engine: Engine) -> Finding:
    sentence = "5 GiB of disk are free for Docker"
    place = Path(engine.info.get("DockerRootDir", "/var/lib/docker"))
    if not engine.native:
        return Finding(sentence, None, "can't be seen from here")
    while not place.exists():  # also when this user may not look into its parent
        place = place.parent
    free = shutil.disk_usage(place).free
    ok = free >= 5 * _GIB
    return Finding(
        sentence,
        ok,
        f"{free / _GIB:.1f} GiB in {place}",
        "" if ok else "docker system prune, or a larger disk",
    )


def _ports(engine: Engine) -> Finding:
    sentence = f"a block of {ranges.PORTS} ports is free on loopback"
    for index in range(ranges.CLUSTERS):
        base = ranges.port_base(index)
        if base not in engine.reserved.port_bases and ranges.ports_free(base):
            return Finding(sentence, True, f"{base} to {base + ranges.PORTS - 1}")
    remedy = "hashistack down for clusters that nobody needs"
    return Finding(sentence, False, f"none from {ranges.FIRST_PORT} on", remedy)


def _subnet(engine: Engine) -> Finding:
    sentence = "a subnet is free"
    routes = list(_routes()) if engine.native else []
    for field in ("bridge", "docker_bridge"):
        bridge = IPv4Network(getattr(Network(), field))
        if clash := next((route for route in routes if route.overlaps(bridge) and route not in engine.subnets), None):
            remedy = f"set network.{field} to a range that nothing here uses"
            detail = f"tasks use {bridge} by default; this machine reaches {clash} elsewhere"
            return Finding(sentence, None, detail, remedy)
    for index in range(ranges.CLUSTERS):
        cidr = ranges.subnet(index)
        if not engine.reserved.has(cidr) and not any(cidr.overlaps(taken) for taken in (*engine.subnets, *routes)):
            return Finding(sentence, True, str(cidr))
    remedy = "set network.cidr to a free one, or hashistack down for clusters that nobody needs"
    return Finding(sentence, False, f"all of {ranges.SUPERNET} is taken by Docker networks or routes", remedy)


def _routes() -> Iterator[IPv4Network]:
    """This machine's routes but the default one: a VPN's among them."""
    for line in Path("/proc/net/route").read_text().splitlines()[1:]:
        address, mask = (int(line.split()[field], 16) for field in (1, 7))
        if mask:
            swapped = int.from_bytes(address.to_bytes(4, "little"), "big")
            yield IPv4Network((swapped, mask.bit_count()))


def _machine_image(engine: Engine) -> Finding:
    sentence = "the machine image is there or can be made"
    if engine.client.images.list(name=image.tag()):
        return Finding(sentence, True, f"{image.tag()} is there")
    if os.geteuid() == 0:
        return Finding(sentence, True, "from a registry where one answers, else from Debian packages (1 to 2 minutes)")
    if image.registry_answers(engine.client, _REGISTRY_PATIENCE):
        return Finding(sentence, True, f"from {image.ALPINE}")
    remedy = "give Docker a way to its registry, or run once as root (sudo -E), to build it from Debian packages"
    return Finding(sentence, None, f"no registry answered within {_REGISTRY_PATIENCE} s, and this is not root", remedy)


def _modules(engine: Engine) -> Finding:
    sentence = "the kernel has bridge, br_netfilter and overlay"
    seen = {
        "bridge": Path("/sys/module/bridge").exists(),
        "br_netfilter": Path("/proc/sys/net/bridge").exists(),
        "overlay": "\toverlay\n" in Path("/proc/filesystems").read_text() if engine.native else False,
    }
    if not engine.native:
        return Finding(sentence, None, "can't be seen from here")
    missing = [name for name, there in seen.items() if not there]
    if not missing:
        return Finding(sentence, True, "all three")
    return Finding(sentence, None, f"not loaded: {', '.join(missing)}", f"sudo modprobe -a {' '.join(missing)}")


def _iptables(engine: Engine) -> Finding:
    sentence = "iptables works, nf_tables or legacy"
    if not engine.native or not shutil.which("iptables"):
        return Finding(sentence, None, "can't be seen from here; machines take the one that works")
    said = subprocess.run(["iptables", "-V"], capture_output=True, text=True, timeout=5, check=False).stdout.strip()
    return Finding(sentence, True, f"{said or '?'} here; machines take the one that works")


def _clock(engine: Engine) -> Finding:
    sentence = "the clocks agree"
    said = engine.info.get("SystemTime", "")
    try:
        apart = abs(datetime.fromisoformat(said).timestamp() - time.time())
    except ValueError:
        return Finding(sentence, None, "Docker names no time")
    ok = apart < 30
    remedy = "" if ok else "set the clock, or restart Docker Desktop: certificates are dated by this machine's clock"
    return Finding(sentence, ok, f"Docker's is {apart:.0f} s off ours", remedy)


def _storage(engine: Engine) -> Finding:
    sentence = "Docker's storage shares what machines have in common"
    driver = engine.info.get("Driver") or "?"
    if driver != "vfs":
        return Finding(sentence, True, driver)
    detail = "vfs copies the whole image for each machine: 0.5 GiB each, and a slow start"
    return Finding(sentence, None, detail, "use overlay2, fuse-overlayfs or btrfs")


_CHECKS: tuple[Callable[[Engine], Finding], ...] = (
    _place,
    _api,
    _kind,
    _cgroups,
    _clock,
    _memory,
    _disk,
    _storage,
    _inotify,
    _modules,
    _iptables,
    _ports,
    _subnet,
    _machine_image,
)


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None

"""Machines of one pool as containers: list, make, inspect. The Docker verbs and nothing else."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any
from zlib import crc32

from hashistack.local import labels
from hashistack.local.labels import DOMAIN
from hashistack.local.listing import Listing
from hashistack.local.ranges import API_PORTS, SLOTS, ports
from hashistack.provider.handler import Props, ResourceFailed

if TYPE_CHECKING:
    import docker

    from hashistack.local.blueprint import Blueprint

SECRETS = "/platform/secrets"
SNAPSHOTS = "/platform/snapshots"
DOCKER = "/var/lib/docker"
"""What the machine's own Docker keeps: a volume of the container's own, as overlay2 can't be on a container's disk."""
IMAGES = "/platform/images"
"""Archives of container images, in a volume of the cluster: what the machine's Docker loads when it starts."""
CAPABILITIES = ["SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE", "IPC_LOCK", "DAC_READ_SEARCH"]
"""What Nomad's exec driver and bridge networking need of a container; servers get none of them."""

_UNCONFINED = ["seccomp=unconfined", "apparmor=unconfined"]

STAY: Any = {"Name": "no", "MaximumRetryCount": 0}
"""Docker's restart policy for a machine that was told to go: it must not come back when it has stopped."""

_RESERVED = 16
_TRIES = 16


@dataclass(frozen=True)
class Machine:
    """One container of a pool, as Docker lists it. created: seconds of the epoch."""

    id: str
    name: str
    pool: str
    slot: int
    running: bool
    bundle: str
    created: int
    address: str
    """In the cluster's network."""


def listed(docker: Listing, site: str, pool: str = "") -> list[Machine]:
    """The machines of a pool, or of all; the oldest first."""
    filters = {"label": [f"{labels.SITE}={site}", f"{labels.POOL}={pool}" if pool else labels.POOL]}
    found = [
        Machine(
            id=container["Id"],
            name=container["Labels"][labels.MACHINE],
            pool=container["Labels"][labels.POOL],
            slot=int(container["Labels"][labels.SLOT]),
            running=container["State"] == "running",
            bundle=container["Labels"][labels.BUNDLE],
            created=container["Created"],
            address=_address(container, site),
        )
        for container in docker.containers(all=True, filters=filters)
    ]
    return sorted(found, key=lambda machine: (machine.created, machine.name))


def _address(container: Props, network: str) -> str:
    found = container["NetworkSettings"]["Networks"].get(network) or {}
    return str((found.get("IPAMConfig") or {}).get("IPv4Address") or found.get("IPAddress") or "")


def fresh_names(pool: str, count: int) -> tuple[str, ...]:
    """Names that no machine had before: Consul and Nomad remember one for days."""
    return tuple(f"{pool}-{token_hex(2)}" for _ in range(count))


def start(
    client: docker.DockerClient, plan: Blueprint, names: Sequence[str], secrets: Mapping[str, bytes] | None = None
) -> None:
    """Makes machines side by side, each in the lowest free slot. Raises ResourceFailed.

    secrets: documents for the pool's secret store. The first machine brings them along, and none starts before: Docker
    unpacks a file by removing the one that is there, under the eyes of whoever reads it.
    """
    if not names:
        return
    filled = threading.Event()
    if not secrets:
        filled.set()
    found = listed(client.api, plan.site)
    used = {machine.slot for machine in found if machine.pool == plan.pool}
    slots = [slot for slot in range(len(used) + len(names)) if slot not in used]
    network = client.api.inspect_network(plan.network)["IPAM"]["Config"][0]
    if plan.snapshots:
        Path(plan.snapshots).mkdir(mode=0o700, parents=True, exist_ok=True)  # or Docker makes it, and root owns it
    free = fresh_addresses(plan.pool, network, [machine.address for machine in found])
    with ThreadPoolExecutor(len(names)) as pool:
        starting = [
            # Another pool may start machines at this moment: each has addresses to fall back on.
            pool.submit(make, client, plan, name, slot, free[index :: len(names)], filled, {} if index else secrets)
            for index, (name, slot) in enumerate(zip(names, slots, strict=False))
        ]
        for machine in starting:
            machine.result()


def fresh_addresses(pool: str, network: Props, used: Sequence[str]) -> list[str]:
    """Addresses of the network that nobody has, beginning after the newest machine's (`used` is in order of age).

    Docker gives the lowest free one, which a machine had that has just gone. Consul's servers take two machines of one
    address for one for as long as they remember the first: "Raft leader not found in server lookup mapping". The last
    addresses stay free for what else is put into the network.
    """
    hosts = [str(address) for address in IPv4Network(network["Subnet"]).hosts() if str(address) != network["Gateway"]]
    hosts = hosts[: max(len(hosts) - _RESERVED, len(hosts) // 2)]
    newest = next((hosts.index(address) for address in reversed(used) if address in hosts), crc32(pool.encode()))
    first = (newest + 1) % len(hosts)
    return [address for address in hosts[first:] + hosts[:first] if address not in used]


def make(
    client: docker.DockerClient,
    plan: Blueprint,
    name: str,
    slot: int,
    addresses: Sequence[str],
    filled: threading.Event,
    secrets: Mapping[str, bytes] | None = None,
) -> str:
    """Creates and starts one machine; returns its container id. Raises ResourceFailed, leaving nothing behind.

    addresses: the first that is still free is the machine's. secrets: documents that it puts into the pool's secret
    store. filled: set once they are there; without documents of its own a machine starts only then.
    """
    if plan.role == "server" and slot >= SLOTS:
        raise ResourceFailed(f"machine {name}: all {SLOTS} places for servers are taken", "hashistack status")
    from docker.errors import APIError

    try:
        for address in addresses[:_TRIES]:
            try:
                return _make(client, plan, name, slot, address, filled, secrets or {})
            except APIError as error:
                if "already in use" not in str(error.explanation) or "ddress" not in str(error.explanation):
                    raise ResourceFailed(f"machine {name}: Docker says: {error.explanation}") from error
    finally:
        if secrets:
            filled.set()  # or the others would wait for ever
    raise ResourceFailed(f"machine {name}: the cluster's network has no free address left")


def _make(
    client: docker.DockerClient,
    plan: Blueprint,
    name: str,
    slot: int,
    address: str,
    filled: threading.Event,
    secrets: Mapping[str, bytes],
) -> str:
    from docker.errors import APIError
    from docker.types import Mount

    client_role = plan.role == "client"
    mounts = {**plan.mounts, **({plan.images: IMAGES} if plan.docker else {})}
    published = {} if client_role else ports(plan.port_base, slot)
    marks = {
        **plan.labels,
        labels.POOL: plan.pool,
        labels.ROLE: plan.role,
        labels.BUNDLE: plan.bundle,
        labels.SLOT: str(slot),
        labels.MACHINE: name,
    }
    aliases = [name + "." + DOMAIN]
    if not client_role:
        aliases += [f"servers.{DOMAIN}", f"slot-{slot}.{DOMAIN}"]
    host = client.api.create_host_config(
        binds=[
            *(f"{source}:{target}:ro" for source, target in mounts.items()),
            f"{plan.volume}:{SECRETS}",
            *([f"{plan.snapshots}:{SNAPSHOTS}"] if plan.snapshots else []),
        ],
        # Without a name: it goes with its container.
        mounts=[Mount(DOCKER, None, labels=plan.labels)] if plan.docker else [],
        tmpfs={"/run": "mode=755,exec"},
        cap_add=CAPABILITIES if client_role else [],
        security_opt=["label=disable", *(_UNCONFINED if client_role else ["no-new-privileges"])],
        userns_mode="host",
        port_bindings={API_PORTS[product]: ("127.0.0.1", port) for product, port in published.items()},
        network_mode=plan.network,
        restart_policy={"Name": "unless-stopped"},
    )
    endpoint = client.api.create_endpoint_config(aliases=aliases, ipv4_address=address)
    client.api.create_volume(plan.volume, labels=plan.labels)
    if plan.docker:
        client.api.create_volume(plan.images, labels=plan.labels)
    container: str = client.api.create_container(
        plan.image,
        name=f"{plan.site}-{name}",
        hostname=name,
        labels=marks,
        host_config=host,
        ports=[API_PORTS[product] for product in published],
        networking_config={"EndpointsConfig": {plan.network: endpoint}},
    )["Id"]
    try:
        client.api.put_archive(container, "/", _archive(plan, secrets))
        if secrets:
            filled.set()
        filled.wait()
        client.api.start(container)
    except APIError:
        client.api.remove_container(container, v=True, force=True)
        raise
    return container


def put_secrets(client: docker.DockerClient, container: str, secrets: Mapping[str, bytes]) -> None:
    """Writes documents into the secret store that ``container`` mounts."""
    client.api.put_archive(container, SECRETS, tar({name: (data, 0o600) for name, data in secrets.items()}))


def _archive(plan: Blueprint, secrets: Mapping[str, bytes]) -> bytes:
    from hashistack.local.blueprint import bundle_path

    files = {
        "etc/hashistack/user-data": (plan.user_data.encode(), 0o755),
        bundle_path(plan.bundle): (plan.bundle_archive, 0o644),
        **{f"{SECRETS[1:]}/{name}": (data, 0o600) for name, data in secrets.items()},
    }
    return tar(files)


def tar(files: dict[str, tuple[bytes, int]]) -> bytes:
    """An archive of files for `put_archive`: path to content and mode."""
    import tarfile

    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path, (data, mode) in files.items():
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(data), mode
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def taken_away(client: docker.DockerClient, container: str) -> bool:
    """Whether the machine was told that it is being taken away (see `node/platform/platform-local`)."""
    from docker.errors import NotFound

    try:
        client.api.get_archive(container, "/platform/terminating")
    except NotFound:
        return False
    return True


def health(client: docker.DockerClient, container: str) -> tuple[bool, Props]:
    """What the machine says of itself now (see `machine/node/watch/health`)."""
    code, output = run(client, container, ["/opt/hashistack/current/bin/health"])
    try:
        return code == 0, json.loads(output)
    except ValueError:
        return False, {"checks": {"boot": output.strip().splitlines()[-1] if output.strip() else "not booted"}}


def has_booted(client: docker.DockerClient, container: str) -> bool:
    """Whether a machine's services have been started (see the end of `node/boot/boot`)."""
    from docker.errors import NotFound

    try:
        return b"machine booted from bundle" in client.api.logs(container)
    except NotFound:
        return False


def run(client: docker.DockerClient, container: str, command: Sequence[str]) -> tuple[int, str]:
    """Runs a program on the machine; exit code and output. A stopped machine is exit code 1 with Docker's words."""
    from docker.errors import APIError

    try:
        started = client.api.exec_create(container, list(command))["Id"]
        output = client.api.exec_start(started)
        return client.api.exec_inspect(started)["ExitCode"] or 0, output.decode(errors="replace")
    except APIError as error:
        return 1, str(error.explanation)


_LOG_LINES = 5
_SERVICE = {"consul": "consul", "nomad": "nomad", "vault": "vault", "dns": "unbound", "docker": "docker"}
_GOOD = frozenset({"voter", "member", "ready", "answers"})


def evidence(client: docker.DockerClient, container: str) -> str:
    """Why a machine is not well: which of its services is late, and that one's last words. "" when it is well."""
    details = client.api.inspect_container(container)
    name, boot = details["Config"]["Labels"][labels.MACHINE], client.api.logs(container, tail=_LOG_LINES)
    if not details["State"]["Running"]:
        return _told(f"{name}: {details['State']['Status']}", boot.decode(errors="replace"))
    well, said = health(client, container)
    if well:
        return ""
    late = _late(said)
    if service := _SERVICE.get(late):
        command = ["tail", "-n", str(_LOG_LINES), f"/var/log/hashistack/{service}/current"]
        return _told(f"{name}: {late} is {said['checks'][late]}", run(client, container, command)[1])
    return _told(f"{name}: {late} is {said['checks'][late]}", boot.decode(errors="replace"))


def _late(said: dict[str, Any]) -> str:
    return next((name for name, state in said["checks"].items() if state not in _GOOD), "boot")


def _told(sentence: str, log: str) -> str:
    lines = log.splitlines()[-_LOG_LINES:] or ["(it has said nothing yet)"]
    return "\n".join([sentence, *(f"  {line}" for line in lines)])

"""Machines of one pool as containers: list, make, inspect. The Docker verbs and nothing else."""

from __future__ import annotations

import io
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
from hashistack.local.ranges import API_PORTS, SLOTS, ports
from hashistack.provider.handler import Props, ResourceFailed

if TYPE_CHECKING:
    import docker

    from hashistack.local.blueprint import Blueprint

SECRETS = "/platform/secrets"
INTRODUCTIONS = "/platform/introductions"
"""What servers write and clients read before they register with Nomad, in a volume of the cluster."""
SNAPSHOTS = "/platform/snapshots"
DOCKER = "/var/lib/docker"
"""What the machine's own Docker keeps: a volume of the container's own, as overlay2 can't be on a container's disk."""
IMAGES = "/platform/images"
"""Archives of container images, in a volume of the cluster: what the machine's Docker loads when it starts."""
CAPABILITIES = ["SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE", "IPC_LOCK", "DAC_READ_SEARCH"]
"""What Nomad's exec driver and bridge networking need of a container; servers get none of them."""

UNCONFINED = ["seccomp=unconfined", "apparmor=unconfined"]

STAY: Any = {"Name": "no", "MaximumRetryCount": 0}
"""Docker's restart policy for a machine that was told to go: it must not come back when it has stopped."""

_RESERVED = 16
_TRIES = 16


@dataclass(frozen=True)
class Machine:
    """One container of a pool, as Docker lists it. state: Docker's word. created: seconds of the epoch."""

    id: str
    name: str
    pool: str
    slot: int
    state: str
    bundle: str
    created: int
    address: str
    """In the cluster's network."""

    @property
    def running(self) -> bool:
        """It runs, or Docker is about to start it again."""
        return self.state in ("running", "restarting")

    @property
    def started(self) -> bool:
        """It ran once, so it may hold data; one that Docker is removing is as good as gone."""
        return self.state not in ("created", "removing", "dead")


def listed(api: docker.APIClient, site: str, pool: str = "") -> list[Machine]:
    """The machines of a pool, or of all; the oldest first."""
    filters = {"label": [f"{labels.SITE}={site}", f"{labels.POOL}={pool}" if pool else labels.POOL]}
    found = [
        Machine(
            id=container["Id"],
            name=container["Labels"][labels.MACHINE],
            pool=container["Labels"][labels.POOL],
            slot=int(container["Labels"][labels.SLOT]),
            state=container["State"],
            bundle=container["Labels"][labels.BUNDLE],
            created=container["Created"],
            address=_address(container, site),
        )
        for container in api.containers(all=True, filters=filters)
    ]
    return sorted(found, key=lambda machine: (machine.created, machine.name))


def _address(container: Props, network: str) -> str:
    if address := container["Labels"].get(labels.ADDRESS):
        return str(address)
    found = container["NetworkSettings"]["Networks"].get(network) or {}
    return str((found.get("IPAMConfig") or {}).get("IPv4Address") or found.get("IPAddress") or "")


def fresh_names(pool: str, count: int) -> tuple[str, ...]:
    """Names that no machine had before: Consul and Nomad remember one for days."""
    return tuple(f"{pool}-{token_hex(2)}" for _ in range(count))


def start(
    client: docker.DockerClient,
    plan: Blueprint,
    names: Sequence[str],
    secrets: Mapping[str, bytes] | None = None,
    *,
    started: bool = True,
) -> None:
    """Makes machines side by side, each in the lowest free slot, and starts them. Raises ResourceFailed.

    secrets: documents for the pool's secret store. The first machine brings them along, and none starts before: Docker
    unpacks a file by removing the one that is there, under the eyes of whoever reads it. started: False leaves the
    start to somebody else.
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
            pool.submit(
                make, client, plan, name, slot, free[index :: len(names)], filled, {} if index else secrets, started
            )
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
    started: bool = True,
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
                return _make(client, plan, name, slot, address, filled, secrets or {}, started)
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
    started: bool,
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
        labels.ADDRESS: address,
        labels.PORT_BASE: str(plan.port_base),
    }
    host = client.api.create_host_config(
        binds=[
            *(f"{source}:{target}:ro" for source, target in mounts.items()),
            f"{plan.volume}:{SECRETS}",
            f"{plan.introductions}:{INTRODUCTIONS}{':ro' if client_role else ''}",
            *([f"{plan.snapshots}:{SNAPSHOTS}"] if plan.snapshots else []),
        ],
        # Without a name: it goes with its container.
        mounts=[Mount(DOCKER, None, labels=plan.labels)] if plan.docker else [],
        tmpfs={"/run": "mode=755,exec"},
        cap_add=CAPABILITIES if client_role else [],
        # A privileged container of the machine's own Docker gets every device, and so the machine must have them.
        device_cgroup_rules=["a *:* rwm"] if plan.csi else [],
        security_opt=["label=disable", *(UNCONFINED if client_role else ["no-new-privileges"])],
        userns_mode="host",
        port_bindings={API_PORTS[product]: ("127.0.0.1", port) for product, port in published.items()},
        network_mode=plan.network,
        restart_policy={"Name": "unless-stopped"},
    )
    endpoint = client.api.create_endpoint_config(
        aliases=aliases(name, plan.role, plan.pool, slot), ipv4_address=address
    )
    for volume in (plan.volume, plan.introductions):
        client.api.create_volume(volume, labels=plan.labels)
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
        if started:
            client.api.start(container)
    except APIError:
        client.api.remove_container(container, v=True, force=True)
        raise
    return container


def pool_name(pool: str) -> str:
    """The name in the cluster's network that all machines of a pool of clients have."""
    return f"{pool.lower()}.pool.{DOMAIN}"


def aliases(name: str, role: str, pool: str, slot: int) -> list[str]:
    """The names of a machine in the cluster's network."""
    own = [f"{name}.{DOMAIN}"]
    return [*own, pool_name(pool)] if role == "client" else [*own, f"servers.{DOMAIN}", f"slot-{slot}.{DOMAIN}"]


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

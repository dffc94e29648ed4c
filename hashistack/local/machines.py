"""Machines of one pool as containers: list, make, inspect. The Docker verbs and nothing else."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass

import docker
from docker.errors import APIError

from hashistack.local import labels
from hashistack.local.docker_network import ports
from hashistack.provider.handler import Props, ResourceFailed

DOMAIN = "hashistack.internal"
"""The Docker network's own names live here; unbound sends the zone to Docker's resolver."""

SECRETS = "/platform/secrets"
CAPABILITIES = ["SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE", "IPC_LOCK", "DAC_READ_SEARCH"]
"""What Nomad's exec driver and bridge networking need of a container; servers get none of them."""


@dataclass(frozen=True)
class Machine:
    """One container of a pool, as Docker lists it."""

    id: str
    name: str
    slot: int
    running: bool
    bundle: str
    secrets: str

    @property
    def number(self) -> int:
        return int(re.sub(r".*-", "", self.name))


@dataclass(frozen=True)
class Blueprint:
    """What the machines of a pool have in common."""

    site: str
    labels: dict[str, str]
    pool: str
    role: str
    image: str
    network: str
    port_base: int
    bundle: str
    bundle_archive: bytes
    user_data: str
    secrets: dict[str, bytes]
    secrets_digest: str
    mounts: dict[str, str]
    """Host directory to the directory on the machine, read-only."""


def listed(client: docker.DockerClient, site: str, pool: str) -> list[Machine]:
    """The pool's machines, oldest number first."""
    filters = {"label": [f"{labels.SITE}={site}", f"{labels.POOL}={pool}"]}
    found = [
        Machine(
            id=container["Id"],
            name=container["Labels"]["hashistack.machine"],
            slot=int(container["Labels"][labels.SLOT]),
            running=container["State"] == "running",
            bundle=container["Labels"][labels.BUNDLE],
            secrets=container["Labels"][labels.SECRETS],
        )
        for container in client.api.containers(all=True, filters=filters)
    ]
    return sorted(found, key=lambda machine: machine.number)


def make(client: docker.DockerClient, plan: Blueprint, name: str, slot: int) -> str:
    """Creates and starts one machine; returns its container id. Raises ResourceFailed, leaving nothing behind."""
    client_role = plan.role == "client"
    published = {} if client_role else ports(plan.port_base, slot)
    inside = {"nomad": 4646, "consul": 8501, "vault": 8200}
    marks = {
        **plan.labels,
        labels.POOL: plan.pool,
        labels.ROLE: plan.role,
        labels.BUNDLE: plan.bundle,
        labels.SECRETS: plan.secrets_digest,
        labels.SLOT: str(slot),
        "hashistack.machine": name,
    }
    aliases = [name + "." + DOMAIN]
    if not client_role:
        aliases += [f"servers.{DOMAIN}", f"slot-{slot}.{DOMAIN}"]
    host = client.api.create_host_config(
        binds=[f"{source}:{target}:ro" for source, target in plan.mounts.items()] + [f"{volume(plan)}:{SECRETS}"],
        tmpfs={"/run": "mode=755,exec"},
        cap_add=CAPABILITIES if client_role else [],
        security_opt=["seccomp=unconfined", "apparmor=unconfined"] if client_role else ["no-new-privileges"],
        port_bindings={inside[product]: ("127.0.0.1", port) for product, port in published.items()},
        network_mode=plan.network,
        restart_policy={"Name": "unless-stopped"},
    )
    client.api.create_volume(volume(plan), labels=plan.labels)
    try:
        container: str = client.api.create_container(
            plan.image,
            name=f"{plan.site}-{name}",
            hostname=name,
            labels=marks,
            host_config=host,
            ports=[inside[product] for product in published],
            networking_config={"EndpointsConfig": {plan.network: client.api.create_endpoint_config(aliases=aliases)}},
        )["Id"]
        try:
            client.api.put_archive(container, "/", _archive(plan))
            client.api.start(container)
        except APIError:
            client.api.remove_container(container, v=True, force=True)
            raise
    except APIError as error:
        raise ResourceFailed(f"machine {name}: Docker says: {error.explanation}") from error
    return container


def volume(plan: Blueprint) -> str:
    """The pool's secret store: a volume that only its own machines mount."""
    return f"{plan.site}-{plan.pool}-secrets"


def put_secrets(client: docker.DockerClient, container: str, secrets: dict[str, bytes]) -> None:
    """Writes documents into the secret store that ``container`` mounts."""
    client.api.put_archive(container, SECRETS, _tar({name: (data, 0o600) for name, data in secrets.items()}))


def _archive(plan: Blueprint) -> bytes:
    files = {
        "etc/hashistack/user-data": (plan.user_data.encode(), 0o755),
        bundle_path(plan.bundle): (plan.bundle_archive, 0o644),
        **{f"{SECRETS[1:]}/{name}": (data, 0o600) for name, data in plan.secrets.items()},
    }
    return _tar(files)


def bundle_path(digest: str) -> str:
    """Where a machine finds its bundle, relative to its root."""
    return f"opt/hashistack/artifacts/{digest}.tar.gz"


def _tar(files: dict[str, tuple[bytes, int]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path, (data, mode) in files.items():
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(data), mode
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def health(client: docker.DockerClient, container: str) -> tuple[bool, Props]:
    """What the machine says of itself now (see `machine/node/health`)."""
    code, output = run(client, container, ["/opt/hashistack/current/bin/health"])
    try:
        return code == 0, json.loads(output)
    except ValueError:
        return False, {"checks": {"boot": output.strip().splitlines()[-1] if output.strip() else "not booted"}}


def run(client: docker.DockerClient, container: str, command: Sequence[str]) -> tuple[int, str]:
    """Runs a program on the machine; exit code and output. A stopped machine is exit code 1 with Docker's words."""
    try:
        started = client.api.exec_create(container, list(command))["Id"]
        output = client.api.exec_start(started)
        return client.api.exec_inspect(started)["ExitCode"] or 0, output.decode(errors="replace")
    except APIError as error:
        return 1, str(error.explanation)

"""What a machine says of itself, and why one is not well: its late service's last words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hashistack.local import labels
from hashistack.provider.handler import Props

if TYPE_CHECKING:
    import docker


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


_LOGS = "/var/log/hashistack"
_LOG_BYTES = 1 << 20
"""Of one log: as much as svlogd keeps in a file."""


def logs(client: docker.DockerClient, container: str) -> dict[str, str]:
    """The last megabyte that each service of a machine has written, also of one that is stopped; not Vault's audit."""
    import io
    import tarfile

    from docker.errors import NotFound

    said = {"boot": client.api.logs(container, tail=1000)}
    try:
        packed = io.BytesIO(b"".join(client.api.get_archive(container, _LOGS)[0]))
    except NotFound:  # it has not come so far
        packed = io.BytesIO()
    if packed.getbuffer().nbytes:
        with tarfile.open(fileobj=packed) as archive:
            for member in archive:
                service, _, name = member.name.rpartition("/")
                if name == "current" and (log := archive.extractfile(member)):
                    said[service.rpartition("/")[2]] = log.read()
    return {f"{name}.log": text[-_LOG_BYTES:].decode(errors="replace") for name, text in said.items()}


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

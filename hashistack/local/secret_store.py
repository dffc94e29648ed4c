"""A local cluster's secret store as seen from the host: a volume, reached through any server that mounts it."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

from hashistack.errors import HashistackError
from hashistack.local import labels, machines

if TYPE_CHECKING:
    import docker

VAULT_INIT = "vault-init"
"""The document that holds Vault's unseal key."""

VAULT_INIT_CLOSED = "vault-init-closed"
"""The same, closed with the stack's secret (`ops/snapshots/key_wrap.py`): what servers put into snapshots."""


class StoreUnreachable(HashistackError):
    """No server of the cluster is on this Docker host, so nobody can reach its secret store."""


def read(site: str, name: str) -> str:
    """A document of the server pool's store, "" when there is none by that name.

    Raises:
        StoreUnreachable: the cluster has no server here.
    """
    from docker.errors import NotFound

    client, container = _server(site)
    try:
        pieces, _ = client.api.get_archive(container, f"{machines.SECRETS}/{name}")
    except NotFound:
        return ""
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as tar:
        content = tar.extractfile(name)
        return content.read().decode() if content else ""


def write(site: str, name: str, document: str) -> None:
    """Put a document into the server pool's store; every server reads it there.

    Raises:
        StoreUnreachable: the cluster has no server here.
    """
    client, container = _server(site)
    machines.put_secrets(client, container, {name: document.encode()})


def _server(site: str) -> tuple[docker.DockerClient, str]:
    from hashistack.local.docker_client import engine

    client = engine()
    filters = {"label": [f"{labels.SITE}={site}", f"{labels.ROLE}=server"]}
    found = client.api.containers(filters=filters)
    if not found:
        raise StoreUnreachable(f"no server of {site} runs on this Docker host", "hashistack start, or hashistack up")
    return client, str(found[0]["Id"])

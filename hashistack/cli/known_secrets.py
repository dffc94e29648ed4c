"""Every secret that is known of a cluster: what no text that leaves this machine may hold."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator

from hashistack import platforms
from hashistack.errors import HashistackError
from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.connection import Connection
from hashistack.ops.support.redaction import of_data


def known_secrets(of_state: Iterable[str], connection: Connection, cluster: Cluster) -> list[str]:
    """of_state: what the stack's state has (`Engine.secrets`)."""
    return [*of_state, *connection.secrets, *_of_cluster(connection, cluster)]


def _of_cluster(connection: Connection, cluster: Cluster) -> Iterator[str]:
    """What the cluster made for itself: Vault's unseal key where the platform keeps it, the token of this look."""
    asked: tuple[Callable[[], str], ...] = (lambda: platforms.driver(connection).vault_init(), cluster.vault.login)
    for ask in asked:
        try:
            said = ask()
        except HashistackError:
            continue  # who can't be asked has told nothing that could be in the text
        if said.startswith("{"):
            document = json.loads(said)
            yield from of_data([document[name] for name in document if "key" in name or "token" in name], named=True)
        else:
            yield said

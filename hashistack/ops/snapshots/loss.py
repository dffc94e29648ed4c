"""The note that all servers were lost at once and their successors began with nothing.

The machine that begins anew leaves it in Consul's key/value store, where the archive that is restored takes its place.
While it is there the servers take no snapshots: those of an empty cluster would push the good ones out.
"""

from __future__ import annotations

from hashistack.ops.api.cluster import Cluster

KEY = "hashistack/lost"
"""In Consul's key/value store; `node/bootstrap/bootstrap-vault` writes it."""


def loss(cluster: Cluster) -> str:
    """What was lost and what to do, "" where nothing was. Raises ApiError: Consul did not answer."""
    found = cluster.consul.api.call("GET", f"/v1/kv/{KEY}", params={"raw": "true"}, accept=(404,))
    if found.status == 404:
        return ""
    return (
        f"all servers were lost before {found.data}, and with them what Nomad, Consul and Vault kept; no snapshot is "
        "taken until that is settled. Next: hashistack snapshot list, then hashistack snapshot restore ARCHIVE; to go "
        f"on without it: consul kv delete {KEY}"
    )


def accept(cluster: Cluster) -> None:
    """Go on without what was lost, as the user said. Raises ApiError: Consul did not answer."""
    cluster.consul.api.call("DELETE", f"/v1/kv/{KEY}")

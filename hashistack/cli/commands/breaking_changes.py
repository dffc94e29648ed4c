"""What releases on the way would break of a cluster: looked for before an upgrade, told, and a reason to stop."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from hashistack.cli.errors import Refusal
from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.connection import Connection
from hashistack.ops.rollout.breaking_changes import Affected, affected, ahead, inventory, stopping
from hashistack.spec.catalog import BREAKING_CHANGES


def look_ahead(cluster: Cluster, connection: Connection, to: Mapping[str, str]) -> list[Affected]:
    """What of the cluster the releases on the way remove or change. Raises ApiError."""
    changes = ahead(connection.versions, to)
    return affected(changes, inventory(cluster, changes))


def refuse_breaking(found: Sequence[Affected], accept: Collection[str]) -> None:
    """Raises Refusal with everything that would break and is not accepted, and with ids that there are none of."""
    known = {change.id for change in BREAKING_CHANGES}
    if strange := sorted(set(accept) - known):
        raise Refusal(f"--accept {', '.join(strange)}: no breaking change is called so", "hashistack upgrade --path")
    if against := stopping(found, accept):
        ids = " ".join(f"--accept {name}" for name in dict.fromkeys(one.change.id for one in against))
        raise Refusal("\n".join(["this would break:", *(f"  {one}" for one in against)]), f"correct it, or add {ids}")


def lines_of(found: Sequence[Affected]) -> list[str]:
    """A line for each place, what would break first."""
    return [f"{'would break' if one.change.stops else 'worth knowing'}: {one}" for one in found]


def data_of(found: Sequence[Affected]) -> list[dict[str, Any]]:
    return [
        {"id": one.change.id, "place": one.place, "what": one.change.what, "stops": one.change.stops} for one in found
    ]

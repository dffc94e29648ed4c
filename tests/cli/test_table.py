"""What `status` makes of what the three APIs say."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hashistack.cli.table import look
from hashistack.ops.connection import Pool
from hashistack.ops.raft import Peer, Raft


def test_a_machine_in_the_catalog_that_is_not_ours_is_shown_as_such() -> None:
    raft = Raft((Peer("server-1", True, True),))
    connection = SimpleNamespace(
        name="shop-1f",
        provider="local",
        datacenter="dc1",
        pools=(Pool("server", "server", 1),),
        machines=lambda role=None: 1,
        certificate_days=lambda: 300,
    )
    consul = SimpleNamespace(
        raft=lambda: raft,
        machines=lambda: {"server-1": "server", "stranger": ""},
        machine_health=lambda: (),
    )
    nomad = SimpleNamespace(raft=lambda: raft, nodes=lambda: (), running=dict)
    vault = SimpleNamespace(raft=lambda: raft, health=lambda: ())
    cluster: Any = SimpleNamespace(connection=connection, consul=consul, nomad=nomad, vault=vault)
    roles = {row["node"]: row["role"] for row in look(cluster)["machines"]}
    assert roles == {"server-1": "server", "stranger": "unknown"}

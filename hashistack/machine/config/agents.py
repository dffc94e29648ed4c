"""The configuration of the agents that run on a pool's machines, the user's own settings last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hashistack.machine.config.consul import consul
from hashistack.machine.config.fragments import Fragments
from hashistack.machine.config.nomad import nomad
from hashistack.machine.config.vault import vault
from hashistack.machine.platform import Platform
from hashistack.machine.roles import SERVER
from hashistack.spec import ClusterSpec


def agents(spec: ClusterSpec, pool: str, platform: Platform, cni: str) -> dict[str, Fragments]:
    """Product to its fragments on the machines of ``pool``; ``cni`` is the directory of the CNI plugins."""
    declared = next((client for client in spec.clients if client.name == pool), spec.servers)
    found = {
        "consul": {**consul(spec, pool, platform), **_own(declared.consul_config)},
        "nomad": {**nomad(spec, pool, platform, cni), **_own(declared.nomad_config)},
    }
    if pool == SERVER:
        found["vault"] = {**vault(spec, platform), **_own(spec.servers.vault_config)}
    return found


def _own(settings: Mapping[str, Any]) -> Fragments:
    return {"80-own.json": dict(settings)} if settings else {}

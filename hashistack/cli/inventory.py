"""A cluster's machines as Ansible's dynamic inventory: pure but for `look`.

Its form: https://docs.ansible.com/ansible/latest/dev_guide/developing_inventory.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.connection import Pool
from hashistack.ops.api.http import ApiError
from hashistack.ops.rollout.driver import Instance

Variables = dict[str, str]


def look(cluster: Cluster) -> dict[str, Mapping[str, str]]:
    """What the APIs say of each machine, by variable; what a product does not answer is left out."""
    asked: dict[str, Callable[[], Mapping[str, str]]] = {
        "hashistack_address": cluster.consul.addresses,
        "hashistack_consul": cluster.consul.builds,
        "hashistack_nomad": cluster.nomad.builds,
        "hashistack_health": lambda: {one.machine: one.status for one in cluster.consul.machine_health()},
    }
    said = {}
    with ThreadPoolExecutor(len(asked)) as workers:
        futures = {name: workers.submit(call) for name, call in asked.items()}
        for name, future in futures.items():
            try:
                said[name] = future.result()
            except ApiError:
                said[name] = {}
    return said


def variables(
    instances: Sequence[Instance],
    pools: Sequence[Pool],
    said: Mapping[str, Mapping[str, str]],
    reach: Mapping[str, Mapping[str, str]],
) -> dict[str, Variables]:
    """Machine to its variables, by name; texts all. `health` is `unknown` of a machine that says nothing."""
    roles = {pool.name: pool.role for pool in pools}
    return {
        one.name: {
            "hashistack_pool": one.pool,
            "hashistack_role": roles.get(one.pool, "client"),
            "hashistack_state": one.state,
            "hashistack_bundle": one.bundle,
            "hashistack_health": "unknown",
            **{name: known[one.name] for name, known in said.items() if one.name in known},
            **reach.get(one.name, {}),
        }
        for one in sorted(instances, key=lambda one: one.name)
    }


GROUPS = ("role", "pool", "zone", "state", "health", "nomad", "consul")
"""The variables whose values are groups, `pool_web` or `nomad_1_11_3`."""


def ansible(hosts: Mapping[str, Variables]) -> dict[str, Any]:
    """The answer to `--list`, with every host's variables in it, so that Ansible asks for none by `--host`."""
    groups: dict[str, list[str]] = {}
    for name, known in hosts.items():
        for kind in GROUPS:
            if value := known.get(f"hashistack_{kind}"):
                groups.setdefault(re.sub(r"\W", "_", f"{kind}_{value}"), []).append(name)
    named = {group: {"hosts": members} for group, members in sorted(groups.items())}
    return {"_meta": {"hostvars": dict(hosts)}, "all": {"children": ["ungrouped", *named]}, **named}

"""What the three APIs say of a cluster, for somebody who helps: Raft, members, health, configuration, work."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.http import ApiError

_EVERYWHERE: Final = {"namespace": "*", "per_page": 500}

ASKED: Final[Mapping[str, Mapping[str, tuple[str, Mapping[str, Any]]]]] = {
    "consul": {
        "raft": ("/v1/operator/raft/configuration", {}),
        "autopilot": ("/v1/operator/autopilot/health", {}),
        "members": ("/v1/agent/members", {}),
        "nodes": ("/v1/catalog/nodes", {}),
        "checks": ("/v1/health/state/any", {}),
        "agent": ("/v1/agent/self", {}),
    },
    "nomad": {
        "raft": ("/v1/operator/raft/configuration", {}),
        "autopilot": ("/v1/operator/autopilot/health", {}),
        "members": ("/v1/agent/members", {}),
        "nodes": ("/v1/nodes", {}),
        "jobs": ("/v1/jobs", _EVERYWHERE),
        "deployments": ("/v1/deployments", _EVERYWHERE),
        "allocations": ("/v1/allocations", {**_EVERYWHERE, "reverse": "true"}),
        "evaluations": ("/v1/evaluations", {**_EVERYWHERE, "reverse": "true"}),
        "agent": ("/v1/agent/self", {}),
    },
    "vault": {
        "raft": ("/v1/sys/storage/raft/configuration", {}),
        "autopilot": ("/v1/sys/storage/raft/autopilot/state", {}),
        "seal": ("/v1/sys/seal-status", {}),
        "leader": ("/v1/sys/leader", {}),
    },
}
"""Product to what is asked of it: name to path and parameters. The newest 500 of what grows; none returns a value of a
user's (a variable, a key, a job's environment)."""


def answers(cluster: Cluster) -> dict[str, str]:
    """File name to an answer as JSON, or to the error where there is none."""

    def ask(product: str, path: str, params: Mapping[str, Any]) -> str:
        try:
            token = {"token": cluster.vault.header()} if product == "vault" else {}
            api = getattr(cluster, product).api
            # 429 is autopilot's way to say "not healthy".
            return json.dumps(api.call("GET", path, params=params, accept=(429,), **token).data, indent=1)
        except ApiError as error:
            return json.dumps({"error": str(error)})

    calls = {
        f"{product}/{name}.json": (product, *what) for product, asked in ASKED.items() for name, what in asked.items()
    }
    with ThreadPoolExecutor(8) as workers:
        futures = {file: workers.submit(ask, *call) for file, call in calls.items()}
        return {file: future.result() for file, future in futures.items()}

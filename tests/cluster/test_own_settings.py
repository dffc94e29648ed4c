"""Own settings reach the agents: what these say of themselves by their APIs."""

from __future__ import annotations

import json

from hashistack.ops.api.cluster import Cluster

from .datacenter import Datacenter, Machine


def consul_connections(machine: Machine) -> int:
    """The limit of connections for each client that the machine's Consul runs with."""
    role = machine.container.labels["hashistack.role"]
    token = machine.role_document()[f"consul_nomad_{role}"]
    options = '-H "X-Consul-Token: $TOKEN"'
    status, body = machine.get("http://127.0.0.1:8500/v1/agent/self", options, {"TOKEN": token})
    assert status == 200, body
    return int(json.loads(body)["DebugConfig"]["HTTPMaxConnsPerClient"])


def test_the_servers_own_settings_are_in_force(datacenter: Datacenter) -> None:
    assert datacenter.nomad("/v1/agent/self")["config"]["Server"]["JobGCThreshold"] == "5h"
    with Cluster(datacenter.connection) as cluster:
        header = cluster.vault.header()
        said = cluster.vault.api.call("GET", "/v1/sys/config/state/sanitized", token=header).data
    assert said["data"]["default_lease_ttl"] == 705 * 3600
    assert {consul_connections(server) for server in datacenter.servers} == {205}


def test_a_pools_own_settings_are_in_force(datacenter: Datacenter) -> None:
    for client in datacenter.clients:
        assert consul_connections(client) == 206
        docker = client.configuration("nomad")["plugin"]["docker"]["config"]
        assert (docker["extra_labels"], docker["allow_privileged"]) == (["job_name"], False)

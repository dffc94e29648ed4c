"""Own settings on the machine: the last fragment, and none that we rely on is free to be changed."""

from __future__ import annotations

import json

from hashistack.machine.config.fragments import filled, merged
from hashistack.spec import ClientPool, ClusterSpec, ServerPool
from hashistack.spec.own_settings import REFUSED

from .cases import CASES, LAPTOP, Case, configuration
from .documents import DOCUMENTS
from .sandbox import Sandbox
from .test_render import RENDER, rendered

SERVERS = ServerPool(
    nomad_config={"server": {"job_gc_threshold": "5h"}},
    consul_config={"limits": {"http_max_conns_per_client": 150}},
    vault_config={"default_lease_ttl": "700h", "ui": False},
)
WEB = ClientPool(
    name="web",
    nomad_config={"plugin": {"docker": {"config": {"pids_limit": 100}}}, "client": {"meta": {"rack": "r1"}}},
    consul_config={"dns_config": {"enable_truncate": False}},
)
OWN = Case(ClusterSpec(name="x", servers=SERVERS, clients=(WEB, ClientPool(name="batch"))), LAPTOP)
PLAIN = Case(ClusterSpec(name="x", clients=(ClientPool(name="web"), ClientPool(name="batch"))), LAPTOP)

FREE = {
    "nomad_config": """autopilot disable_update_check server.default_scheduler_config server.heartbeat_grace
        server.raft_multiplier telemetry
        client.bridge_network_hairpin_mode client.max_dynamic_port client.meta client.min_dynamic_port
        client.options.fingerprint plugin.docker.config.gc plugin.docker.config.pids_limit""",
    "consul_config": """autopilot connect.enabled disable_update_check dns_config performance retry_interval telemetry
        ui_config""",
    "vault_config": "log_level telemetry ui",
}
"""What we set and who likes may change: performance, logs, what is counted, whether there is a mesh, and names that
others add to."""


def test_everything_that_we_set_is_refused_or_free_on_purpose() -> None:
    def under(path: str, paths: object) -> bool:
        return any(f"{path}.".startswith(f"{one}.") for one in str(paths).split())

    strange = set()
    for case in CASES.values():
        for pool in case.pools:
            bundle = case.bundle(pool)
            for product in ("nomad", "consul", "vault"):
                field = f"{product}_config"
                found = [("", configuration(bundle, product))]
                while found:
                    path, value = found.pop()
                    if under(path, " ".join(REFUSED[field])) or under(path, FREE[field]):
                        continue
                    if isinstance(value, dict) and value:
                        found += [(f"{path}.{key}".removeprefix("."), inner) for key, inner in value.items()]
                    elif value != {}:
                        strange.add(f"{field}.{path}")
    assert strange == set()


def test_they_are_the_last_fragment_and_change_the_digest_of_their_pool_alone() -> None:
    for pool in OWN.pools:
        assert (OWN.bundle(pool).sha256 == PLAIN.bundle(pool).sha256) == (pool == "batch"), pool
        assert not any(path.endswith("own.json") for path in PLAIN.bundle(pool).files)
    files = OWN.bundle("web").files
    assert sorted(path for path in files if path.startswith("conf/nomad/"))[-1] == "conf/nomad/80-own.json"
    assert json.loads(files["conf/nomad/80-own.json"]) == WEB.nomad_config


def test_a_machine_merges_them_over_ours(machine: Sandbox) -> None:
    for pool, role in (("server", "server"), ("web", "client")):
        machine.install_bundle(OWN.bundle(pool), role, pool)
        machine.facts(DOCUMENTS[role])
        done = machine.run(RENDER)
        assert done.returncode == 0, done.stderr
        known = {
            **{f"secret.{name}": secret for name, secret in DOCUMENTS[role].items()},
            **json.loads(machine.read("/run/hashistack/facts.json")),
        }
        for product in ("nomad", "consul", *(["vault"] if role == "server" else [])):
            prefix = f"conf/{product}/"
            fragments = {
                path.removeprefix(prefix): json.loads(contents)
                for path, contents in OWN.bundle(pool).files.items()
                if path.startswith(prefix)
            }
            # What the preflight shows the validators is what a machine makes.
            assert rendered(machine, product) == filled(merged(fragments), known)
    nomad = rendered(machine, "nomad")
    docker = nomad["plugin"]["docker"]["config"]
    assert (docker["pids_limit"], docker["allow_privileged"]) == (100, False)
    assert (nomad["client"]["meta"]["rack"], nomad["client"]["meta"]["pool"]) == ("r1", "web")

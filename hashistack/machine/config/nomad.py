"""Nomad's agent configuration as JSON fragments."""

from __future__ import annotations

from typing import Final

from hashistack.machine.config.docker import AUTH, PAUSE
from hashistack.machine.config.fragments import TLS, Fragments, Json
from hashistack.machine.platform import Platform
from hashistack.spec import ClientPool, ClusterSpec
from hashistack.spec.pool import DRIVERS
from hashistack.spec.ports import CONSUL_HTTP, VAULT_API
from hashistack.spec.versions import parse

CLOUDS = ("aws", "azure", "digitalocean", "gce")
"""Nomad's environment fingerprinters, ``env_<cloud>``: its own list, and no list of ours."""

IMAGE_CNI: Final = "/opt/cni/bin"
"""Where an image of the user's own has further CNI plugins: https://developer.hashicorp.com/nomad/docs/networking/cni"""

# A service's new Consul token is read back from any server, and one that does not have it yet makes the allocation wait
# for twice this. Nomad's default is 500 ms; Consul's servers are a few milliseconds apart.
_TOKEN_CHECK = {"consul.token_preflight_check.base": "50ms"}


def nomad(spec: ClusterSpec, pool: str, platform: Platform, cni: str) -> Fragments:
    """Fragments for the Nomad agent of one machine of ``pool``; ``cni`` is the directory of the CNI plugins."""
    client = next((candidate for candidate in spec.clients if candidate.name == pool), None)
    base: Json = {
        "name": "{{name}}",
        "region": spec.region,
        "datacenter": spec.datacenter,
        "data_dir": "/var/lib/hashistack/nomad",
        "bind_addr": "0.0.0.0",  # noqa: S104 - what may reach it is the firewall's business
        "advertise": {"http": "{{ip}}", "rpc": "{{ip}}", "serf": "{{ip}}"},
        "disable_update_check": True,
        # A restart (TERM) is no removal: only a machine that is taken away leaves, a server by INT (node/leave/leave).
        "leave_on_interrupt": client is None,
        "leave_on_terminate": False,
        "acl": {"enabled": True, "token_ttl": spec.acl.token_ttl, "policy_ttl": spec.acl.policy_ttl},
        "tls": {
            "http": True,
            "rpc": True,
            **{f"{kind}_file": TLS.format(product="nomad", kind=kind) for kind in ("ca", "cert", "key")},
            "verify_server_hostname": True,
            # Vault and Consul read the JWKS without a client certificate: hashicorp/nomad#23877.
            "verify_https_client": False,
            "tls_min_version": spec.tls.min_version,
        },
        "consul": {
            "address": f"127.0.0.1:{CONSUL_HTTP.number}",
            "service_auth_method": "nomad-workloads",
            "task_auth_method": "nomad-workloads",
            "service_identity": {"aud": ["consul.io"], "ttl": "1h"},
            "task_identity": {"aud": ["consul.io"], "ttl": "1h"},
        },
        "vault": {
            "enabled": True,
            "address": f"https://active.vault.service.{spec.dns.domain}:{VAULT_API.number}",
            # A standby that can't hand a request on, as in an election, leads to the active server's address, which no
            # certificate has. A task's login would fail for good.
            "tls_server_name": f"active.vault.service.{spec.dns.domain}",
            "ca_file": TLS.format(product="nomad", kind="ca"),
            "jwt_auth_backend_path": "jwt-nomad",
            "create_from_role": "nomad-workloads",
            "default_identity": {"aud": ["vault.io"], "ttl": "1h"},
        },
        # Of its tasks, and of its disks.
        "telemetry": {
            "prometheus_metrics": True,
            "publish_allocation_metrics": client is not None,
            "publish_node_metrics": client is not None,
        },
    }
    join: Json = {"retry_join": list(platform.join), "retry_interval": "500ms", "retry_max": 0}
    if client is None:
        return {
            "20-base.json": base,
            "40-role.json": {
                "server": {
                    "enabled": True,
                    "bootstrap_expect": "{{expect}}",
                    "raft_multiplier": 1,
                    "server_join": join,
                    "heartbeat_grace": spec.servers.heartbeat_grace,
                    **_log_store(spec.versions.of("nomad")),
                    **_client_introduction(spec.versions.of("nomad")),
                    # Of a new cluster. A task's `memory_max` is ignored unless this is on. The rest is Nomad's default,
                    # which is gone where anything is said here.
                    "default_scheduler_config": {
                        "memory_oversubscription_enabled": True,
                        "preemption_config": {"system_scheduler_enabled": True},
                    },
                },
                # A joiner votes as soon as it is sound: the default of 10 s is most of a server's replacement.
                "autopilot": {"cleanup_dead_servers": True, "server_stabilization_time": "2s"},
            },
            "60-secrets.json": {
                "server": {"encrypt": "{{secret.nomad_gossip}}"},
                "consul": {"token": "{{secret.consul_nomad_server}}"},
            },
        }
    return {
        "20-base.json": base,
        "40-role.json": {
            "client": _client(spec, client, platform, cni, join),
            "plugin": _plugins(spec, client, platform),
        },
        "60-secrets.json": {"consul": {"token": "{{secret.consul_nomad_client}}"}},
    }


def _log_store(version: str) -> Json:
    """Where Raft's log is: a write-ahead log from the series on that has it, BoltDB before.

    Nomad refuses one where there is the other's, but a machine keeps its series: another one comes with a new machine.
    https://developer.hashicorp.com/nomad/docs/configuration/server#raft_logstore
    """
    return {"raft_logstore": {"backend": "wal"}} if parse(version) >= (2, 0, 0) else {}


def client_pools(spec: ClusterSpec) -> str:
    """The pools of clients, a line each: its name, its node pool in Nomad.

    Servers read it where the platform keeps it, and not in their bundle: a new pool is no reason for new servers.
    """
    return "".join(f"{pool.name} {pool.node_pool}\n" for pool in spec.clients)


def introduces(version: str) -> bool:
    """Whether a client of this release needs an introduction by the servers before it may register."""
    return parse(version) >= (1, 11, 0)


def _client_introduction(version: str) -> Json:
    """Nomad's default only warns. `bootstrap/introduce-clients` asks for tokens of the longest life.

    An hour is also what a key that was rotated out still counts for at least (`root_key_gc_threshold`).
    https://developer.hashicorp.com/nomad/docs/configuration/server#client_introduction
    """
    if not introduces(version):
        return {}
    return {"client_introduction": {"enforcement": "strict", "default_identity_ttl": "5m", "max_identity_ttl": "1h"}}


def _client(spec: ClusterSpec, pool: ClientPool, platform: Platform, cni: str, join: Json) -> Json:
    ours = {"hashistack_pool": pool.name, "hashistack_bundle": "{{bundle}}"}
    meta = {**_TOKEN_CHECK, "pool": pool.name, **pool.meta, **ours}
    return {
        "enabled": True,
        "node_pool": pool.node_pool,
        "node_class": pool.node_class or pool.name,
        "meta": meta,
        "server_join": join,
        # Ours first. consul-cni, by which transparent_proxy works, is none of them: HashiCorp's package puts it there.
        "cni_path": f"{cni}:{IMAGE_CNI}",
        "bridge_network_subnet": spec.network.bridge,
        # A task may reach its own service by its .consul name too.
        "bridge_network_hairpin_mode": True,
        "no_host_uuid": True,
        "min_dynamic_port": spec.network.min_dynamic_port,
        "max_dynamic_port": spec.network.max_dynamic_port,
        "host_volume": {
            name: {"path": volume.path, "read_only": volume.read_only} for name, volume in pool.host_volumes.items()
        },
        **({"chroot_env": _chroot(platform.task_root)} if platform.task_root else {}),
        "options": {
            "driver.denylist": ",".join(driver for driver in sorted(DRIVERS) if driver not in pool.drivers),
            # Each cloud's fingerprinter waits seconds for a metadata service that only that cloud has.
            "fingerprint.denylist": ",".join(f"env_{cloud}" for cloud in CLOUDS if cloud != platform.fingerprint),
        },
    }


def _chroot(root: str) -> Json:
    return {root: "/", "/etc/resolv.conf": "/etc/resolv.conf"}


def _plugins(spec: ClusterSpec, pool: ClientPool, platform: Platform) -> Json:
    # Nomad's defaults but for pids_limit, which is unlimited, and infra_image, which is pulled from a registry:
    # https://developer.hashicorp.com/nomad/docs/deploy/task-driver/docker
    # A privileged container can mount what it likes anyway, and plugins that mount by the machine's own programs ask
    # for its root: https://github.com/democratic-csi/democratic-csi/blob/master/docs/nomad.md
    docker: Json = {
        "allow_privileged": pool.csi,
        "volumes": {"enabled": pool.csi},
        "pids_limit": 4096,
        "infra_image": PAUSE,
        "gc": {"image": not platform.keeps_images},
    }
    if any(registry.credentials for registry in spec.registries):
        docker["auth"] = {"config": f"/opt/hashistack/current/{AUTH}"}
    known: dict[str, Json] = {"docker": docker, "raw_exec": {"enabled": True}}
    # A mapping and no list, so that a pool's own settings are merged into it.
    return {driver: {"config": known[driver]} for driver in sorted(pool.drivers) if driver in known}

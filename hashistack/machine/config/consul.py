"""Consul's agent configuration as JSON fragments."""

from __future__ import annotations

from hashistack.machine.config.fragments import TLS, Fragments, Json
from hashistack.machine.platform import Platform
from hashistack.spec import ClusterSpec
from hashistack.spec.ports import CONSUL_DNS, CONSUL_GRPC, CONSUL_HTTP, CONSUL_HTTPS

_TLS_VERSIONS = {"tls12": "TLSv1_2", "tls13": "TLSv1_3"}


def consul(spec: ClusterSpec, pool: str, platform: Platform) -> Fragments:
    """Fragments for the Consul agent of one machine of ``pool`` (``server``: one that votes)."""
    server = pool == "server"
    base: Json = {
        "node_name": "{{name}}",
        "datacenter": spec.datacenter,
        "domain": spec.dns.domain,
        "data_dir": "/var/lib/hashistack/consul",
        "bind_addr": "{{ip}}",
        "client_addr": "127.0.0.1",
        "ports": {"http": CONSUL_HTTP.number, "dns": CONSUL_DNS.number, "grpc": -1, "grpc_tls": -1},
        "addresses": {"http": "127.0.0.1", "dns": "127.0.0.1 {{ip}}" if server else "127.0.0.1"},
        "retry_join": list(platform.join),
        # Consul's own default is 30 s between attempts; on a fresh cluster that is the whole boot.
        "retry_interval": "500ms",
        # How long a server that leaves is there for what it is being asked: 5 s by default, most of its way out.
        "performance": {"raft_multiplier": 1, "leave_drain_time": "2s"},
        "disable_update_check": True,
        "enable_script_checks": False,
        "disable_remote_exec": True,
        "encrypt_verify_incoming": True,
        "encrypt_verify_outgoing": True,
        # A restart (TERM) is not a removal: only a machine that is taken away leaves, by INT (node/leave/leave).
        "leave_on_terminate": False,
        "skip_leave_on_interrupt": False,
        "http_config": {"allow_write_http_from": ["127.0.0.0/8", *platform.operators]},
        "dns_config": {
            "allow_stale": True,
            # `warning` is not `serving`: https://developer.hashicorp.com/consul/docs/reference/agent/configuration-file/dns
            "only_passing": True,
            "enable_truncate": True,
        },
        "node_meta": {"hashistack_pool": pool, "hashistack_bundle": "{{bundle}}"},
        "tls": {
            "defaults": {
                **{f"{kind}_file": TLS.format(product="consul", kind=kind) for kind in ("ca", "cert", "key")},
                "verify_incoming": True,
                "verify_outgoing": True,
                "tls_min_version": _TLS_VERSIONS[spec.tls.min_version],
            },
            "internal_rpc": {"verify_server_hostname": True},
        },
        "acl": {
            "enabled": True,
            "default_policy": spec.acl.default_policy,
            "token_ttl": spec.acl.token_ttl,
            "policy_ttl": spec.acl.policy_ttl,
            "down_policy": "extend-cache",
            "enable_token_persistence": False,
        },
        # Without a retention there is no Prometheus format. As in Vault, whose default it is.
        "telemetry": {"disable_hostname": True, "prometheus_retention_time": "24h"},
        "services": [
            # A machine says itself whether it is well (node/watch/health). A service of its own, not a check of the
            # node: that would take every service of an ailing machine out of DNS.
            {
                "name": "hashistack",
                "meta": {"pool": pool},
                "checks": [
                    {"id": "hashistack", "name": "machine health", "ttl": "30s", "status": "critical"},
                ],
            }
        ],
    }
    # Sidecars get their configuration from the agent beside them, by their own token, through Nomad's socket.
    role: Json = {"server": False, "ports": {"grpc": CONSUL_GRPC.number}, "addresses": {"grpc": "127.0.0.1"}}
    if server:
        role = {
            "server": True,
            "bootstrap_expect": "{{expect}}",
            "ui_config": {"enabled": True},
            # The mesh's CA is Consul's own; no machine's certificate comes from it.
            "connect": {"enabled": True},
            # No federation: without it the gossip of a wide area is a port open for nothing, and 4 s of each leave.
            "ports": {"https": CONSUL_HTTPS.number, "serf_wan": -1},
            "addresses": {"https": "{{ip}} 127.0.0.1"},
            "autopilot": {
                "cleanup_dead_servers": True,
                # A joiner votes as soon as it is sound, as in Vault: the rollout gates on voters anyway.
                "server_stabilization_time": "2s",
                # The default, 0, lets autopilot shrink a cluster to one voter: hashicorp/consul#5922.
                "min_quorum": "{{quorum}}",
            },
        }
    agent = "consul_server_agent" if server else "consul_client_agent"
    tokens: Json = {
        "agent": f"{{{{secret.{agent}}}}}",
        # The token under which a machine's own health check is registered.
        "config_file_service_registration": f"{{{{secret.{agent}}}}}",
        "dns": "{{secret.consul_dns}}",
    }
    if server:
        tokens["initial_management"] = "{{secret.consul_management}}"
    secrets: Json = {"encrypt": "{{secret.consul_gossip}}", "acl": {"tokens": tokens}}
    return {"20-base.json": base, "40-role.json": role, "60-secrets.json": secrets}

"""Vault's server configuration: fragments that become exactly one file, since Vault merges several in no set order."""

from __future__ import annotations

from hashistack.machine.config.fragments import TLS, Fragments, Json
from hashistack.machine.platform import Platform
from hashistack.spec import ClusterSpec
from hashistack.spec.ports import CONSUL_HTTP, VAULT_API, VAULT_CLUSTER


def vault(spec: ClusterSpec, platform: Platform) -> Fragments:
    """Fragments for the Vault server of one machine of the server pool."""
    tls = {kind: TLS.format(product="vault", kind=kind) for kind in ("ca", "cert", "key")}
    base: Json = {
        "api_addr": f"https://{{{{ip}}}}:{VAULT_API.number}",
        "cluster_addr": f"https://{{{{ip}}}}:{VAULT_CLUSTER.number}",
        "disable_mlock": True,  # and no swap: what the vendor asks for with integrated storage
        "ui": True,
        "deny_slash_in_templated_paths": True,
        "log_level": "info",
        "storage": {
            "raft": {
                "path": "/var/lib/hashistack/vault",
                "node_id": "{{name}}",
                "performance_multiplier": 1,
                # How often sound joiners are made voters: each 10 s by default, most of the time to ready.
                "autopilot_reconcile_interval": "500ms",
                "autopilot_update_interval": "500ms",
                # No retry_join: `node/bootstrap/join-vault` says why, and does it.
            }
        },
        "listener": {
            "tcp": {
                "address": f"0.0.0.0:{VAULT_API.number}",
                "cluster_address": f"{{{{ip}}}}:{VAULT_CLUSTER.number}",
                "tls_cert_file": tls["cert"],
                "tls_key_file": tls["key"],
                "tls_client_ca_file": tls["ca"],
                "tls_min_version": spec.tls.min_version,
            }
        },
        "telemetry": {"disable_hostname": True, "prometheus_retention_time": "24h"},
    }
    if platform.seal is not None:
        base["seal"] = dict(platform.seal)
    secrets: Json = {
        "service_registration": {
            "consul": {
                "address": f"127.0.0.1:{CONSUL_HTTP.number}",
                "token": "{{secret.consul_vault}}",
                # How often Vault looks whether Consul knows it as what it is. One that becomes active while it tells
                # Consul that it is a standby tells it again only then: after 60 s by default, without `active.vault`.
                "reconcile_timeout": "3s",
            }
        }
    }
    return {"20-base.json": base, "60-secrets.json": secrets}

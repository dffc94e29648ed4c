"""What the servers write into a fresh cluster: policies, tokens, roles, auth methods.

`node/bootstrap/bootstrap-*` apply it.

Secret ids are made before the machines are (the role document), so a token's id is a placeholder here.
"""

from __future__ import annotations

from hashistack.machine.config.fragments import Json
from hashistack.spec import ClusterSpec
from hashistack.spec.ports import NOMAD_HTTP

_JWKS = f"https://localhost:{NOMAD_HTTP.number}/.well-known/jwks.json"
"""Each server asks its own Nomad: the address holds on whichever server leads."""

_AGENT = (
    'node_prefix "" { policy = "write" }\nservice_prefix "" { policy = "read" }\n'
    'service "hashistack" { policy = "write" }\n'
)
_NOMAD = (
    'agent_prefix "" { policy = "read" }\nnode_prefix "" { policy = "read" }\nservice_prefix "" { policy = "write" }\n'
)

_IDENTITY = "identity.entity.aliases.ACCESSOR.metadata"

_WORKLOAD = f"""\
path "kv/data/{{{{{_IDENTITY}.nomad_namespace}}}}/{{{{{_IDENTITY}.nomad_job_id}}}}/*" {{ capabilities = ["read"] }}
path "kv/data/{{{{{_IDENTITY}.nomad_namespace}}}}/{{{{{_IDENTITY}.nomad_job_id}}}}" {{ capabilities = ["read"] }}
path "kv/metadata/{{{{{_IDENTITY}.nomad_namespace}}}}/*" {{ capabilities = ["list"] }}
"""
"""A job reads its own secrets, ``kv/<namespace>/<job>``, as in the vendor's `nomad setup vault`.

``ACCESSOR`` stands for the auth method's, known only once Vault has made it."""

_OPERATOR = "\n".join(
    f'path "{path}" {{ capabilities = [{capabilities}] }}'
    for path, capabilities in (
        ("kv/*", '"create", "read", "update", "patch", "delete", "list"'),
        ("sys/health", '"read"'),
        ("sys/mounts*", '"create", "read", "update", "delete", "list"'),
        ("sys/auth*", '"create", "read", "update", "delete", "list", "sudo"'),
        ("auth/*", '"create", "read", "update", "patch", "delete", "list", "sudo"'),
        ("identity/*", '"create", "read", "update", "delete", "list"'),
        ("sys/policies/*", '"create", "read", "update", "delete", "list"'),
        ("sys/policy*", '"create", "read", "update", "delete", "list"'),
        ("sys/leases/*", '"create", "read", "update", "list", "sudo"'),
        ("sys/storage/raft/*", '"create", "read", "update", "delete", "list", "sudo"'),
        ("sys/step-down", '"update", "sudo"'),
        ("sys/audit*", '"read", "list", "sudo"'),
        ("sys/metrics", '"read"'),
        ("sys/capabilities*", '"update"'),
    )
)
"""Runs the cluster without a root token; can't switch audit off. Root again needs the recovery (or unseal) key."""

_HEALTH = (
    'path "sys/storage/raft/configuration" { capabilities = ["read"] }\n'
    'path "sys/storage/raft/remove-peer" { capabilities = ["update"] }\n'
    'path "auth/userpass/users/operator/password" { capabilities = ["update"] }\n'
)
"""A server sees whether it votes, removes itself when it leaves (`node/leave/leave`), and gives the operator the
password of its role document (`node/rotate/ensure-tokens`)."""


def bootstrap(spec: ClusterSpec) -> Json:
    """The contents of ``bootstrap.json`` in a server's bundle."""
    return {"consul": _consul(), "vault": _vault(spec)}


def _consul() -> Json:
    return {
        "policies": {
            "hashistack-server": _AGENT + 'operator = "read"\n',
            "hashistack-client": _AGENT,
            "hashistack-dns": 'node_prefix "" { policy = "read" }\nservice_prefix "" { policy = "read" }\n'
            'query_prefix "" { policy = "read" }\n',
            "nomad-server": _NOMAD + 'acl = "write"\nmesh = "write"\n',
            "nomad-client": _NOMAD,
            "nomad-tasks": 'key_prefix "" { policy = "read" }\nservice_prefix "" { policy = "read" }\n',
            "vault": 'service "vault" { policy = "write" }\nagent_prefix "" { policy = "read" }\n',
        },
        "tokens": {
            "consul_server_agent": ["hashistack-server"],
            "consul_client_agent": ["hashistack-client"],
            "consul_dns": ["hashistack-dns"],
            "consul_nomad_server": ["nomad-server"],
            "consul_nomad_client": ["nomad-client"],
            "consul_vault": ["vault"],
        },
        "roles": {"nomad-tasks-default": ["nomad-tasks"]},
        "auth_method": {
            "Name": "nomad-workloads",
            "Type": "jwt",
            "Description": "Workload identities of Nomad's jobs",
            "Config": {
                "JWKSURL": _JWKS,
                "JWKSCACert": "{{secret.ca}}",
                "JWTSupportedAlgs": ["RS256"],
                "BoundAudiences": ["consul.io"],
                "ClaimMappings": {
                    "nomad_namespace": "nomad_namespace",
                    "nomad_job_id": "nomad_job_id",
                    "nomad_task": "nomad_task",
                    "nomad_service": "nomad_service",
                },
            },
        },
        "binding_rules": [
            {
                "AuthMethod": "nomad-workloads",
                "Description": "Services may register under their own name",
                "BindType": "service",
                "BindName": "${value.nomad_service}",
                "Selector": '"nomad_service" in value',
            },
            {
                "AuthMethod": "nomad-workloads",
                "Description": "Tasks get the role of their namespace",
                "BindType": "role",
                "BindName": "nomad-tasks-${value.nomad_namespace}",
                "Selector": '"nomad_service" not in value',
            },
        ],
    }


def _vault(spec: ClusterSpec) -> Json:
    return {
        "autopilot": {
            # A joiner votes as soon as it is sound: the wait of 10 s is for clusters that already carry load,
            # and the rollout gates on voters anyway.
            "server_stabilization_time": "1s",
            "cleanup_dead_servers": True,
            # Off by default, 24 h; 5 min is what a maintainer advises at least: hashicorp/vault#17014.
            "dead_server_last_contact_threshold": "5m",
            "min_quorum": "{{servers}}",
        },
        "policies": {"operator": _OPERATOR, "nomad-workloads": _WORKLOAD, "server-health": _HEALTH},
        "jwt": {
            "jwks_url": _JWKS,
            "jwks_ca_pem": "{{secret.ca}}",
            "jwt_supported_algs": ["RS256", "EdDSA"],
            "default_role": "nomad-workloads",
        },
        "jwt_role": {
            "role_type": "jwt",
            "bound_audiences": ["vault.io"],
            "user_claim": "/nomad_job_id",
            "user_claim_json_pointer": True,
            "claim_mappings": {
                "nomad_namespace": "nomad_namespace",
                "nomad_job_id": "nomad_job_id",
                "nomad_task": "nomad_task",
            },
            "token_type": "service",
            "token_policies": ["nomad-workloads"],
            "token_period": "30m",
            "token_explicit_max_ttl": 0,
        },
        "operator": {
            "password": "{{secret.vault_operator_password}}",
            "token_policies": ["operator"],
            "token_ttl": "1h",
            "token_max_ttl": "8h",
        },
        "health": {
            "certificate": "{{secret.ca}}",
            "allowed_dns_sans": [f"server.{spec.region}.nomad"],
            "token_policies": ["server-health"],
            "token_type": "batch",
            "token_ttl": "1h",
        },
    }

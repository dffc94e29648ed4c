"""What the servers write into a cluster: policies, tokens, roles, auth methods.

`node/bootstrap/bootstrap-*` apply it, and again when it has changed.

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

_OWN_SERVICES = ("consul", "hashistack", "nomad", "nomad-client", "vault")
"""The cluster's services: no job's service may pose as one of these."""

_TASKS = (
    'key_prefix "" { policy = "read" }\nkey_prefix "hashistack/" { policy = "deny" }\n'
    'node_prefix "" { policy = "read" }\nservice_prefix "" { policy = "read" }\n'
)
"""As in the vendor's `nomad setup consul`, but for our own keys. Each task reads all others: no policy of Consul's can
say "the task's namespace"."""

_IDENTITY = "identity.entity.aliases.ACCESSOR.metadata"

_WORKLOAD = f"""\
path "kv/data/{{{{{_IDENTITY}.nomad_namespace}}}}/{{{{{_IDENTITY}.nomad_job_id}}}}/*" {{ capabilities = ["read"] }}
path "kv/data/{{{{{_IDENTITY}.nomad_namespace}}}}/{{{{{_IDENTITY}.nomad_job_id}}}}" {{ capabilities = ["read"] }}
path "kv/metadata/{{{{{_IDENTITY}.nomad_namespace}}}}/*" {{ capabilities = ["list"] }}
"""
"""A job reads its own secrets, ``kv/<namespace>/<job>``, as in the vendor's `nomad setup vault`.

``ACCESSOR`` stands for the auth method's, known only once Vault has made it."""

_OPERATOR = """\
path "*" { capabilities = ["create", "read", "update", "patch", "delete", "list", "sudo"] }
path "sys/audit" { capabilities = ["read", "list", "sudo"] }
path "sys/audit/*" { capabilities = ["read", "list", "sudo"] }
path "sys/config/auditing/*" { capabilities = ["read", "list", "sudo"] }
"""
"""Runs Vault without a root token: whatever is enabled, under any name. Audit is read alone: what it does is seen.
It can make no root token; that needs the recovery (or unseal) key."""

_METRICS = 'path "sys/metrics" { capabilities = ["read"] }\n'

_HEALTH = (
    'path "sys/storage/raft/snapshot" { capabilities = ["read"] }\n'
    'path "sys/storage/raft/configuration" { capabilities = ["read"] }\n'
    'path "sys/storage/raft/remove-peer" { capabilities = ["update"] }\n'
    'path "auth/userpass/users/operator/password" { capabilities = ["update"] }\n'
    'path "sys/policies/acl/server-health" { capabilities = ["read"] }\n# release RELEASE\n'
)
"""A server sees whether it votes, removes itself when it leaves (`node/leave/leave`), gives the operator the password
of its role document (`node/rotate/ensure-tokens`), and reads in this policy what Vault was told last (``RELEASE``: a
digest of it, by `node/bootstrap/bootstrap-vault`)."""

_REGISTRIES = 'path "kv/data/hashistack/registries/*" { capabilities = ["read"] }\n'


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
            "nomad-tasks": _TASKS,
            "vault": 'service "vault" { policy = "write" }\nagent_prefix "" { policy = "read" }\n',
            "hashistack-metrics": 'agent_prefix "" { policy = "read" }\n',
        },
        "tokens": {
            "consul_server_agent": ["hashistack-server"],
            "consul_client_agent": ["hashistack-client"],
            "consul_dns": ["hashistack-dns"],
            "consul_nomad_server": ["nomad-server"],
            "consul_nomad_client": ["nomad-client"],
            "consul_vault": ["vault"],
        },
        "roles": {"nomad-tasks": ["nomad-tasks"]},
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
                "Selector": " and ".join(
                    ['"nomad_service" in value', *(f'value.nomad_service != "{name}"' for name in _OWN_SERVICES)]
                ),
            },
            {
                "AuthMethod": "nomad-workloads",
                "Description": "Tasks of every namespace get the role of tasks",
                "BindType": "role",
                "BindName": "nomad-tasks",
                "Selector": '"nomad_service" not in value',
            },
            {
                # Consul passes over a role that is not there: it is for who wants to give one namespace more.
                "AuthMethod": "nomad-workloads",
                "Description": "Tasks get the role of their namespace",
                "BindType": "role",
                "BindName": "nomad-tasks-${value.nomad_namespace}",
                "Selector": '"nomad_service" not in value',
            },
        ],
    }


def _vault(spec: ClusterSpec) -> Json:
    private = any(registry.credentials for registry in spec.registries)
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
        "policies": {
            "operator": _OPERATOR,
            "nomad-workloads": _WORKLOAD,
            "hashistack-metrics": _METRICS,
            **({"registries": _REGISTRIES} if private else {}),
            "server-health": _HEALTH,
        },
        "jwt": {
            "jwks_url": _JWKS,
            "jwks_ca_pem": "{{secret.ca}}",
            "jwt_supported_algs": ["RS256", "EdDSA"],
            "default_role": "nomad-workloads",
        },
        "jwt_role": {
            "role_type": "jwt",
            "bound_audiences": ["vault.io"],
            # Vault keeps one alias for each value of this claim, with the metadata of the last login. So it must tell
            # apart whatever the metadata tells apart. `sub` is <region>:<namespace>:<job>:<group>:<task>:<identity>; a
            # child (dispatched, periodic) has its parent's id there and in nomad_job_id (nomad/structs/identity.go).
            "user_claim": "sub",
            "user_claim_json_pointer": False,
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
        **({"registries": _by_client(spec)} if private else {}),
    }


def _by_client(spec: ClusterSpec) -> Json:
    """The login by which clients read the credentials of registries (`docker-credential-hashistack`)."""
    return {
        "certificate": "{{secret.ca}}",
        "allowed_dns_sans": [f"client.{spec.region}.nomad"],
        "token_policies": ["registries"],
        "token_type": "batch",
        "token_ttl": "1m",
    }

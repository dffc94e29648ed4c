"""Own settings of the agents (`nomad_config`, `consul_config`, `vault_config`): plain data, merged over ours.

What would undo the cluster's security, or what other machines rely on, is refused by name unless the pool accepts it.
HCL and Consul compare keys without case, and so does this.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any, Final

from hashistack.spec.catalog import BREAKING_CHANGES, BreakingChange, Product
from hashistack.spec.problems import Problem, show
from hashistack.spec.secret_detection import looks_secret, names_secret
from hashistack.spec.section import Section, join, nearest
from hashistack.spec.versions import parse

_ACL = "whoever reaches the API could do everything without it; `acl` of the specification has what may differ"
_ADDRESS = "other machines, certificates and the firewall rely on it"
_DATA = "the machine's own programs rely on where data lie"
_GOSSIP = "the cluster makes and rotates the gossip key itself"
_IDENTITY = "jobs and agents get their tokens by it"
_INTRODUCTION = "a client's certificate alone must not make a machine a node"
_JOIN = "machines find the cluster by it"
_LEAVE = "a restart must not make a machine leave the cluster"
_NAME = "the cluster gives it, and other machines rely on it"
_OPEN = "it answers callers that show no token"
_PROGRAMS = "it has the agent run programs"
_SEAL = "it protects all of Vault's secrets; `seal` of the specification has what may differ"
_TASKS = "it gives tasks more of the machine: the right to submit jobs could become root there"
_TLS = "traffic would be neither encrypted nor authenticated without it; `tls` has what may differ"
_WATCH = "the rollout knows by it whether a machine is well"

_BY_REASON: Final[dict[str, dict[str, str]]] = {
    "nomad_config": {
        _TLS: "tls",
        _ACL: "acl",
        _ADDRESS: "bind_addr addresses advertise ports client.bridge_network_subnet client.network_interface",
        _DATA: "data_dir client.state_dir client.alloc_dir client.alloc_mounts_dir client.host_volumes_dir"
        " client.cni_path client.cni_config_dir",
        _NAME: "name region datacenter client.enabled client.node_pool client.node_class client.meta.pool"
        " client.meta.hashistack_pool client.meta.hashistack_bundle server.enabled server.authoritative_region"
        " client.no_host_uuid",
        _GOSSIP: "server.encrypt",
        _INTRODUCTION: "server.client_introduction",
        _JOIN: "server.bootstrap_expect server.server_join server.retry_join server.start_join client.server_join"
        " client.servers",
        _LEAVE: "leave_on_interrupt leave_on_terminate client.drain_on_shutdown",
        _IDENTITY: "consul vault consuls vaults keyring server.oidc_issuer",
        _OPEN: "enable_debug",
        _PROGRAMS: "plugin_dir client.host_volume_plugin_dir",
        _TASKS: "client.host_volume client.chroot_env client.users client.template.disable_file_sandbox"
        " client.template.function_denylist client.template.function_blacklist"
        " client.artifact.disable_filesystem_isolation client.artifact.filesystem_isolation_extra_paths"
        " client.artifact.disable_artifact_inspection client.artifact.set_environment_variables"
        " client.options.driver client.options.user client.options.env client.options.docker"
        " plugin.raw_exec plugin.qemu"
        " plugin.docker.args plugin.docker.config.allow_privileged plugin.docker.config.volumes"
        " plugin.docker.config.allow_caps plugin.docker.config.allow_runtimes plugin.docker.config.endpoint"
        " plugin.docker.config.tls plugin.docker.config.auth plugin.docker.config.infra_image plugin.exec.args"
        " plugin.exec.config.no_pivot_root plugin.exec.config.allow_caps plugin.exec.config.default_pid_mode"
        " plugin.exec.config.default_ipc_mode plugin.exec.config.denied_host_uids"
        " plugin.exec.config.denied_host_gids plugin.java.args plugin.java.config.allow_caps"
        " plugin.java.config.default_pid_mode plugin.java.config.default_ipc_mode"
        " plugin.java.config.denied_host_uids plugin.java.config.denied_host_gids",
    },
    "consul_config": {
        _TLS: "tls ca_file ca_path cert_file key_file verify_incoming verify_incoming_rpc verify_incoming_https"
        " verify_outgoing verify_server_hostname tls_min_version tls_cipher_suites auto_encrypt auto_config"
        " enable_agent_tls_for_checks",
        _ACL: "acl acl_agent_master_token acl_agent_token acl_datacenter acl_default_policy acl_down_policy"
        " acl_enable_key_list_policy acl_enforce_version_8 acl_master_token acl_replication_token acl_token acl_ttl"
        " enable_acl_replication default_intention_policy",
        _GOSSIP: "encrypt encrypt_verify_incoming encrypt_verify_outgoing",
        _ADDRESS: "bind_addr client_addr addresses advertise_addr advertise_addr_ipv4 advertise_addr_ipv6"
        " advertise_addr_wan advertise_addr_wan_ipv4 advertise_addr_wan_ipv6 serf_lan serf_wan"
        " serf_lan_allowed_cidrs serf_wan_allowed_cidrs translate_wan_addrs ports unix_sockets",
        _DATA: "data_dir",
        _NAME: "node_name node_id datacenter primary_datacenter domain alt_domain server node_meta.hashistack_pool"
        " node_meta.hashistack_bundle read_replica non_voting_server segment partition",
        _JOIN: "bootstrap bootstrap_expect retry_join retry_join_wan start_join start_join_wan cloud primary_gateways",
        _LEAVE: "leave_on_terminate skip_leave_on_interrupt",
        _WATCH: "service services check checks",
        _OPEN: "http_config.allow_write_http_from enable_debug",
        _PROGRAMS: "enable_script_checks enable_local_script_checks disable_remote_exec watches",
    },
    "vault_config": {
        _TLS: "listener",
        _ADDRESS: "api_addr cluster_addr redirect_addr disable_clustering",
        _DATA: "storage backend ha_storage ha_backend disable_mlock",
        _SEAL: "seal hsm entropy kms_library disable_sealwrap",
        _IDENTITY: "service_registration deny_slash_in_templated_paths user_lockout",
        _OPEN: "raw_storage_endpoint introspection_endpoint enable_unauthenticated_access",
        _PROGRAMS: "plugin_directory plugin_tmpdir",
    },
}
REFUSED: Final[dict[str, dict[str, str]]] = {
    field: {path: reason for reason, paths in reasons.items() for path in paths.split()}
    for field, reasons in _BY_REASON.items()
}
"""Field to path (`client.meta.pool`) to why neither that nor what is below it is a setting of one's own."""


def of(pool: Section) -> dict[str, dict[str, Any]]:
    """A pool's own settings by their field; those that are empty are not there."""
    return {field: dict(value) for field in REFUSED if (value := getattr(pool, field, None))}


def has(settings: Any, path: str) -> bool:
    """Whether settings have a path ("server.retry_join"); a block may be a list of one."""
    if isinstance(settings, list | tuple):
        return any(has(one, path) for one in settings)
    if not path:
        return True
    first, _, rest = path.partition(".")
    if not isinstance(settings, Mapping):
        return False
    return any(has(inner, rest) for key, inner in settings.items() if str(key).lower() == first)


def changed(product: Product, version: str, settings: Any) -> list[BreakingChange]:
    """What a release has removed or changed of the settings of its agents."""
    return [
        change
        for change in BREAKING_CHANGES
        if (change.product, change.where) == (product, f"{product}_config")
        and parse(change.since) <= parse(version)
        and has(settings, change.path)
    ]


def problems(pool: Section) -> Iterator[Problem]:
    """What is wrong with a pool's own settings and what it accepts."""
    fields = [field for field in REFUSED if field in type(pool).model_fields]
    accepted: tuple[str, ...] = getattr(pool, "accept")  # noqa: B009 - of servers and of clients alike
    known = {"raw_exec"} if "drivers" in type(pool).model_fields else set()
    known |= {f"{field}.{path}" for field in fields for path in REFUSED[field]}
    for field in fields:
        for danger, problem in _found(field, getattr(pool, field), (field,), ""):
            known |= {danger} if danger else set()
            if danger not in accepted:
                yield problem
    for name in accepted:
        if name not in known:
            guess = nearest(name, known)
            remedy = f'Did you mean "{guess}"?' if guess else "Remove it: an error names what can be accepted."
            yield Problem("accept", f"{show(name)} is nothing that this pool could accept", remedy)


def _found(field: str, value: Any, place: tuple[str | int, ...], path: str) -> Iterator[tuple[str, Problem]]:
    """Each danger's name with its problem, "" for what no pool can accept; `path` is the place as `REFUSED` has it."""
    where = join(place)
    if path and (above := next((one for one in REFUSED[field] if f"{path}.".startswith(f"{one}.")), None)):
        shown = "" if isinstance(value, Mapping) else f" (got {show(value)})"
        danger = f"{field}.{above}"
        yield danger, Problem(where, f"is refused: {REFUSED[field][above]}{shown}", _accept(danger))
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if isinstance(key, str):
                below = f"{path}.{key.lower()}".removeprefix(".")
                yield from _found(field, inner, (*place, key), below)
            else:
                yield "", Problem(where, f"has a key that is not text (got {show(key)})", "Quote the key.")
    elif replaced := next((one for one in REFUSED[field] if one.startswith(f"{path}.")), None):
        what = (
            f"must be a mapping, or it takes the place of `{replaced}`: {REFUSED[field][replaced]} (got {show(value)})"
        )
        yield "", Problem(where, what, "Write name: value pairs.")
    elif isinstance(value, str) and (names_secret(_key(place)) or looks_secret(value)):
        what = "would hold a secret: own settings lie in the bundle and in the state, where many can read them"
        yield f"{field}.{path}", Problem(where, what, _accept(f"{field}.{path}"))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _found(field, inner, (*place, index), path)
    elif isinstance(value, str) and "{{" in value:
        what = f'has "{{{{", by which hashistack fills in what only a machine knows (got {show(value)})'
        yield "", Problem(where, what, "Own settings are taken as they are: write the value.")
    elif not isinstance(value, str | bool | int | float | None) or (isinstance(value, float) and not isfinite(value)):
        yield "", Problem(where, f"is not plain data (got {show(value)})", "Write text, a number, true or false.")


def _accept(danger: str) -> str:
    return f"Remove it, or set `accept: [{danger}]` beside it."


def _key(place: tuple[str | int, ...]) -> str:
    return next(part for part in reversed(place) if isinstance(part, str))

"""Each setting of a specification, explained by its model: what it is, type, default, and what a change does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args

from pydantic.fields import FieldInfo

from hashistack.spec.cluster import ClusterSpec
from hashistack.spec.durations import is_duration
from hashistack.spec.immutable import BY_RULE, FIXED
from hashistack.spec.schema import descriptions, schema
from hashistack.spec.section import Section

FIRST: Final = "0.1.0"
"""The release that the settings are of which are not in `SINCE`."""
SINCE: Final[Mapping[str, str]] = {}
"""Path of each setting that a later release brought, to that release."""

_ALL = (
    *("name", "datacenter", "region", "dns.domain", "dns.upstreams", "dns.search", "dns.cache_max_ttl"),
    *("dns.cache_max_negative_ttl", "dns.serve_expired_ttl", "registries.credentials", "versions.nomad"),
    *("versions.consul", "tls.min_version", "acl.token_ttl", "acl.policy_ttl"),
)
_SERVERS = (
    *("servers.machine_type", "servers.arch", "servers.disk_gib", "servers.heartbeat_grace", "servers.nomad_config"),
    *("servers.consul_config", "servers.vault_config", "versions.vault", "seal.type", "seal.key", "snapshots.enabled"),
    *("snapshots.interval", "snapshots.retain"),
)
_CLIENTS = (
    *("network.bridge", "network.docker_bridge", "network.min_dynamic_port", "network.max_dynamic_port"),
    *("registries.host", "registries.ca", "registries.mirrors", "versions.cni"),
)
_POOL = (
    *("clients.name", "clients.machine_type", "clients.arch", "clients.disk_gib", "clients.node_pool"),
    *("clients.node_class", "clients.meta", "clients.drivers", "clients.nomad_config", "clients.consul_config"),
    *("clients.csi", "clients.host_volumes.path", "clients.host_volumes.read_only"),
)
REPLACES: Final[Mapping[str, str]] = {
    **dict.fromkeys(_ALL, "all"),
    **dict.fromkeys(_SERVERS, "servers"),
    **dict.fromkeys(_CLIENTS, "clients"),
    **dict.fromkeys(_POOL, "pool"),
}
"""Path of each setting whose change replaces machines, to whose: all, the servers', all clients', or the pool's."""


@dataclass(frozen=True)
class Setting:
    """One setting. path: without the numbers of lists, `clients.min`. default: as JSON; "" where it must be given.

    since: the release that brought it. change: whether a running cluster's can change. replaces: as in `REPLACES`, ""
    for none. fields: the paths of a section's settings.
    """

    path: str
    what: str
    type: str
    default: str
    since: str
    change: str
    replaces: str
    fields: tuple[str, ...] = ()


def settings() -> dict[str, Setting]:
    """All settings, path to setting, in the order of the specification."""
    return {one.path: one for one in _of(ClusterSpec, "", schema())}


def _of(section: type[Section], at: str, whole: Mapping[str, Any]) -> Iterator[Setting]:
    told = descriptions(section)
    node = whole if section is ClusterSpec else whole["$defs"][section.__name__]
    for name, field in section.model_fields.items():
        path, below = f"{at}.{name}".removeprefix("."), section_of(field.annotation)
        kind = "duration" if is_duration(field.metadata) else _type(node["properties"][name])
        fields = tuple(f"{path}.{inner}" for inner in below.model_fields) if below else ()
        since = SINCE.get(path, FIRST)
        yield Setting(
            path, told[name], kind, _default(path, field), since, _change(path), REPLACES.get(path, ""), fields
        )
        if below:
            yield from _of(below, path, whole)


def section_of(annotation: Any) -> type[Section] | None:
    """The section that a field holds: one, a list or a mapping of them, or one beside other values."""
    if inner := get_args(annotation):
        return next((found for one in inner if (found := section_of(one))), None)
    return annotation if isinstance(annotation, type) and issubclass(annotation, Section) else None


def about(path: str) -> str:
    """What the section at a path is for, on one line; "" where there is none."""
    section: type[Section] | None = ClusterSpec
    for name in path.split(".") if path else ():
        field = section.model_fields.get(name) if section else None
        section = section_of(field.annotation) if field else None
    return " ".join((section.__doc__ or "").split()) if section else ""


def _type(node: Mapping[str, Any]) -> str:
    """A node of the JSON Schema in words."""
    if "anyOf" in node:
        return " or ".join(_type(one) for one in node["anyOf"])
    if "enum" in node or "const" in node:
        return " or ".join(json.dumps(one) for one in node.get("enum", [node.get("const")]))
    if "$ref" in node:
        return "section"
    kind = node.get("type", "value")
    if kind == "array":
        return f"list of {_plural(_type(node['items']))}"
    if kind == "object":
        inner = node.get("additionalProperties")
        return f"mapping of names to {_plural(_type(inner))}" if isinstance(inner, dict) else "mapping"
    words = {"integer": "whole number", "string": "text", "boolean": "true or false", "null": "null"}
    least, most = node.get("minimum"), node.get("maximum")
    limits = [f"{least} to {most}"] if least is not None and most is not None else []
    limits += [f"at least {least}"] if least is not None and most is None else []
    return ", ".join([words.get(kind, kind), *limits])


def _plural(kind: str) -> str:
    return {"section": "sections", "text": "texts"}.get(kind, kind)


def _change(path: str) -> str:
    whole = next(
        (path[:end] for end in (len(path), path.rfind(".")) if path[:end] in FIXED or path[:end] in BY_RULE), ""
    )
    return f"never: {FIXED[whole]}" if whole in FIXED else BY_RULE.get(whole, "by `up`")


def _default(path: str, field: FieldInfo) -> str:
    if field.is_required():
        return ""
    if path.startswith("clients.upgrade."):
        return f"that of {path.removeprefix('clients.')}"
    if field.default_factory is not None:
        return "from other settings"
    return json.dumps(_plain(field.default))


def _plain(value: Any) -> Any:
    """A default as a user would write it: of a section only what is given in it."""
    if isinstance(value, Section):
        return value.model_dump(mode="json", exclude_unset=True)
    return [_plain(one) for one in value] if isinstance(value, tuple | list) else value

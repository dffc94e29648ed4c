"""What of a cluster a release would break: jobs, policies, own settings and Vault's mounts, each by its place.

`inventory` asks the APIs for what the changes are about and nothing else; `affected` is pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.connection import Pool
from hashistack.spec.catalog import BreakingChange, Product
from hashistack.spec.own_settings import has
from hashistack.spec.versions import breaking_changes

_TOKEN = re.compile(
    r"""(?P<skipped> \#[^\n]* | //[^\n]* | /\*.*?\*/ | <<-?(?P<end>\w+)\n.*?\n\s*(?P=end)\b )
      | (?P<word> "(?:\\.|[^"\\])*" | [\w.-]+ )
      | (?P<sign> [={}:] )""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Inventory:
    """What a cluster has, as its APIs answer and as its pools are declared.

    jobs: Nomad's job JSON, of those that are not over. policies: the product's, name to text. auth, secrets: Vault's
    mounts, path to type.
    """

    jobs: tuple[Mapping[str, Any], ...] = ()
    nomad_policies: Mapping[str, str] = field(default_factory=dict)
    vault_policies: Mapping[str, str] = field(default_factory=dict)
    auth: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    pools: tuple[Pool, ...] = ()


@dataclass(frozen=True)
class Affected:
    """A place that a change is about: `job default/web, group api, task server`."""

    place: str
    change: BreakingChange

    def __str__(self) -> str:
        change = self.change
        return f"{self.place}: from {change.product} {change.since} on, {change.what}; {change.remedy} [{change.id}]"


def ahead(declared: Mapping[str, str], to: Mapping[str, str]) -> list[BreakingChange]:
    """The changes of all releases on the way from the declared versions to others, the CNI plugins aside."""
    return [
        change
        for product, version in to.items()
        if product in declared
        for change in breaking_changes(cast(Product, product), declared[product], version)
    ]


def inventory(cluster: Cluster, changes: Iterable[BreakingChange]) -> Inventory:
    """What the changes are about. Raises ApiError."""
    asked = {change.where for change in changes}
    return Inventory(
        jobs=tuple(cluster.nomad.specifications()) if "job" in asked else (),
        nomad_policies=cluster.nomad.policies() if "nomad_policy" in asked else {},
        vault_policies=cluster.vault.policies() if "vault_policy" in asked else {},
        auth=cluster.vault.mounts("auth") if "auth" in asked else {},
        secrets=cluster.vault.mounts("mounts") if "secrets" in asked else {},
        pools=cluster.connection.pools,
    )


def affected(changes: Iterable[BreakingChange], there: Inventory) -> list[Affected]:
    """Each place that a change is about, what stops first."""
    found = [Affected(place, change) for change in changes for place in _places(change, there)]
    return sorted(found, key=lambda one: not one.change.stops)


def stopping(found: Iterable[Affected], accepted: Collection[str]) -> list[Affected]:
    """Those that stand against an upgrade. accepted: ids of changes."""
    return [one for one in found if one.change.stops and one.change.id not in accepted]


def duplicates(text: str) -> list[str]:
    """Attributes that a block of HCL, or an object of JSON, has more than once, sorted. Blocks may repeat."""
    if text.lstrip().startswith("{"):
        return _json_duplicates(text)
    twice: set[str] = set()
    scopes: list[set[str]] = [set()]
    word = ""
    for match in _TOKEN.finditer(text):
        if match["word"]:
            word = match["word"].strip('"')
        elif match["sign"] == "{":
            scopes.append(set())
        elif match["sign"] == "}" and len(scopes) > 1:
            scopes.pop()
        elif match["sign"] in ("=", ":"):
            twice |= {word} & scopes[-1]
            scopes[-1].add(word)
    return sorted(twice)


def _json_duplicates(text: str) -> list[str]:
    twice: set[str] = set()

    def keep(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        twice.update(name for name in names if names.count(name) > 1)
        return dict(pairs)

    try:
        json.loads(text, object_pairs_hook=keep)
    except ValueError:
        return []  # the product took it, so it is no JSON
    return sorted(twice)


def _places(change: BreakingChange, there: Inventory) -> Iterator[str]:
    match change.where:
        case "job":
            for job in there.jobs:
                if not change.types or job["Type"] in change.types:
                    for inner in _of_job(job, change.path.split("."), change.value):
                        yield ", ".join([f"job {job['Namespace']}/{job['ID']}", *inner])
        case "nomad_config" | "consul_config" | "vault_config":
            for pool in there.pools:
                if has(pool.settings.get(change.where, {}), change.path):
                    yield f"pool {pool.name}, {change.where}.{change.path}"
        case "nomad_policy" | "vault_policy":
            policies = there.nomad_policies if change.where == "nomad_policy" else there.vault_policies
            for name, text in policies.items():
                if twice := duplicates(text):
                    yield f"{change.product} policy {name}, {', '.join(twice)}"
        case "auth":
            yield from (f"vault auth method {path}" for path, kind in there.auth.items() if kind == change.value)
        case "secrets":
            yield from (f"vault secrets engine {path}" for path, kind in there.secrets.items() if kind == change.value)
        case "behaviour":
            yield change.product


_PARTS = {"TaskGroups": "group", "Tasks": "task"}


def _of_job(part: Any, path: list[str], value: str, inside: str = "") -> Iterator[list[str]]:
    """The names of groups and tasks that lead to each value at the path; what is zero or empty is not there."""
    if isinstance(part, list):
        for one in part:
            name = [f"{_PARTS[inside]} {one['Name']}"] if inside in _PARTS else []
            yield from ([*name, *inner] for inner in _of_job(one, path, value))
    elif not path:
        if part == value if value else _set(part):
            yield []
    elif isinstance(part, Mapping):
        yield from _of_job(part.get(path[0]), path[1:], value, path[0])


def _set(value: Any) -> bool:
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else None
    return bool(value) if inner is None else any(map(_set, inner))

"""What a project must have for a cluster: looked at within seconds, changing nothing, all of it at once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from hashistack.cloud.capacity import Machines, machines
from hashistack.cloud.zones import ZONES
from hashistack.component.findings import Finding, marked, text
from hashistack.gcp.ops import groups, org_policies
from hashistack.gcp.ops.session import Google, GoogleFailed
from hashistack.gcp.pools import machine_types
from hashistack.provider.handler import Context, Props
from hashistack.spec import ClusterSpec

APIS: Final = (
    "cloudresourcemanager.googleapis.com",
    "compute.googleapis.com",
    "iam.googleapis.com",
    "secretmanager.googleapis.com",
    "storage.googleapis.com",
)
"""What every cluster's components and machines ask."""


@dataclass
class Look:
    """A project as it is seen with the operator's credentials; each thing is asked for once.

    site: the cluster's id, by which is seen whether it is there. forward_dns: its names are to be a zone of Cloud DNS.
    image_project: where the machines' images are, "" for one of the user's own.
    """

    google: Google
    spec: ClusterSpec
    project: str
    region: str
    site: str
    forward_dns: bool = False
    image_project: str = ""

    @cached_property
    def pools(self) -> tuple[Machines, ...]:
        return machines(self.spec, machine_types.REFERENCE)

    @cached_property
    def place(self) -> dict[str, Any]:
        """What Google says of the region: its zones and its quotas."""
        return self.google.ask("compute.regions.get", project=self.project, region=self.region)

    @cached_property
    def zones(self) -> list[str]:
        return sorted(link.rpartition("/")[2] for link in self.place.get("zones", ()))

    @cached_property
    def new(self) -> bool:
        """Whether no machine of the cluster is there yet, so that all it needs must be free."""
        return not any(groups.vms(self.google, self.project, self.site))

    @cached_property
    def types(self) -> dict[str, dict[str, int]]:
        """Machine type that the cluster names to its vCPUs, by zone."""
        wanted = sorted({type_ for pool in self.pools for type_ in pool.types})
        asked = " OR ".join(f'(name = "{type_}")' for type_ in wanted)
        found: dict[str, dict[str, int]] = {}
        for page in self.google.pages("compute.machineTypes.aggregatedList", project=self.project, filter=asked):
            for place, said in page.get("items", {}).items():
                for one in said.get("machineTypes", ()):
                    found.setdefault(one["name"], {})[place.rpartition("/")[2]] = one["guestCpus"]
        return found


def answer(ctx: Context, asked: Props) -> Props:
    """The function `hashistack:index:gcpPreflight`: fields of a `Look`, its spec as JSON, to `{"findings": JSON}`."""
    fields = {**asked, "spec": ClusterSpec.parse(json.loads(asked["spec"]))}
    found = run(Look(Google(), **fields))
    for one in found:
        ctx.log("debug", marked(one))  # for `hashistack doctor`
    return {"findings": text(found)}


def run(look: Look) -> list[Finding]:
    """Every finding, in the order in which one would mend them.

    Pulumi's provider may have credentials that these calls have not: without any, nothing is known and nothing stopped.
    """
    found: list[Finding] = []
    for sentence, check in _CHECKS:
        try:
            found += check(look, sentence)
        except GoogleFailed as failed:
            unseen = failed.denied or not failed.status or failed.reason == "SERVICE_DISABLED"
            found.append(Finding(sentence, None if unseen else False, failed.what, failed.remedy))
            if not failed.status:
                break  # the next call would say the same
    return found


def _apis(look: Look, sentence: str) -> Iterator[Finding]:
    pages = look.google.pages(
        "serviceusage.services.list", parent=f"projects/{look.project}", filter="state:ENABLED", pageSize=200
    )
    enabled = {str(one["config"]["name"]) for page in pages for one in page.get("services", ())}
    wanted = [*APIS, *(["cloudkms.googleapis.com"] if not look.spec.seal.key else [])]
    wanted += ["dns.googleapis.com"] if look.forward_dns else []
    missing = [api for api in wanted if api not in enabled]
    for api in missing:
        remedy = f"gcloud services enable {api} --project {look.project}"
        yield Finding(sentence, False, f"{api} is not, in project {look.project}", remedy)
    if not missing:
        yield Finding(sentence, True, ", ".join(api.partition(".")[0] for api in wanted))


def _zones(look: Look, sentence: str) -> Iterator[Finding]:
    try:
        found = look.zones
    except GoogleFailed as failed:
        if failed.status != 404:
            raise
        yield Finding(sentence, False, f"Google has no region {look.region}", "pulumi config set gcp:region NAME")
        return
    strange = sorted({zone for pool in look.pools for zone in pool.zones} - {*found})
    if strange:
        told = f"{look.region} has no {', '.join(strange)}"
        yield Finding(sentence, False, told, f"name zones among {', '.join(found)}")
    elif look.place.get("status", "UP") != "UP":
        yield Finding(sentence, None, f"Google says that {look.region} is {look.place['status']}")
    else:
        yield Finding(sentence, True, ", ".join(found))


def _types(look: Look, sentence: str) -> Iterator[Finding]:
    """Each type is to be had in the pool's zones; of several, one that is missing costs choice, not the pool."""
    ill = False
    servers = look.spec.servers.zones or ()
    for pool in look.pools:
        zones = pool.zones or servers or tuple(look.zones[:ZONES])
        for type_ in pool.types:
            missing = sorted({*zones} - look.types.get(type_, {}).keys())
            if missing:
                ill = True
                told = f"spec.{pool.path}: {type_} is not offered in {', '.join(missing)}"
                ok = False if len(pool.types) == 1 else None
                yield Finding(sentence, ok, told, "name another one, or other zones")
    if not ill:
        yield Finding(sentence, True, ", ".join(sorted(look.types)))


def _quotas(look: Look, sentence: str) -> Iterator[Finding]:
    """Enough for the first `up`, and worth knowing where a pool could not grow to its `max`."""
    first, most = (_needs(look, most=most) for most in (False, True))
    for quota in look.place.get("quotas", ()):
        metric, limit, used = quota["metric"], quota["limit"], quota["usage"] if look.new else 0
        # Without a quota of its own (0), spot counts towards the ordinary one: that is not judged here.
        if metric not in most or (metric == "PREEMPTIBLE_CPUS" and not limit):
            continue
        more = f" (up to {most[metric]})" if most[metric] > first[metric] else ""
        told = f"{metric} in {look.region}: {first[metric]} needed{more}, {used:g} in use, {limit:g} allowed"
        if used + most[metric] <= limit:
            yield Finding(sentence, True, told)
            continue
        remedy = f"https://console.cloud.google.com/iam-admin/quotas?project={look.project}"
        yield Finding(sentence, False if used + first[metric] > limit and look.new else None, told, remedy)


def _needs(look: Look, *, most: bool) -> Mapping[str, int]:
    """Quota to how much of it the cluster needs. https://cloud.google.com/compute/resource-usage"""
    needs: Counter[str] = Counter()
    for pool in look.pools:
        count = pool.most if most else pool.first
        each = max((max(look.types.get(type_, {}).values(), default=0) for type_ in pool.types), default=0)
        spot = pool.on_demand is not None
        family = machine_types.family(pool.types[0]) or ""
        metric = "PREEMPTIBLE_CPUS" if spot else "CPUS" if family in _COMMON else f"{family.upper()}_CPUS"
        needs[metric] += count * each
        if machine_types.disk_type(pool.types[0]) == "pd-balanced":
            needs["SSD_TOTAL_GB"] += count * _disk(look.spec, pool.pool)
    return needs


def _disk(spec: ClusterSpec, pool: str) -> int:
    return next((one.disk_gib for one in spec.clients if one.name == pool), spec.servers.disk_gib)


def _policies(look: Look, sentence: str) -> Iterator[Finding]:
    """Of a cluster that is there, nothing stands against it."""
    wanted = list(org_policies.constraints(look.region, look.image_project)) if look.new else []
    ill = False
    for constraint in wanted:
        policy = look.google.ask(
            "cloudresourcemanager.projects.getEffectiveOrgPolicy",
            resource=f"projects/{look.project}",
            body={"constraint": f"constraints/{constraint.name}"},
        )
        allowed = org_policies.allows(policy, constraint)
        if not allowed:
            ill = True
            seen = "forbids that" if allowed is False else "may forbid that: of its groups of values only Google knows"
            show = (
                f"gcloud resource-manager org-policies describe {constraint.name} --effective --project {look.project}"
            )
            remedy = f"ask whoever keeps the organization's policies for an exception ({show})"
            yield Finding(sentence, allowed, f"{constraint.needs}, and {constraint.name} {seen}", remedy)
    if not ill:
        yield Finding(sentence, True, ", ".join(constraint.name for constraint in wanted))


_COMMON = {"e2", "f1", "g1", "n1"}
"""Families that the quota CPUS counts; others have one of their own."""

_CHECKS: tuple[tuple[str, Callable[[Look, str], Iterator[Finding]]], ...] = (
    ("the APIs are enabled", _apis),
    ("the region and its zones are there", _zones),
    ("machines of these types are to be had", _types),
    ("the quotas are large enough", _quotas),
    ("the organization's policies allow it", _policies),
)

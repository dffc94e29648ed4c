"""Why Nomad finds no place for a job, and what to do about it: in the words of the job file. Pure.

Nomad says "missing drivers" and leaves open which. So its count is read beside the job and the machines that there are.
That waiting does not help is said only where it is known: a job that is refused wrongly is worse than one that waits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from hashistack.ops.api.nodes import Node
from hashistack.spec.pool import DRIVERS

SAME_CLASS = "computed class ineligible"
"""Nomad looks once at machines that are alike ("computed class"); the others of the class count as this."""
_OF_ONE_MACHINE = (
    "CSI ",
    "did not meet topology requirement",
    "distinct_",
    "missing compatible host volumes",
    "missing CSI Volume ",
    "missing property ",
)
"""How reasons begin that Nomad looks for on each machine, whatever its class."""
_LASTING = ("${attr.", "${meta.", "${node.")
"""What a machine is, and so stays."""
_PASSING = ("${attr.consul.", "${attr.driver.", "${attr.vault.")
"""What a machine finds: gone while an agent or a driver is ill, and back with it. Nomad adds some of them by itself."""
_REMEDIES = {
    "CSI plugin ": "nomad plugin status",
    "CSI volume ": "nomad volume status",
    "missing devices": "leave the device out of the job, or give a machine one",
}


@dataclass(frozen=True)
class Unplaced:
    """A job without a place.

    text: each of its groups that has none, and why. remedy: what to do, "" where only waiting helps.
    never: no machine takes one of its groups, however long it waits: the job or the machines have to be other ones.
    """

    text: str
    remedy: str = ""
    never: bool = False


@dataclass(frozen=True)
class _Reason:
    text: str
    remedy: str = ""
    never: bool = False


def unplaced(failed: Mapping[str, Mapping[str, Any]], job: Mapping[str, Any], nodes: Sequence[Node]) -> Unplaced:
    """What Nomad's `FailedTGAllocs` of a plan or an evaluation of `job` say. nodes: all client machines."""
    groups = {group["Name"]: group for group in job.get("TaskGroups") or ()}
    texts: list[str] = []
    remedies: dict[str, None] = {}
    never = False
    for name, metric in sorted(failed.items()):
        if not metric.get("NodesEvaluated"):
            found = [_nowhere(job, metric.get("NodePool") or job.get("NodePool") or "default", nodes)]
            texts.append(f"group {name} can't be placed: {found[0].text}")
        else:
            found = list(_reasons(groups.get(name, {}), job, metric, nodes))
            seen = ", ".join(one.text for one in found) or "none fits"
            texts.append(f"group {name} can't be placed on any of {metric['NodesEvaluated']} nodes: {seen}")
        remedies |= dict.fromkeys(one.remedy for one in found if one.remedy)
        full = metric.get("NodesFiltered", 0) < metric.get("NodesEvaluated", 0)  # such a machine would do
        never |= bool(found) and all(one.never for one in found) and not full and not _told_elsewhere(job, metric)
    return Unplaced("; ".join(texts), "; ".join(remedies), never)


def _told_elsewhere(job: Mapping[str, Any], metric: Mapping[str, Any]) -> bool:
    """Whether why a class is out may stand with another group: a constraint of the whole job is looked at once."""
    others = len(job.get("TaskGroups") or ()) > 1
    return others and bool(job.get("Constraints")) and SAME_CLASS in (metric.get("ConstraintFiltered") or {})


def _nowhere(job: Mapping[str, Any], pool: str, nodes: Sequence[Node]) -> _Reason:
    wanted = job.get("Datacenters") or ["*"]
    there = sorted({node.datacenter for node in nodes if node.datacenter})
    if there and not any(fnmatchcase(one, glob) for one in there for glob in wanted):
        remedy = f'write datacenters = ["{there[0]}"] into the job, or leave it out, or set `datacenter` of the cluster'
        return _Reason(
            f"it asks for {_list('datacenter', wanted)}, and this is {_list('datacenter', there)}", remedy, True
        )
    if nodes and not any(pool in ("all", node.node_pool) for node in nodes):
        remedy = f"leave node_pool out of the job, or set `node_pool: {pool}` in a pool of clients"
        return _Reason(f"no machine is in node pool {pool}", remedy, True)
    return _Reason(f"node pool {pool} has no ready machine in its datacenters", "hashistack status")


def _reasons(
    group: Mapping[str, Any], job: Mapping[str, Any], metric: Mapping[str, Any], nodes: Sequence[Node]
) -> Iterator[_Reason]:
    for what, count in _counts(metric.get("ConstraintFiltered") or {}, _told_elsewhere(job, metric)):
        found = _constraint(what, group, nodes)
        yield _Reason(f"{found.text} on {count}", found.remedy, found.never)
    # Nomad counts a machine by its class as well whatever sorted it out; where that is all it says, it is told.
    if not metric.get("ConstraintFiltered"):
        for what, count in (metric.get("ClassFiltered") or {}).items():
            yield _Reason(f"node class {what} on {count}")
    for what, count in (metric.get("DimensionExhausted") or {}).items():
        found = _exhausted(what)
        yield _Reason(f"{found.text} on {count}", found.remedy)
    for quota in metric.get("QuotaExhausted") or ():
        yield _Reason(f"quota {quota} is used up")


def _counts(filtered: Mapping[str, int], told_elsewhere: bool) -> Iterator[tuple[str, str]]:
    """Each reason, and on how many machines: that of the first of a class stands for the class, where it is known."""
    alike = filtered.get(SAME_CLASS, 0)
    reasons = {what: count for what, count in filtered.items() if what != SAME_CLASS}
    of_class = [what for what in reasons if not what.startswith(_OF_ONE_MACHINE)]
    for what, count in reasons.items():
        if not alike or what not in of_class:
            yield what, str(count)
        elif len(of_class) > 1 or told_elsewhere:
            yield what, f"at least {count}"
        else:
            yield what, str(count + alike)


def _constraint(what: str, group: Mapping[str, Any], nodes: Sequence[Node]) -> _Reason:
    if what == "missing drivers":
        return _driver(group, nodes)
    if what == "missing compatible host volumes":
        return _host_volume(group, nodes)
    if what.startswith("missing CSI Volume "):
        name = what.removeprefix("missing CSI Volume ")
        return _Reason(f"no CSI volume {name}", f"run its plugin, then nomad volume create {name}", True)
    if what == "missing network":
        modes = [n["Mode"] for n in group.get("Networks") or () if str(n.get("Mode", "")).startswith("cni/")]
        return _Reason(
            f"no {_list('network', modes)}" if modes else what,
            'the machines have the networks "bridge" and "host": write one of them',
        )
    if what.startswith("missing host network "):
        return _Reason(what, "leave host_network out of the port, or declare it in `nomad_config` of the pool")
    if what.startswith(("${", "distinct_")):
        return _Reason(f"constraint {what}", *_of_attribute(what))
    return _Reason(what, next((remedy for start, remedy in _REMEDIES.items() if what.startswith(start)), ""))


def _host_volume(group: Mapping[str, Any], nodes: Sequence[Node]) -> _Reason:
    """Nomad says the same of a volume that is nowhere, and of one that another allocation holds."""
    there = {name for node in nodes for name in node.host_volumes}
    wanted = [v for v in (group.get("Volumes") or {}).values() if v.get("Type") == "host"]
    # With `per_alloc` the volume of the first allocation is NAME[0].
    absent = [
        v["Source"]
        for v in wanted
        if not any(name == v["Source"] or (v.get("PerAlloc") and name.startswith(f"{v['Source']}[")) for name in there)
    ]
    if absent:
        return _Reason(
            f"no {_list('host volume', absent)}",
            f"declare it in a pool of clients, as `host_volumes: {{{absent[0]}: {{path: /srv/{absent[0]}}}}}`, or make"
            " it on a machine that runs: nomad volume create",
            True,
        )
    if not wanted:
        return _Reason("missing compatible host volumes")
    return _Reason(
        f"no free {_list('host volume', [v['Source'] for v in wanted])}",
        "stop the job that holds it, or ask for it with the volume's own `access_mode` and `read_only`",
    )


def _driver(group: Mapping[str, Any], nodes: Sequence[Node]) -> _Reason:
    wanted = dict.fromkeys(str(task["Driver"]) for task in group.get("Tasks") or ())
    missing = [one for one in wanted if not any(node.drivers.get(one) == "" for node in nodes)]
    if not missing:  # each is somewhere, and all together nowhere
        return _Reason(f"not all of {_list('driver', list(wanted))}" if wanted else "missing drivers")
    told = []
    for one in missing:
        faults = sorted({node.drivers[one] for node in nodes if one in node.drivers})
        told.append(f"{one} ({faults[0]})" if faults else one)
    absent = [one for one in missing if not any(one in node.drivers for node in nodes)]
    remedies = "; ".join(map(_get_driver, absent))
    return _Reason(f"no {_list('driver', told)}", remedies or "hashistack status", bool(absent))


def _get_driver(name: str) -> str:
    if name == "raw_exec":
        return (
            'write driver = "exec"; or let jobs be root on the machines of a pool: add raw_exec to its `drivers`,'
            " and set `accept: [raw_exec]`"
        )
    if name in DRIVERS:
        return f"add {name} to `drivers` of a pool of clients"
    if name == "podman":
        return 'write driver = "docker": the machines have no podman'
    return f"the machines have no driver plugins, so no {name}: use one of {', '.join(DRIVERS)}"


def _of_attribute(what: str) -> tuple[str, bool]:
    """What to do about a constraint, and whether a machine stays what it is in this."""
    if what.startswith(_PASSING):
        return "hashistack status", False
    if not what.startswith(_LASTING):
        return "", False
    attribute, _, rest = what.removeprefix("${").partition("}")
    value = rest.split()[-1] if rest.split() else ""
    if attribute.startswith("meta."):
        name = attribute.removeprefix("meta.").replace("unique.", "")
        return f'set `meta: {{{name}: "{value}"}}` in a pool of clients, or take the constraint out', True
    if attribute == "node.class":
        return f"set `node_class: {value}` in a pool of clients, or take the constraint out", True
    if attribute == "node.datacenter":
        return "set `datacenter` in the specification, or take the constraint out", True
    if attribute in ("attr.kernel.name", "attr.os.name"):
        return "the machines run Linux: take the constraint out, if the job does", True
    if attribute.startswith("attr.plugins.cni.version.consul-cni"):
        return (
            "write upstreams in place of transparent_proxy: the machines have no plugin for it, unless their image has"
            " consul-cni in /opt/cni/bin",
            True,
        )
    return "take the constraint out of the job, or change the machines", True


def _exhausted(what: str) -> _Reason:
    _, collides, port = what.partition("reserved port collision ")
    if collides:
        return _Reason(
            f"port {port} is taken",
            "a machine has each port once: let Nomad choose it, lower the count, or stop what has it",
        )
    return _Reason(f"too little {what}", "ask for less, lower the count, or give the pool more or larger machines")


def _list(noun: str, names: Sequence[str]) -> str:
    return f"{noun}{'' if len(names) == 1 else 's'} {', '.join(names)}"

"""Why Nomad finds no place for a job, and what to do about it: in the words of the job file. Pure.

Nomad says "missing drivers" and leaves open which. So its count is read beside the job and the machines that there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from hashistack.ops.api.nodes import Node
from hashistack.spec.pool import DRIVERS


@dataclass(frozen=True)
class Unplaced:
    """A job without a place.

    text: each of its groups that has none, and why. remedy: what to do, "" where only waiting helps.
    never: waiting does not help: the job or the machines have to be other ones.
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
    reasons: list[_Reason] = []
    for name, metric in sorted(failed.items()):
        if not metric.get("NodesEvaluated"):
            found = [_nowhere(job, metric.get("NodePool") or job.get("NodePool") or "default", nodes)]
            texts.append(f"group {name} can't be placed: {found[0].text}")
        else:
            found = list(_reasons(groups.get(name, {}), job, metric, nodes))
            seen = ", ".join(one.text for one in found) or "none fits"
            texts.append(f"group {name} can't be placed on any of {metric['NodesEvaluated']} nodes: {seen}")
            if metric.get("NodesFiltered", 0) < metric["NodesEvaluated"]:
                found = [_Reason(one.text, one.remedy) for one in found]  # a machine that is full would do
        reasons += found
    remedies = dict.fromkeys(one.remedy for one in reasons if one.remedy)
    return Unplaced("; ".join(texts), "; ".join(remedies), any(one.never for one in reasons))


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
    for what, count in (metric.get("ConstraintFiltered") or {}).items():
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


def _constraint(what: str, group: Mapping[str, Any], nodes: Sequence[Node]) -> _Reason:
    if what == "missing drivers":
        return _driver(group, nodes)
    if what == "missing compatible host volumes":
        names = [v["Source"] for v in (group.get("Volumes") or {}).values() if v.get("Type") == "host"]
        name = names[0] if names else "NAME"
        return _Reason(
            f"no {_list('host volume', names)}" if names else what,
            f"declare it in a pool of clients, as `host_volumes: {{{name}: {{path: /srv/{name}}}}}`, or make it on a"
            " machine that runs: nomad volume create",
            True,
        )
    if what.startswith("missing CSI Volume "):
        name = what.removeprefix("missing CSI Volume ")
        return _Reason(f"no CSI volume {name}", f"run its plugin, then nomad volume create {name}", True)
    if what == "missing network":
        modes = [n["Mode"] for n in group.get("Networks") or () if str(n.get("Mode", "")).startswith("cni/")]
        return _Reason(
            f"no {_list('network', modes)}" if modes else what,
            'the machines have the networks "bridge" and "host": write one of them',
            True,
        )
    if what.startswith("missing host network "):
        return _Reason(what, "leave host_network out of the port, or declare it in `nomad_config` of the pool", True)
    return _Reason(f"constraint {what}", *_of_attribute(what))


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
    """What to do about a constraint, and whether it stays as it is."""
    if what.startswith(("distinct_hosts", "distinct_property")):
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
        return "write upstreams in place of transparent_proxy: the machines have no plugin for it", True
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

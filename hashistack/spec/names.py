"""What names may look like: our own, the vendors', and those that a cloud's resources get from them.

The clouds' rules are checked by their provider, once it has built the name, with `Rule.problem`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator

from hashistack.spec.problems import FieldError, Problem, show


@dataclass(frozen=True)
class Rule:
    """The form of one kind of name; `first` and `last` are the characters it may begin and end with."""

    thing: str
    most: int
    characters: str
    spoken: str
    least: int = 1
    first: str = ""
    last: str = ""

    def fault(self, name: str) -> tuple[str, str] | None:
        """What is wrong with a name and what to do, or None."""
        strange = dict.fromkeys(re.sub(f"[{self.characters}]", "", name))
        if strange:
            unsafe = ", ".join(show(each) for each in list(strange)[:5])
            return f"{self.thing} cannot have {unsafe}", f"Use only {self.spoken}."
        if not name:
            return "is empty", f"Use {self.spoken}."
        if not self.least <= len(name) <= self.most:
            count = f"{len(name)} character{'' if len(name) == 1 else 's'}"
            remedy = "Shorten it." if len(name) > self.most else "Give a longer one."
            return f"is {count} long, {self.thing} has {self.least} to {self.most}", remedy
        if self.first and not re.match(f"[{self.first}]", name):
            return f"{self.thing} cannot begin with {show(name[0])}", f"Begin it with {_SPOKEN[self.first]}."
        if self.last and not re.match(f"[{self.last}]", name[-1]):
            return f"{self.thing} cannot end with {show(name[-1])}", f"End it with {_SPOKEN[self.last]}."
        return None

    def problem(self, name: str, path: str = "name") -> Problem | None:
        """The same for a name that was derived from the field at `path`."""
        fault = self.fault(name)
        return fault and Problem(path, f"{fault[0]} (got {show(name)})", fault[1])

    def check(self, name: str) -> str:
        """The name, unless it is bad: then `FieldError` is raised. The form that a field's validator has."""
        fault = self.fault(name)
        if fault:
            raise FieldError(*fault)
        return name


_SPOKEN = {"a-z": "a letter (a-z)", "a-z0-9": "a letter or a digit", "A-Za-z0-9": "a letter or a digit"}

CLUSTER = Rule("a cluster's name", 63, "a-z0-9-", 'a-z, 0-9 and "-"', first="a-z", last="a-z0-9")
DATACENTER = Rule(
    "a datacenter's name, which becomes a DNS label,",
    63,
    "a-z0-9-",
    'a-z, 0-9 and "-"',
    1,
    "a-z0-9",
    "a-z0-9",
)
REGION = Rule(
    "a region's name, which is in every certificate,",
    63,
    "a-z0-9-",
    'a-z, 0-9 and "-"',
    1,
    "a-z0-9",
    "a-z0-9",
)
NODE_POOL = Rule("a Nomad node pool's name", 128, "A-Za-z0-9_-", 'letters, digits, "-" and "_"', first="A-Za-z0-9")
NODE_CLASS = Rule("a Nomad node class", 128, "A-Za-z0-9._-", 'letters, digits, ".", "-" and "_"')
NAMESPACE = Rule("a Nomad namespace or policy", 128, "A-Za-z0-9-", 'letters, digits and "-"')
HOST_VOLUME = Rule("a host volume's name", 128, "A-Za-z0-9_-", 'letters, digits, "-" and "_"', first="A-Za-z0-9")
MACHINE_TYPE = Rule("a machine type", 128, "A-Za-z0-9._-", 'letters, digits, ".", "-" and "_"')
ZONE = Rule("a zone's name", 63, "a-z0-9-", 'a-z, 0-9 and "-"')
SERVICE = Rule("a service's name", 63, "A-Za-z0-9-", 'letters, digits and "-"', first="A-Za-z0-9", last="A-Za-z0-9")

AWS_LAUNCH_TEMPLATE = Rule(
    "an AWS launch template's name", 128, "A-Za-z0-9().\\-/_", "letters, digits and ( ) . - / _", least=3
)
AWS_AUTOSCALING_GROUP = Rule("an AWS Auto Scaling group's name", 255, " -~", "printable ASCII characters")
AWS_LIFECYCLE_HOOK = Rule("an AWS lifecycle hook's name", 255, "A-Za-z0-9\\-_/", "letters, digits and - _ /")
GCP_RESOURCE = Rule("a Google Cloud name", 63, "a-z0-9-", 'a-z, 0-9 and "-"', first="a-z", last="a-z0-9")
GCP_INSTANCE_GROUP_BASE = Rule(  # the group appends "-xxxx" to it for each machine
    "a managed instance group's base name", 58, "a-z0-9-", 'a-z, 0-9 and "-"', first="a-z", last="a-z0-9"
)
GCP_LABEL_KEY = Rule("a Google Cloud label key", 63, "a-z0-9_-", 'a-z, 0-9, "-" and "_"', first="a-z")


def _datacenter(name: str) -> str:
    if name == "*":
        raise FieldError('is reserved: "*" matches all datacenters in a job', "Give it a name of its own.")
    return DATACENTER.check(name)


def _pool(name: str) -> str:
    if name.lower() in ("server", "servers"):
        raise FieldError("is what the pool of servers is called", "Pick another name.")
    return NODE_POOL.check(name)


def _node_pool(name: str) -> str:
    if name == "all":
        raise FieldError(
            "is built into Nomad: no node may register in it", "Pick another name, or leave the field out."
        )
    return NODE_POOL.check(name)


ClusterName = Annotated[str, AfterValidator(CLUSTER.check)]
DatacenterName = Annotated[str, AfterValidator(_datacenter)]
RegionName = Annotated[str, AfterValidator(REGION.check)]
PoolName = Annotated[str, AfterValidator(_pool)]
NodePool = Annotated[str, AfterValidator(_node_pool)]
MachineType = Annotated[str, AfterValidator(MACHINE_TYPE.check)]
ZoneName = Annotated[str, AfterValidator(ZONE.check)]
NodeClass = Annotated[str, AfterValidator(NODE_CLASS.check)]


def foreign_zones(zones: Iterable[str], region: str, path: str = "zones") -> Iterator[Problem]:
    """The zones that are not in a cloud's region ("us-east-1a" and "europe-west1-b" are in theirs)."""
    for index, zone in enumerate(zones):
        if not re.fullmatch(rf"{re.escape(region)}-?[a-z]", zone):
            yield Problem(
                f"{path}[{index}]",
                f"is not in region {region} (got {show(zone)})",
                f"Name a zone of {region}.",
            )

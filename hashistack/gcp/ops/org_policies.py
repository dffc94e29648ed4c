"""An organization's policies that a cluster meets: which of them a project may not have, and why.

https://cloud.google.com/resource-manager/docs/organization-policy/org-policy-constraints
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Constraint:
    """needs: what the cluster wants of it, in a sentence. values: its values of which one must be allowed; () for a
    constraint that is enforced or not."""

    name: str
    needs: str
    values: tuple[str, ...] = ()


def constraints(region: str, image_project: str) -> Iterator[Constraint]:
    """Those that could stand against a cluster. image_project: where its images are; "" for an image of the user's."""
    yield Constraint("iam.disableServiceAccountCreation", "a service account for each pool is made")
    yield Constraint("compute.disableGuestAttributesAccess", "machines say by guest attributes that they are well")
    yield Constraint(
        "gcp.resourceLocations", f"everything is made in {region}", (f"in:{region}-locations", region, f"is:{region}")
    )
    yield Constraint(
        "compute.restrictLoadBalancerCreationForTypes",
        "the APIs are behind an internal load balancer",
        ("in:INTERNAL", "INTERNAL_TCP_UDP", "is:INTERNAL_TCP_UDP"),
    )
    if image_project:
        where = f"projects/{image_project}"
        needs = f"machines start from images of {image_project}"
        yield Constraint("compute.trustedImageProjects", needs, (where, f"is:{where}"))


def allows(policy: Mapping[str, Any], constraint: Constraint) -> bool | None:
    """Whether the policy in effect (an OrgPolicy of the Resource Manager) lets the cluster be; None: it can't be told.

    Groups of values are Google's: whether one that is allowed has ours in it, only Google knows.
    """
    if not constraint.values:
        return not policy.get("booleanPolicy", {}).get("enforced", False)
    listed = policy.get("listPolicy", {})
    allowed, denied = (set(listed.get(each, ())) for each in ("allowedValues", "deniedValues"))
    if listed.get("allValues") == "DENY" or denied & {*constraint.values}:
        return False
    if not allowed or allowed & {*constraint.values}:
        return True
    return None if any(value.startswith(("in:", "under:")) for value in allowed) else False

"""What is looked at before a rollout changes anything: whether it can be done, and what it will cost the work."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from hashistack.ops.api.cluster import Cluster
from hashistack.ops.rollout import steps as step
from hashistack.ops.rollout.disruptions import HOMELESS, LOSING, homeless, losing
from hashistack.ops.rollout.driver import PoolDriver
from hashistack.ops.rollout.failed_moves import title
from hashistack.ops.rollout.observer import Observation
from hashistack.ops.rollout.plan import Plan, plan
from hashistack.ops.rollout.regressions import BROKEN, broken_now


@dataclass(frozen=True)
class Preparation:
    """What a rollout will do and cost.

    homeless: jobs that would be left without a place, as `disruptions.homeless` has them.
    losing: jobs and volumes whose data would be gone, as `disruptions.losing` has them.
    Both without those to be ignored. warnings: sentences.
    """

    plan: Plan
    homeless: list[str]
    losing: list[str]
    warnings: list[str]


def harmed(
    cluster: Cluster, seen: Observation, lost: Collection[str], ignored: Collection[str]
) -> tuple[list[str], list[str]]:
    """Whom a rollout would leave without a place, and whose data would be gone, as `Preparation` has them.

    lost: as `disruptions.losing` has them. Raises ApiError.
    """
    counted = {job: pool for job, pool in cluster.nomad.node_pools().items() if "/".join(job) not in ignored}
    stranded = homeless(cluster.connection, seen.fleet, seen.nodes.values(), counted)
    return stranded, [one for one in lost if one.partition(" (")[0] not in ignored]


def refusal(stranded: Collection[str], kept: Collection[str]) -> tuple[str, str] | None:
    """Why a rollout does not begin, and what to do; None where nobody is harmed."""
    if stranded:
        return (
            f"{HOMELESS}: {', '.join(stranded)}",
            "give the pool that they run on this `node_pool`, register them with another one, or --ignore-job",
        )
    if kept:
        return (
            f"{LOSING}: {', '.join(kept)}",
            "copy the data elsewhere (docs/jobs.md), then --ignore-job with each of these names",
        )
    return None


def prepare(
    cluster: Cluster, driver: PoolDriver, seen: Observation, ignored: Collection[str], now: float
) -> Preparation:
    """Asks the platform and the APIs; nothing is changed but what does not show. now: seconds of the epoch.

    Raises:
        ApiError: an API did not answer.
        DriverFailed: the platform refuses what the plan will ask of it.
    """
    whole, nomad = plan(seen.fleet), cluster.nomad
    for pool in {one.pool: one for steps in whole.rounds for one in steps if isinstance(one, step.Grow)}:
        driver.check(pool)  # a pool without surge is made smaller before it grows
    lost = losing(seen, seen.fleet, nomad.writers(), nomad.host_volumes()) if whole.pools else []
    stranded, kept = harmed(cluster, seen, lost, ignored)
    if stranded or kept:
        return Preparation(whole, stranded, kept, [])
    driver.ensure_api()
    servers = cluster.connection.machines("server")
    cluster.consul.set_quorum(servers // 2 + 1)
    cluster.vault.set_quorum(servers)
    warnings = []
    if ill := broken_now(seen.placed, nomad.restarted() if whole.pools else (), seen.fleet, now):
        warnings.append(f"{BROKEN}: {', '.join(ill)}")
    if lost:
        warnings.append(f"{LOSING}: {', '.join(lost)}")
    known = {title(one.namespace, one.job) for one in seen.placed} | {one.partition(" (")[0] for one in lost}
    if unknown := set(ignored) - known:
        warnings.append(f"to be ignored, but no job of the cluster: {', '.join(sorted(unknown))}")
    return Preparation(whole, [], [], warnings)

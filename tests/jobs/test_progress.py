"""How each kind of job is doing, in words."""

from __future__ import annotations

from typing import Any

import pytest

from hashistack.jobs.excerpt import STRUCK, excerpt
from hashistack.jobs.progress import Progress, failures, progress, told
from hashistack.jobs.remedies import remedy
from hashistack.ops.api.allocations import Allocation
from hashistack.ops.api.deployments import Deployment
from hashistack.spec.pool import ClientPool
from hashistack.spec.problems import SpecError


def job(kind: str = "service", count: int = 2, update: bool = False, **more: Any) -> dict[str, Any]:
    return {"Type": kind, "TaskGroups": [{"Count": count, "Update": {"MaxParallel": 1} if update else None}], **more}


def allocation(status: str = "running", version: int = 1, **more: Any) -> Allocation:
    usual = {"id": "a1", "node": "web-1", "healthy": None, "succeeded": frozenset(), "events": {}, "name": "x.x[0]"}
    return Allocation(**{**usual, "status": status, "job_version": version, **more})


def deployment(status: str = "running", **more: Any) -> Deployment:
    return Deployment(**{"status": status, "description": "why", "job_version": 1, "id": "12345678-9", **more})


RUNS = allocation()


@pytest.mark.parametrize(
    ("submitted", "deployed", "allocations", "ended"),
    [
        (job("batch", Periodic={"Enabled": True}), None, [], (True, "registered: Nomad runs it at its times")),
        (job("batch", ParameterizedJob=None, Periodic=None), None, [], (None, "0 of 2 allocations run")),
        (job("batch", ParameterizedJob={"Payload": ""}), None, [], (True, "registered: it runs when it is dispatched")),
        (job(Stop=True), None, [], (True, "registered: it is stopped")),
        (job(count=0, update=True), None, [], (True, "registered: its count is 0")),
        (job(update=True), None, [], (None, "deploying")),
        (job(update=True), deployment(job_version=0, status="successful"), [RUNS], (None, "deploying")),
        (job(update=True), deployment(healthy=1, wanted=2), [], (None, "deploying: 1 of 2 allocations healthy")),
        (job(update=True), deployment("successful", healthy=2, wanted=2), [],
         (True, "running: 2 of 2 allocations healthy")),
        (job(update=True), deployment("failed"), [], (False, "why")),
        (job(update=True), deployment("paused"), [], (None, "its deployment is paused")),
        (job(update=True), deployment(canaries=2, healthy=1), [],
         (None, "deploying: 1 of 2 canaries healthy; then it waits for its promotion")),
        (job(update=True), deployment(canaries=2, healthy=2), [],
         (None, "waits for its promotion, 2 of 2 canaries healthy")),
        (job(), None, [RUNS], (None, "1 of 2 allocations run")),
        (job(), None, [RUNS, RUNS], (True, "running: 2 of 2 allocations run")),
        (job(), None, [allocation(version=0)] * 2, (None, "0 of 2 allocations run")),
        (job("system"), None, [RUNS] * 3, (True, "running: 3 of 3 allocations run")),
        (job("system"), None, [], (None, "0 of 1 allocations run")),
        (job("batch", 1), None, [RUNS], (True, "running: 1 of 1 allocations")),
        (job("batch", 1), None, [allocation("complete")], (True, "completed: 1 allocations")),
        (job("batch", 1), None, [allocation("failed")],
         (False, "1 of 1 allocations failed, and Nomad does not try again")),
        (job("batch", 1), None, [allocation("failed", again=True)], (None, "0 of 1 allocations run")),
        (job("sysbatch", 1), None, [allocation("complete"), RUNS], (True, "running: 1 of 2 allocations")),
    ],
)  # fmt: skip
def test_how_a_job_is_doing(
    submitted: dict[str, Any],
    deployed: Deployment | None,
    allocations: list[Allocation],
    ended: tuple[bool | None, str],
) -> None:
    now = progress(submitted, 1, deployed, allocations)
    assert (now.well, now.text) == ended


def test_what_to_do_is_said_where_nomad_waits_for_a_person() -> None:
    waits = progress(job(update=True), 1, deployment(canaries=1, healthy=1), [])
    assert waits.remedy == "nomad deployment promote 12345678, or nomad deployment fail 12345678"
    assert progress(job(update=True), 1, deployment("paused"), []).remedy == "nomad deployment resume 12345678"


def test_work_without_a_place_says_why() -> None:
    assert progress(job(), 1, None, [], "no room") == Progress(None, "no room")
    assert progress(job(update=True), 1, deployment(), [], "no room") == Progress(None, "no room")


def test_only_the_newest_of_each_name_and_this_version_is_wrong() -> None:
    well, ill = allocation(id="new"), allocation("failed", id="old")
    assert failures([well, ill], 1) == []
    assert failures([ill, well], 1) == [ill]
    assert failures([allocation("failed", version=0)], 1) == []
    assert len(failures([allocation(restarts={"web": 2}), allocation(name="x.x[1]", healthy=False)], 1)) == 2


def test_an_allocation_tells_its_task_exit_code_and_restarts() -> None:
    events = {"init": ("Started",), "web": ("Started", "Exit Code: 7", "Task restarting in 1s")}
    ill = allocation(events=events, succeeded=frozenset({"init"}), restarts={"web": 2})
    assert told(ill) == ("x.x[0] on web-1: task web: exit code: 7, started again 2 times", "web")
    assert told(allocation(events={"web": ("Failed to pull",)}))[0] == "x.x[0] on web-1: task web: Failed to pull"
    again = {"web": ("Downloading image", "Failed to pull `x`: connection refused", "Task restarting in 1s")}
    assert told(allocation(events=again))[0].endswith("task web: Failed to pull `x`: connection refused")
    assert told(allocation("failed")) == ("x.x[0] on web-1 is failed", "")
    refused = (
        "'port_map' cannot map group network ports",
        "Policy allows no restarts",
        "Unhealthy because of failed task",
    )
    assert told(allocation("failed", events={"web": refused}))[0].endswith(f"task web: {refused[0]}")


def test_one_that_waits_for_what_its_template_reads_tells_what() -> None:
    events = {"web": ("Building Task Directory", "Missing: kv.block(a)")}
    waits, starts = allocation("pending", events=events), allocation("pending", events={"web": events["web"][:1]})
    assert failures([waits], 1) == [waits]
    assert failures([starts], 1) == []
    assert told(waits) == ("x.x[0] on web-1: task web: Missing: kv.block(a)", "web")


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ("Failed to pull `redis:7`: Error response from daemon: no such host", "hashistack load redis:7"),
        ("failed to download artifact \"https://x\": no such host", "see that the machines reach its source"),
        ("Failed to create container: Docker privileged mode is disabled on this Nomad agent", "allow_privileged"),
        ("volumes are not enabled; cannot mount host paths", "`host_volumes`"),
        ("driver does not allow the following capabilities: net_admin", "allow_caps = […, net_admin]"),
        ("error setting cgroup config: unable to set memory limit to 10485760", "more memory"),
        ("failed to launch command with executor: file python not found under path", "bring python as an artifact"),
        ('Vault: Errors: * role "testid" could not be found', "auth/jwt-nomad/role/testid"),
        ("Missing: vault.read(kv/data/shop/web)", "vault kv put kv/shop/web NAME=VALUE"),
        ("Missing: vault.read(kv/data/shop/web/db)", "vault kv put kv/shop/web/db NAME=VALUE"),
        ("Missing: vault.read(secret/data/mysql)", "kv/data/shop/web in the template"),
        ("Missing: vault.read(kv/data/shop/webbing)", "kv/data/shop/web in the template"),
        ("Missing: kv.block(a/b), health.service(db|passing)",
         "consul kv put a/b VALUE; run the job that has the service db"),
        ("Missing: nomad.var.block(nomad/jobs/web@shop.global)", "nomad var put nomad/jobs/web NAME=VALUE"),
        ("Missing: nomad.var.block(my/own@shop.global)", "a job reads its own variables"),
        ("Missing: nomad.service(db)", "run the job that has the service db"),
    ],
)  # fmt: skip
def test_what_keeps_a_task_from_starting_has_a_next_step(event: str, said: str) -> None:
    assert said in remedy(event, "shop", "web")


@pytest.mark.parametrize(
    ("event", "config"),
    [
        ("Docker privileged mode is disabled on this Nomad agent", {"allow_privileged": True}),
        ("volumes are not enabled", {"volumes": {"enabled": True}}),
        ("does not allow the following capabilities: net_admin", {"allow_caps": ["chown", "net_admin"]}),
    ],
)
def test_what_a_next_step_says_to_accept_is_accepted(event: str, config: dict[str, Any]) -> None:
    accept = remedy(event, "shop", "web").partition("accept: [")[2].partition("]")[0]
    assert ClientPool(name="web", nomad_config={"plugin": {"docker": {"config": config}}}, accept=[accept])
    with pytest.raises(SpecError):
        ClientPool(name="web", nomad_config={"plugin": {"docker": {"config": config}}})


def test_an_event_that_is_not_known_has_no_next_step() -> None:
    assert remedy("Exit Code: 1", "shop", "web") == ""


def test_an_excerpt_is_short_and_has_no_secret() -> None:
    said = "\n".join(f"line {n}" for n in range(9))
    assert excerpt(said) == [f"line {n}" for n in range(4, 9)]
    told = excerpt(
        'DB_PASSWORD=hunter2 user=me\n{"api-token": "abc def"}\nhvs.CAESIJ1234567890abcdefghij is it\n'
        "asked with 8a2f4c1e-0000-4000-8000-1234567890ab\nmine: top\x1b[0m",
        ["top"],
    )
    assert told == [
        f"DB_PASSWORD={STRUCK} user=me",
        f'{{"api-token": {STRUCK}' + "}",
        f"{STRUCK} is it",
        f"asked with {STRUCK}",
        f"mine: {STRUCK}[0m",
    ]

"""Job files of each kind that Nomad knows, written as a tutorial writes them, on a cluster as it is made.

They are in `jobs/`. All are registered at once and awaited together.
"""

from __future__ import annotations

import io
import json
import tarfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import docker
import pytest

from .datacenter import Datacenter
from .project import until
from .test_docker import IMAGE as PAUSE

JOBS = Path(__file__).parent / "jobs"
IMAGE = "hashistack-tests/busybox:1"
FILES_PORT = 18087
SECONDS = 300
"""For all of them: a machine that does other work too starts about one task a second, or fewer."""

RUN = ("action", "blue-green", "canary", "host-volume", "networks", "service", "system")
"""Jobs that go on."""
END = ("artifacts", "batch", "exec", "lifecycle", "sysbatch", "templates")
"""Jobs that end. Each looks itself at what it was given, and fails unless that is right: of a container that ends at
once Nomad may miss what it said."""
START = ("parameterised", "periodic")
"""Jobs that somebody starts."""


class Kinds:
    """The jobs on a cluster."""

    def __init__(self, datacenter: Datacenter) -> None:
        self.datacenter = datacenter

    def nomad(self, *arguments: str, code: int = 0) -> str:
        return self.datacenter.vendor("nomad", *arguments, code=code)

    def run(self, kind: str, **variables: str) -> None:
        given = [f"-var={name}={value}" for name, value in variables.items()]
        self.nomad("job", "run", "-detach", *given, str(JOBS / f"{kind}.nomad.hcl"))

    def allocations(self, job: str, running: bool = False) -> list[dict[str, Any]]:
        """Those that the job is to have, or those that run."""
        found: list[dict[str, Any]] = self.datacenter.nomad(f"/v1/job/{job}/allocations")
        return [one for one in found if (one["ClientStatus"] if running else one["DesiredStatus"])[:3] == "run"]

    def late(self, job: str) -> str:
        """What has not come of it yet; "" when all is there."""
        states = {one["ClientStatus"] for one in self.allocations(job)}
        if job in END or job == "system":
            return "" if states == {"complete" if job in END else "running"} else f"{job}: {states}"
        return "" if self.datacenter.deployed(job) else f"{job}: {states}, not deployed"

    def why(self, job: str) -> str:
        """The same, with what Nomad says of tasks that fail and of places that are not there."""
        said = [self.late(job)]
        for one in self.datacenter.nomad(f"/v1/job/{job}/allocations"):
            for task, state in (one["TaskStates"] or {}).items():
                said += [f"{task}: {event['DisplayMessage']}" for event in state["Events"]]
        for evaluation in self.datacenter.nomad(f"/v1/job/{job}/evaluations"):
            if evaluation.get("FailedTGAllocs"):
                said.append(json.dumps(evaluation["FailedTGAllocs"]))
        return "\n".join(said)

    def exec(self, job: str, task: str, *command: str) -> str:
        (one, *_) = (one for one in self.allocations(job) if task in (one["TaskStates"] or {}))
        return self.datacenter.exec(task, one["ID"], *command)

    def running(self, job: str, *tasks: str) -> bool:
        """Whether its only allocation runs all of these: it calls itself running as soon as one of them does."""
        states = [one["TaskStates"] or {} for one in self.allocations(job)]
        return [[found.get(task, {}).get("State") for task in tasks] for found in states] == [["running"] * len(tasks)]

    def get(self, url: str) -> str:
        status, said = self.datacenter.clients[0].get(url)
        return said if status == 200 else f"{status} {said}"

    def version(self, service: str, tag: str) -> set[str]:
        """What the instances with that tag say."""
        found = self.datacenter.consul(f"/v1/health/service/{service}?passing&tag={tag}")
        places = [(one["Service"]["Address"], one["Service"]["Port"]) for one in found]
        return {self.get(f"http://{address}:{port}/index.html").strip() for address, port in places}


@pytest.fixture(scope="module")
def image(datacenter: Datacenter, docker_client: docker.DockerClient) -> Iterator[str]:
    """A busybox with its commands, of the machines' own as there is no registry here, loaded by the command."""
    machine = datacenter.clients[0]
    machine.sh(f"docker save -o /root/image.tar {PAUSE}")
    pieces, _ = machine.container.get_archive("/root/image.tar")
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as tar:
        archive = tar.extractfile("image.tar")
        assert archive
        docker_client.images.load(archive.read())
    install = '["busybox", "sh", "-c", "busybox mkdir -p /bin && busybox --install -s /bin"]'
    recipe = f"FROM {PAUSE}\nRUN {install}\nENTRYPOINT []\n"
    try:
        docker_client.images.build(fileobj=io.BytesIO(recipe.encode()), tag=IMAGE, rm=True)
        try:
            datacenter.project.run("load", IMAGE)
        finally:
            docker_client.images.remove(IMAGE)
    finally:
        docker_client.images.remove(PAUSE)
    return IMAGE


@pytest.fixture(scope="module")
def files(datacenter: Datacenter) -> Iterator[str]:
    """A web server with a file, an archive and a git repository: its address."""
    machine = datacenter.clients[0]
    machine.sh(
        # Unless a try has done it whose output was lost.
        f"curl -sf http://127.0.0.1:{FILES_PORT}/repo.git/HEAD >/dev/null || {{"
        " rm -rf /srv/kinds && mkdir -p /srv/kinds/work && cd /srv/kinds && echo fetched >file"
        " && echo archived >inside && tar -czf archive.tar.gz inside"
        " && cd work && git init -q && echo committed >file && git add file"
        " && git -c user.name=t -c user.email=t@example.com commit -qm one"
        " && git clone -q --bare . ../repo.git && cd ../repo.git && git update-server-info"
        f" && ($(command -v busybox-extras || command -v busybox) httpd -p {FILES_PORT} -h /srv/kinds); }}"
    )
    yield f"{machine.name}.node.consul:{FILES_PORT}"
    machine.sh(f"pkill -f '[-]p {FILES_PORT}'; rm -rf /srv/kinds")


@pytest.fixture(scope="module")
def kinds(datacenter: Datacenter, image: str, files: str) -> Iterator[Kinds]:
    found = Kinds(datacenter)
    datacenter.vendor("consul", "kv", "put", "kinds/greeting", "hello")
    datacenter.vendor("vault", "kv", "put", "kv/default/templates", "greeting=hello")
    found.nomad("var", "put", "-force", "nomad/jobs/templates", "greeting=hello")
    variables = {"artifacts": {"source": files}, "blue-green": {"version": "1"}, "canary": {"version": "1"}}
    jobs = (*RUN, *END, *START)
    volume = ""
    try:
        volume = found.nomad("volume", "create", "-detach", str(JOBS / "host-volume.volume.hcl")).split()[-1]
        with ThreadPoolExecutor(4) as pool:
            for made in [pool.submit(found.run, job, **variables.get(job, {})) for job in jobs]:
                made.result()
        deadline = time.monotonic() + SECONDS
        while any(found.late(job) for job in (*RUN, *END)) and time.monotonic() < deadline:
            time.sleep(0.3)  # who is late then is told by a test of its own
        yield found
    finally:
        for job in jobs:
            datacenter.nomad(f"/v1/job/{job}?purge=true", method="DELETE")
        if volume:
            until(lambda: not found.allocations("host-volume", running=True), 90, "the volume is used no more")
            found.nomad("volume", "delete", "-type=host", volume)
        found.nomad("var", "purge", "nomad/jobs/templates")
        datacenter.vendor("vault", "kv", "metadata", "delete", "kv/default/templates")
        datacenter.vendor("consul", "kv", "delete", "-recurse", "kinds/")


@pytest.mark.parametrize("job", [*RUN, *END])
def test_a_job_of_each_kind_runs(kinds: Kinds, job: str) -> None:
    assert not kinds.late(job), kinds.why(job)


def test_a_service_is_spread_and_answers_by_its_name(kinds: Kinds) -> None:
    assert len({one["NodeID"] for one in kinds.allocations("service")}) == 2

    def said() -> set[str]:
        places = kinds.datacenter.consul("/v1/health/service/service?passing")
        return {kinds.get(f"http://{one['Service']['Address']}:{one['Service']['Port']}/") for one in places}

    def named() -> str:
        return kinds.exec("action", "work", "nslookup", "service.service.consul")

    # A check that a busy machine answers late takes an instance out of the catalog for a moment.
    until(lambda: said() == {"service 0\n", "service 1\n"}, 30, lambda: str(said()))
    until(lambda: named().count("Address") >= 3, 30, named)


def test_a_task_may_use_more_memory_than_it_reserves_where_it_says_so(kinds: Kinds) -> None:
    (one, _) = kinds.allocations("service")
    machine = next(machine for machine in kinds.datacenter.clients if machine.name == one["NodeName"])
    limits = "{{.HostConfig.MemoryReservation}} {{.HostConfig.Memory}}"
    assert machine.sh(f"docker inspect -f '{limits}' web-{one['ID']}").split() == [str(16 << 20), str(48 << 20)]


def test_a_container_has_the_network_that_it_asks_for(kinds: Kinds) -> None:
    assert "eth0" in kinds.exec("networks", "host", "ls", "/sys/class/net").split()
    assert "nomad" in kinds.exec("networks", "host", "ls", "/sys/class/net").split()
    assert kinds.exec("networks", "none", "ls", "/sys/class/net") == "lo\n"
    (bridge,) = kinds.datacenter.nomad("/v1/service/networks-bridge")
    assert kinds.get(f"http://{bridge['Address']}:18086/index.html") == "bridge\n"


@pytest.mark.parametrize("job", ["system", "sysbatch"])
def test_a_system_job_is_on_every_client(kinds: Kinds, job: str) -> None:
    clients = {machine.name for machine in kinds.datacenter.clients}
    assert {one["NodeName"] for one in kinds.allocations(job)} == clients


def test_a_periodic_job_runs(kinds: Kinds) -> None:
    kinds.nomad("job", "periodic", "force", "-detach", "periodic")
    ended(kinds, "periodic/periodic-")


def test_a_dispatched_job_gets_its_payload(kinds: Kinds, tmp_path: Path) -> None:
    payload = tmp_path / "payload"
    payload.write_text("a payload\n")
    kinds.nomad("job", "dispatch", "-detach", "-meta", "name=you", "parameterised", str(payload))
    ended(kinds, "parameterised/dispatch-")


def ended(kinds: Kinds, prefix: str) -> None:
    """Waits until the job with that prefix has looked at what it was given, and found it right."""

    def child() -> str:
        found = kinds.datacenter.nomad(f"/v1/jobs?prefix={quote(prefix)}")
        return str(found[0]["ID"]) if found else ""

    def complete() -> bool:
        return {one["ClientStatus"] for one in kinds.allocations(quote(child(), safe=""))} == {"complete"}

    until(child, 30, f"a job {prefix} begins")
    until(complete, 120, lambda: kinds.why(quote(child(), safe="")))


def test_an_action_runs_in_its_task(kinds: Kinds) -> None:
    greet = ("action", "-i=false", "-t=false", "-job=action", "-group=work", "-task=work", "greet")
    # Docker loses what it says now and then: see `Machine.run`.
    assert until(lambda: kinds.nomad(*greet), 20, "it says something") == "hello from work\n"


@pytest.mark.parametrize(("job", "count"), [("canary", 1), ("blue-green", 2)])
def test_a_new_version_serves_beside_the_old_one_until_it_is_promoted(kinds: Kinds, job: str, count: int) -> None:
    kinds.run(job, version="2")

    def canaries() -> bool:
        status = (kinds.datacenter.nomad(f"/v1/job/{job}/deployment") or {}).get("TaskGroups", {}).get("web", {})
        return len(status.get("PlacedCanaries") or ()) == count == status.get("HealthyAllocs")

    def say(tag: str, version: str) -> None:
        until(lambda: kinds.version(job, tag) == {version}, 60, lambda: f"{tag}: {kinds.version(job, tag)}")

    until(canaries, 120, lambda: kinds.why(job))
    say("trial", "version 2")
    say("live", "version 1")
    kinds.nomad("job", "promote", "-detach", job)
    until(lambda: not kinds.late(job), 120, lambda: kinds.why(job))
    say("live", "version 2")


def test_a_volume_keeps_what_an_allocation_has_written(kinds: Kinds) -> None:
    (first,) = kinds.allocations("host-volume")
    kinds.nomad("alloc", "stop", "-detach", first["ID"])

    def again() -> bool:
        found = [one["ID"] for one in kinds.allocations("host-volume")]
        return first["ID"] not in found and kinds.running("host-volume", "container", "program")

    until(again, 120, lambda: kinds.why("host-volume"))
    (second,) = kinds.allocations("host-volume")
    for file in ("allocations", "by-program"):
        read = partial(kinds.exec, "host-volume", "container", "cat", f"/data/{file}")
        # A task is said to run before its program has come to write.
        until(lambda read=read: read().split() == [first["ID"], second["ID"]], 20, read)


def test_a_job_for_several_regions_is_refused_with_the_reason(kinds: Kinds) -> None:
    with pytest.raises(AssertionError, match="Multiregion jobs are unlicensed"):
        kinds.run("multiregion")

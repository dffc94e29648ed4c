"""A cluster as a test uses it: each call does what the command of that name does."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, TypeVar

from hashistack.cli.project import Project
from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.connection import Connection
from hashistack.testing import web
from hashistack.testing.calls import CallFailed, plainly, service_of
from hashistack.testing.environment import Variables

if TYPE_CHECKING:
    import httpx

PAUSE_SECONDS = 0.2
_LOG_CHARACTERS = 1 << 20

Answered = TypeVar("Answered")


class RunningCluster:
    """A cluster that is ready for jobs. What harms it is refused unless the test has it alone.

    connection: addresses and credentials of its APIs. project: the Pulumi project and stack that it is of. timeout:
    seconds that a call may take. of_state: the secrets in the stack's state. hide: hears the secrets of what is given
    out, for a log that must not show them.
    """

    hide: Callable[[Collection[str]], None] = staticmethod(lambda secrets: None)

    def __init__(
        self,
        project: Project,
        connection: Connection,
        timeout: float,
        *,
        harm: bool,
        of_state: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self.project, self.connection, self.timeout, self._may_harm = project, connection, timeout, harm
        self._of_state = of_state
        self._cluster: Cluster | None = None

    def __repr__(self) -> str:
        return f"<cluster {self.name}>"

    @property
    def name(self) -> str:
        """Its id, as `hashistack list` shows it."""
        return self.connection.name

    @property
    def api(self) -> Cluster:
        """The calls to its three APIs that hashistack itself makes."""
        if self._cluster is None:
            self._cluster = Cluster(self.connection)
        return self._cluster

    @property
    def environment(self) -> Variables:
        """The variables by which the commands nomad, consul and vault reach it; its Vault token lives an hour."""
        from hashistack.cli.commands.status import environment_of

        found = Variables(environment_of(self.connection))
        self.hide(found.secrets)
        return found

    @plainly
    def run(
        self,
        file: str | Path,
        variables: Mapping[str, object] | None = None,
        *,
        namespace: str = "",
        timeout: float | None = None,
    ) -> str:
        """Run a job and wait until it is healthy, or has ended if it is a batch job; answers its id.

        file: a job file, HCL or JSON. variables: of HCL. namespace: else the job's own, else `default`.

        Raises HashistackError, which says why it is not, with the last lines of its failed tasks.
        """
        from hashistack.cli.nomad_command import read_job
        from hashistack.jobs.deploy import (
            UNPLACED_SECONDS,
            plan,
            refuse_unknown_namespace,
            refuse_unplaceable,
            submit,
            watch,
        )

        job = read_job(str(file), [f"{name}={value}" for name, value in (variables or {}).items()], ())
        job["Namespace"] = where = namespace or job.get("Namespace") or "default"
        nomad, id = self.api.nomad.within(where), str(job["ID"])
        refuse_unknown_namespace(nomad)
        refuse_unplaceable(nomad, job, plan(nomad, job)[1], self.connection.pools)
        ended = watch(
            nomad,
            id,
            submit(nomad, job),
            self.connection.secrets,
            lambda now, story: None,
            Event(),
            seconds=timeout or self.timeout,
            unplaced_seconds=UNPLACED_SECONDS,
            to_end=True,
        )
        if not ended.well:
            raise CallFailed(f"job {id}: {ended.text}", ended.remedy)
        return id

    @plainly
    def stop(self, job: str, *, namespace: str = "default") -> None:
        """Stop a job and forget it; returns when its tasks have ended. One that is not there is fine."""
        nomad = self.api.nomad.within(namespace)
        if job not in nomad.jobs():
            return
        nomad.deregister(job, forget=False)  # what is forgotten is listed no more, and may run on
        self._until(
            lambda: not any(one.status in ("pending", "running") for one in nomad.allocations(job)[0]),
            f"the tasks of job {job} have ended",
        )
        nomad.deregister(job)

    @plainly
    def logs(self, job: str, task: str | None = None, *, stderr: bool = False, namespace: str = "default") -> str:
        """What a job's tasks have said, up to a mebibyte of each: of all allocations that run, else of the newest."""
        from hashistack.cli.find import find, heard
        from hashistack.cli.tail import streams

        nomad = self.api.nomad.within(namespace)
        job, allocations = find(nomad, job)
        kind = "stderr" if stderr else "stdout"
        said = [
            nomad.stderr(one.allocation, one.task, _LOG_CHARACTERS, kind=kind)
            for one in streams(heard(nomad, job, allocations), task)
        ]
        return "\n".join(filter(None, said))

    @plainly
    def exec(
        self, job: str, *command: str, task: str | None = None, namespace: str = "default"
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in a task of a job that runs; answers its exit code and what it said."""
        from hashistack.cli.find import running_task
        from hashistack.cli.nomad_command import environment, exec_arguments, program

        chosen, on, _ = running_task(self.api.nomad.within(namespace), job, task)
        arguments = [program(), *exec_arguments(namespace, chosen.id, on, command)]
        try:
            return subprocess.run(
                arguments,
                env=environment(self.connection),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=self.timeout,
            )
        except subprocess.TimeoutExpired:
            raise CallFailed(f"{' '.join(command)} in job {job}: not done after {self.timeout:.0f} s") from None

    @plainly
    def resolve(self, name: str) -> list[tuple[str, int]]:
        """Address and port of each healthy instance of a service: `web`, `web.service.consul`, `v2.web.service.consul`.

        Answered by Consul's API, so also where no name of the cluster is answered to this machine.
        """
        tag, service = service_of(name, self._domain)
        return self.api.consul.instances(service, tag)

    @plainly
    def url(self, service: str, path: str = "/") -> str:
        """Where an instance of a service answers this machine; waits until one is healthy."""
        found = self._until(lambda: self.resolve(service), f"an instance of {service} is healthy")
        return f"http://{web.authority(*found[0])}/{path.removeprefix('/')}"

    @plainly
    def get(self, url: str, **more: Any) -> httpx.Response:
        """GET from a service by its name, of which the port may be left out; waits until somebody answers.

        url: `http://web.service.consul/path`, or any other; only others go by the environment's proxy. more: arguments
        of `httpx.get`, such as headers.
        """
        domain, last = self._domain, ""

        def asked() -> httpx.Response | None:
            nonlocal last
            answer = web.get(url, domain, self.resolve, more)
            if isinstance(answer, str):
                last = answer
                return None
            return answer

        return self._until(asked, lambda: f"{url} answers ({last})")

    @plainly
    def load_image(self, *images: str) -> int:
        """Put images of this machine's Docker into all clients of a local cluster; answers how many have them."""
        from hashistack.platforms import operations, with_sdk

        platform = operations(self.connection.provider)
        return with_sdk(platform, lambda: platform.load_images(self.name, images, lambda text: None))

    @plainly
    def machines(self, pool: str = "") -> list[str]:
        """The names of its machines that run, of all or of one pool."""
        from hashistack.platforms import driver

        found = driver(self.connection).instances()
        return [one.name for one in found if one.state == "running" and pool in ("", one.pool)]

    @plainly
    def kill(self, machine: str) -> None:
        """Take a machine away at once, as a power cut would that it does not come back from."""
        from hashistack.platforms import driver

        self._alone("kill")
        if machine not in (there := self.machines()):
            raise CallFailed(f"there is no machine {machine}, only {', '.join(there)}")
        driver(self.connection).discard([machine])

    @plainly
    def drain(self, machine: str) -> None:
        """Move all work from a client; returns when it has none, and it takes none any more."""
        self._alone("drain")
        nodes = {node.name: node for node in self.api.nomad.nodes() if node.status == "ready"}
        if machine not in nodes:
            raise CallFailed(f"there is no client {machine}, only {', '.join(sorted(nodes))}")
        self.api.nomad.drain(nodes[machine], self.timeout)
        self._until(
            lambda: not any(node.name == machine and node.draining for node in self.api.nomad.nodes()),
            f"{machine} has no work any more",
        )

    @plainly
    def upgrade(self, **to: str) -> None:
        """Other releases (`nomad="1.11.3"`), and all machines replaced; no request is lost meanwhile."""
        from hashistack.cli.commands.rollout import upgrade
        from hashistack.cli.engine import Engine
        from hashistack.cli.output import Output, Show
        from hashistack.cli.project import own_state

        self._alone("upgrade")
        with own_state():
            upgrade(self.project, Show(Output.TEXT), to)
            self.connection = Engine(self.project, print).connection()
        self.close()

    @plainly
    def snapshot(self, file: str | Path) -> Path:
        """Take a snapshot of all three products into an archive, or into a directory; answers the archive."""
        from hashistack.cli import archive_store
        from hashistack.ops.rollout.event_log import stamp
        from hashistack.ops.snapshots.save import save
        from hashistack.platforms import driver

        key = driver(self.connection).vault_init()
        with archive_store.written(str(file), f"{stamp()}.tar") as (there, where):
            save(self.api, there, key, lambda text: None)
        return Path(where)

    @plainly
    def restore(self, archive: str | Path) -> None:
        """Put a snapshot back; returns when the cluster is ready for jobs."""
        from hashistack.cli import archive_store
        from hashistack.ops.snapshots.archive import verify
        from hashistack.ops.snapshots.restore import refuse_unfit, restore
        from hashistack.platforms import driver

        self._alone("restore")
        with archive_store.fetched(str(archive)) as there:
            found = verify(there)
            refuse_unfit(self.api, found, "")
            restore(self.api, found, "", driver(self.connection).keep_vault_init, lambda update: None)

    def said(self, lines: int) -> dict[str, str]:
        """Machine to the last lines of its products' logs, without a known secret; for the report of a failed test."""
        from hashistack.cli.known_secrets import known_secrets
        from hashistack.testing.evidence import said

        return said(self.connection, known_secrets(self._of_state(), self.connection, self.api), lines)

    def close(self) -> None:
        """Close the connections to its APIs; the next call opens them again."""
        if self._cluster is not None:
            self._cluster.close()
            self._cluster = None

    @property
    def _domain(self) -> str:
        return self.api.consul.dns_domain()

    def _alone(self, what: str) -> None:
        if not self._may_harm:
            raise CallFailed(
                f"{what} would harm other tests of {self.name}",
                "mark the test with @pytest.mark.hashistack(destructive=True), or make a cluster by hashistack_factory",
            )

    def _until(self, condition: Callable[[], Answered | None], what: str | Callable[[], str]) -> Answered:
        deadline = time.monotonic() + self.timeout
        while not (seen := condition()):
            if time.monotonic() > deadline:
                said = what if isinstance(what, str) else what()
                raise CallFailed(f"not within {self.timeout:.0f} s: {said}")
            time.sleep(PAUSE_SECONDS)
        return seen

"""Constant load from inside a local cluster: a prober on each client machine in service, on those that come later too.

A machine is in service once it has said that it is well: before that no work of anybody runs there.
"""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import docker

from bench.load_client import PATIENCE, there
from hashistack.local import labels
from hashistack.ops.report.samples import Sample, Totals, totals

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 60.0
"""Most that the first probers may take until each has told of a second."""

STOP_SECONDS = 3 * PATIENCE + 5
"""A prober waits for what is under way: for a name, a connection and an answer."""

ARRIVED = "run/hashistack/arrived"
"""What a machine writes when it is well for the first time (`node/watch/health`)."""

LOOK_SECONDS = 0.25
"""Between two looks at Docker for machines that are new."""


class LoadFailed(Exception):
    """The load can't be made, or was not what it should have been; the text says why."""


class Prober:
    """The load client on one machine, and what it told."""

    def __init__(self, machine: str, pid: int, arguments: list[str]) -> None:
        self.machine, self.pid = machine, pid
        self.samples: list[Sample] = []
        within = ["nsenter", "--net", "--target", str(pid)]
        client = [sys.executable, "-X", "faulthandler", "-m", "bench.load_client"]
        self.process = subprocess.Popen(
            [*within, *client, machine, str(pid), *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout  # noqa: S101 - for mypy: it is a pipe
        for line in self.process.stdout:
            self.samples.append(Sample.parse(json.loads(line), self.machine))

    def end(self) -> str:
        """Wait for its end; what went wrong with the prober itself, "" when nothing did."""
        assert self.process.stderr  # noqa: S101 - for mypy: it is a pipe
        late = threading.Timer(STOP_SECONDS, self.process.send_signal, [signal.SIGABRT])  # it tells where it is
        late.start()
        with self.process:  # closes its pipes in the end, once the reader has read all
            said = self.process.stderr.read()
            self._reader.join()
        if not late.is_alive():
            said = f"did not end within {STOP_SECONDS:.0f} s: {said}"
        late.cancel()
        return f"{self.machine}: {said.strip()}" if self.process.returncode else ""


class Load:
    """`start()`, then whatever is to be survived, then `stop()`.

    Args:
        site: the cluster's id, the value of its Docker label.
        name: what is asked for, such as web.service.consul.
        prefix: how a good answer's body begins.
        per_second: requests a second in all, by the client machines that are there at the start; machines that come
            later get as much as each of those. So it is never less while as many machines are in service.
    """

    def __init__(self, client: docker.DockerClient, site: str, name: str, prefix: str, per_second: int = 210) -> None:
        self._docker, self._site = client, site
        self._target, self.per_second = (name, "53", "/", prefix), per_second
        self._rate = 0
        self._begun, self._ended = math.inf, math.inf
        self._probers: list[Prober] = []
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._broken = ""

    def start(self) -> None:
        """Start a prober on every client machine; returns once each has told of a second.

        Raises:
            LoadFailed: there is no client machine in service, or the name is not answered on one.
        """
        machines = self._machines()
        if not machines:
            raise LoadFailed(f"no client machine of {self._site} runs")
        self._rate = math.ceil(self.per_second / len(machines))
        self._begin(machines)
        if not self._probers:
            raise LoadFailed(f"no client machine of {self._site} has said that it is well")
        deadline = time.monotonic() + START_SECONDS
        while silent := [prober for prober in self._probers if not prober.samples]:
            if time.monotonic() > deadline or any(prober.process.poll() for prober in silent):
                names = ", ".join(prober.machine for prober in silent)
                told = "; ".join(self._end())
                raise LoadFailed(
                    f"{self._target[0]} was not asked for on {names}: {told or 'it is not answered there'}"
                )
            time.sleep(LOOK_SECONDS)
        self._begun = max(prober.samples[0].at for prober in self._probers)
        self._watcher.start()

    def stop(self) -> Totals:
        """End all probers and add up what they saw.

        Raises:
            LoadFailed: a prober broke, or Docker could not be asked for new machines.
        """
        self._ended = math.floor(time.time())
        self._over.set()
        self._watcher.join()
        if broken := [*filter(None, [self._broken]), *self._end()]:
            raise LoadFailed("; ".join(broken))
        return totals(self.samples)

    def _end(self) -> list[str]:
        """End every prober; what was wrong with them."""
        for prober in self._probers:
            prober.process.terminate()
        return [text for prober in self._probers if (text := prober.end())]

    @property
    def samples(self) -> list[Sample]:
        """What was told so far of whole seconds between `start` and `stop`, in the order of time."""
        told = [sample for prober in self._probers for sample in list(prober.samples)]
        whole = [sample for sample in told if self._begun <= sample.at < self._ended]
        return sorted(whole, key=lambda sample: (sample.at, sample.sender))

    def write(self, file: Path) -> None:
        """The samples as NDJSON, for `hashistack report --probe`."""
        file.write_text("".join(json.dumps(sample.as_json()) + "\n" for sample in self.samples))

    def _machines(self) -> dict[str, str]:
        filters = {"label": [f"{labels.SITE}={self._site}", f"{labels.ROLE}=client"], "status": "running"}
        return {c["Id"]: c["Labels"]["hashistack.machine"] for c in self._docker.api.containers(filters=filters)}

    def _begin(self, machines: dict[str, str]) -> None:
        """Start a prober on machines in service that have none. One that was restarted is another machine to it."""
        alive = {prober.machine for prober in self._probers if prober.process.poll() is None}
        for identity, machine in machines.items():
            if machine in alive:
                continue
            try:
                pid = int(self._docker.api.inspect_container(identity)["State"]["Pid"])
            except docker.errors.NotFound:
                continue
            new = pid and all(pid != prober.pid for prober in self._probers)
            if new and there(Path(f"/proc/{pid}/root", ARRIVED)):
                self._probers.append(Prober(machine, pid, [*self._target, str(self._rate)]))

    def _watch(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            try:
                self._begin(self._machines())
            except (docker.errors.DockerException, OSError) as error:
                self._broken = f"Docker does not tell of new machines: {error}"

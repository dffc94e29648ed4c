"""The smoke job: proof that a cluster runs a job which reads a secret and answers under its `.consul` name.

Its task `web` serves a secret that it reads from Vault by workload identity; its task `probe` asks for
`smoke.service.consul` through the machine's DNS and succeeds only when the answer is that secret.
"""

from __future__ import annotations

import secrets
from typing import Any

from hashistack.errors import HashistackError
from hashistack.ops.api.allocations import Allocation
from hashistack.ops.api.cluster import Cluster

JOB = "smoke"
PORT = 18080
"""Static, so that the probe needs an address look-up alone; below Nomad's dynamic range (20000-32000)."""

SECRET = "default/smoke"  # noqa: S105 - a path below kv/: the workload policy lets a job read <namespace>/<job>

AUTH_METHOD = "nomad-workloads"

HOLD_SECONDS = 2.0
PROBE_SECONDS = 15

_NANOSECONDS = 10**9

_TEMPLATE = '{{{{ with secret "kv/data/{path}" }}}}{{{{ .Data.data.value }}}}{{{{ end }}}}'

# Alpine keeps busybox's httpd in a program of its own.
_WEB = 'exec "$(command -v busybox-extras || command -v busybox)" httpd -f -p "$NOMAD_PORT_http" -h local/www'

# No ${...} here: Nomad would take it for one of its own variables.
_PROBE = """\
expected=$(cat secrets/expected)
until=$(($(date +%s) + {seconds}))
while [ "$(date +%s)" -lt "$until" ]; do
  if seen=$(curl -fsS --max-time 2 "$1" 2>&1); then
    [ "$seen" = "$expected" ] && exit 0
    seen="another text than the secret"
  fi
  sleep 0.1
done
echo "$1 answered: $seen" >&2
exit 1
"""


class SmokeFailed(HashistackError):
    """The smoke job did not answer; the text says what Nomad and the tasks say."""


def job(datacenter: str, region: str, domain: str = "consul", run: str = "") -> dict[str, Any]:
    """The smoke job as the JSON that Nomad's API takes.

    Args:
        domain: Consul's DNS domain.
        run: any text; another one makes another version, so that Nomad runs the job anew.
    """
    check = {"Type": "http", "Path": "/", "Interval": _NANOSECONDS, "Timeout": 2 * _NANOSECONDS}
    return {
        "ID": JOB,
        "Name": JOB,
        "Type": "service",
        "Region": region,
        "Datacenters": [datacenter],
        "NodePool": "all",
        "Meta": {"run": run},
        # A client hears of its allocation only after about a minute when the server that it asked has vanished.
        "Update": {
            "MaxParallel": 1,
            "HealthCheck": "checks",
            "MinHealthyTime": 0,
            "HealthyDeadline": 110 * _NANOSECONDS,
            "ProgressDeadline": 120 * _NANOSECONDS,
        },
        "TaskGroups": [
            {
                "Name": JOB,
                "Count": 1,
                "Networks": [{"Mode": "bridge", "ReservedPorts": [{"Label": "http", "Value": PORT}]}],
                "Services": [{"Name": JOB, "Provider": "consul", "PortLabel": "http", "Checks": [check]}],
                # Three tries of the probe end before the deployment's deadline: a failure says what it saw.
                "RestartPolicy": {
                    "Attempts": 2,
                    "Delay": _NANOSECONDS,
                    "Interval": 60 * _NANOSECONDS,
                    "Mode": "fail",
                },
                "ReschedulePolicy": {
                    "Unlimited": True,
                    "Delay": 5 * _NANOSECONDS,
                    "DelayFunction": "constant",
                },
                "Tasks": [
                    _task("web", ["-c", _WEB], "local/www/index.html"),
                    _task(
                        "probe",
                        [
                            "-c",
                            _PROBE.format(seconds=PROBE_SECONDS),
                            "probe",
                            f"http://{JOB}.service.{domain}:{PORT}/",
                        ],
                        "secrets/expected",
                        Lifecycle={"Hook": "poststart", "Sidecar": False},
                    ),
                ],
            }
        ],
    }


def _task(name: str, arguments: list[str], rendered: str, **more: Any) -> dict[str, Any]:
    return {
        "Name": name,
        "Driver": "exec",
        "Config": {"command": "/bin/sh", "args": arguments},
        "Vault": {"ChangeMode": "noop", "Env": False},
        "Templates": [{"EmbeddedTmpl": _TEMPLATE.format(path=SECRET), "DestPath": rendered, "ChangeMode": "noop"}],
        "Resources": {"CPU": 20, "MemoryMB": 32},
        "LogConfig": {"MaxFiles": 1, "MaxFileSizeMB": 1},
        "KillTimeout": _NANOSECONDS,
        **more,
    }


class Smoke:
    """One run of the smoke job on `cluster`: `start`, then `look` until it says that the job answered."""

    def __init__(self, cluster: Cluster) -> None:
        if not cluster.connection.machines("client"):
            raise SmokeFailed("no client pool has a machine: nothing can run a job")
        self._cluster = cluster
        self._version = -1
        self._index = 0
        self.events = 0
        """What has happened to its tasks so far: where that is more and more, it is under way."""

    @property
    def started(self) -> bool:
        """Whether the job has been submitted."""
        return self._version >= 0

    def start(self) -> str:
        """Write the secret and submit the job; "" when done, else what has to be there first.

        Raises:
            ApiError: an API refused or did not answer.
        """
        cluster = self._cluster
        if not cluster.consul.has_auth_method(AUTH_METHOD):
            # A service that is registered earlier fails its first allocation and is tried again much later.
            return f"Consul has no auth method {AUTH_METHOD} yet"
        cluster.vault.write_secret(SECRET, {"value": secrets.token_hex(16)})
        where = cluster.connection
        submitted = job(where.datacenter, where.region, cluster.consul.dns_domain(), run=secrets.token_hex(4))
        self._version = cluster.nomad.register(submitted)
        return ""

    def look(self, hold: float = HOLD_SECONDS) -> tuple[bool, str]:
        """Whether the job answered, and what is seen now; waits up to `hold` seconds for a change.

        Raises:
            SmokeFailed: Nomad gave the job up.
            ApiError: Nomad refused or did not answer.
        """
        nomad = self._cluster.nomad
        listed, self._index = nomad.allocations(JOB, self._index, hold)
        current = [allocation for allocation in listed if allocation.job_version == self._version]
        if not current:
            waits = nomad.blocked(JOB)
            return False, waits.text if waits else "not placed yet"
        newest = current[0]
        self.events = 1 + sum(map(len, newest.events.values()))
        if newest.healthy and "probe" in newest.succeeded:
            return True, f"answered on {newest.node}"
        deployment = nomad.deployment(JOB)
        if deployment and deployment.job_version == self._version and deployment.status in ("failed", "cancelled"):
            raise SmokeFailed(f"smoke job: {deployment.description}. {self._story(newest)}")
        return False, f"{newest.status} on {newest.node}: {_last(newest)}"

    def _story(self, allocation: Allocation) -> str:
        told = [f"{task}: {'; '.join(events[-3:])}" for task, events in allocation.events.items() if events]
        errors = self._cluster.nomad.stderr(allocation.id, "probe")
        return " | ".join([f"on {allocation.node}", *told, *([f"probe said: {errors}"] if errors else [])])


def _last(allocation: Allocation) -> str:
    """The newest event of each task that has not ended well."""
    open_tasks = ((t, events) for t, events in allocation.events.items() if t not in allocation.succeeded)
    return "; ".join(f"{task}: {events[-1]}" for task, events in open_tasks if events)

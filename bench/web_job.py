"""The job under load: four small web servers on two machines, which move as the vendor recommends."""

from __future__ import annotations

from typing import Any

JOB = "web"
BODY = "web "
"""How each answer begins; the allocation's id follows."""

SHUTDOWN_DELAY_SECONDS = 4
"""Between leaving Consul and being killed: longer than any client keeps a name."""

_NANOSECONDS = 10**9

# Alpine keeps busybox's httpd in a program of its own.
_WEB = 'exec "$(command -v busybox-extras || command -v busybox)" httpd -f -p "$NOMAD_PORT_http" -h local/www'


def job(datacenter: str, region: str, count: int = 4) -> dict[str, Any]:
    """The job as the JSON that Nomad's API takes: `count` allocations, two a machine.

    Two, and two at a time to move: busybox's httpd keeps nine connections waiting, and a single one under the whole
    load drops some as soon as it is kept from a core for 50 ms.
    """
    # One late answer of a busy machine takes no allocation out of DNS; a stopped one leaves Consul at once anyway.
    check: dict[str, Any] = {"Type": "http", "Path": "/", "Interval": _NANOSECONDS, "Timeout": 2 * _NANOSECONDS}
    check["FailuresBeforeCritical"] = 2
    healthy = {"HealthCheck": "checks", "MinHealthyTime": _NANOSECONDS, "HealthyDeadline": 60 * _NANOSECONDS}
    return {
        "ID": JOB,
        "Name": JOB,
        "Type": "service",
        "Region": region,
        "Datacenters": [datacenter],
        "Constraints": [{"Operand": "distinct_property", "LTarget": "${node.unique.id}", "RTarget": "2"}],
        "Update": {"MaxParallel": 2, "ProgressDeadline": 120 * _NANOSECONDS, **healthy},
        "TaskGroups": [
            {
                "Name": JOB,
                "Count": count,
                "Migrate": {"MaxParallel": 2, **healthy},
                "ShutdownDelay": SHUTDOWN_DELAY_SECONDS * _NANOSECONDS,
                "Networks": [{"Mode": "host", "DynamicPorts": [{"Label": "http"}]}],
                "Services": [{"Name": JOB, "Provider": "consul", "PortLabel": "http", "Checks": [check]}],
                "Tasks": [
                    {
                        "Name": "web",
                        "Driver": "exec",
                        "Config": {"command": "/bin/sh", "args": ["-c", _WEB]},
                        "Templates": [
                            {"EmbeddedTmpl": BODY + '{{ env "NOMAD_ALLOC_ID" }}', "DestPath": "local/www/index.html"}
                        ],
                        "Resources": {"CPU": 50, "MemoryMB": 32},
                        "LogConfig": {"MaxFiles": 1, "MaxFileSizeMB": 1},
                        # It is PID 1 of its namespace and handles no signal, so only this one ends it.
                        "KillSignal": "SIGKILL",
                    }
                ],
            }
        ],
    }

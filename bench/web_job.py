"""The job under load: four containers on two machines, small web servers that move as the vendor recommends."""

from __future__ import annotations

from typing import Any

from hashistack.machine.config.docker import PAUSE

JOB = "web"
BODY = "web "
"""How each answer begins; the allocation's id follows."""

SHUTDOWN_DELAY_SECONDS = 6
"""Between leaving Consul and being killed: longer than any client keeps a name and then tries to connect, 5 s of the
load's. A busy host loses first packets, and those that follow after 1 and 3 s must still find somebody."""

_NANOSECONDS = 10**9

PORT = {"Label": "http", "To": 8080}

# Alpine keeps busybox's httpd in a program of its own.
_WEB = 'exec "$(command -v busybox-extras || command -v busybox)" httpd -f -p "$NOMAD_PORT_http" -h local/www'


def container(page: str) -> dict[str, Any]:
    """A task, but for its name and its limits: a container behind `PORT` that serves the template `page`.

    Its image is there on each client, and on each that comes later, where no registry is.
    """
    config = {"image": PAUSE, "entrypoint": ["busybox", "sh"], "args": ["-c", _WEB], "ports": [PORT["Label"]]}
    return {
        "Driver": "docker",
        "Config": config,
        "Templates": [{"EmbeddedTmpl": page, "DestPath": "local/www/index.html"}],
        # It is PID 1 of its namespace and handles no signal, so only this one ends it.
        "KillSignal": "SIGKILL",
    }


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
                "Networks": [{"DynamicPorts": [PORT]}],
                "Services": [{"Name": JOB, "Provider": "consul", "PortLabel": "http", "Checks": [check]}],
                "Tasks": [
                    {
                        "Name": "web",
                        **container(BODY + '{{ env "NOMAD_ALLOC_ID" }}'),
                        "Resources": {"CPU": 50, "MemoryMB": 32},
                        "LogConfig": {"MaxFiles": 1, "MaxFileSizeMB": 1},
                    }
                ],
            }
        ],
    }

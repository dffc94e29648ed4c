"""What containers use: CPU since they started, memory without page cache, and time spent in our boot programs."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import mean
from typing import Any

import docker

from hashistack.local.evidence import run

BOOT = """\
now() { read -r up rest </proc/uptime && printf '%s' "${up%.*}${up#*.}"; }
digest=$(sed -n 's/^HS_BUNDLE=//p' /etc/hashistack/metadata)
rm -rf "/opt/hashistack/bundles/$digest"
before=$(now)
sh /etc/hashistack/user-data >/dev/null
printf '%s\\n' $(($(now) - before))
times
"""
"""User data and boot as on a new machine, with the time in hundredths of a second."""

SERVICES = """\
echo services
for service in /etc/service/*; do
  [ ! -s "$service/supervise/pid" ] || printf '%s %s\\n' "${service##*/}" "$(cat "$service/supervise/pid")"
done
echo =
cat /proc/[0-9]*/stat 2>/dev/null | awk '{ pid = $1; sub(/.*[)] /, ""); print pid, $2, $12 + $13 + $14 + $15 }'
echo end
"""
"""The services' processes; then each process, its parent, and its CPU in hundredths of a second, with that of children
that have ended: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html"""
_TRIES = 10


def cpu_seconds(client: docker.DockerClient, containers: Iterable[str]) -> float:
    """CPU that all of them together have used since they started."""
    used = (_stats(client, container)["cpu_stats"]["cpu_usage"]["total_usage"] for container in containers)
    return sum(map(int, used)) / 1e9


def memory_mib(client: docker.DockerClient, containers: Iterable[str]) -> float:
    """What a machine holds in memory on average, page cache left out."""
    return mean(_anonymous(_stats(client, container)) for container in containers) / (1 << 20)


def boot_seconds(client: docker.DockerClient, container: str) -> tuple[float, float]:
    """User data and boot once more on a running machine: seconds by the clock, and of CPU."""
    code, output = run(client, container, ["/bin/sh", "-c", BOOT])
    lines = output.split("\n")
    if code or not lines[0].strip().isdigit():
        raise RuntimeError(f"the boot programs ended with {code}:\n{output}")
    # `times`: the shell's own user and system time, then its children's, each as 0m0.12s.
    cpu = sum(_minutes(word) for word in lines[2].split())
    return int(lines[0]) / 100, cpu


def cpu_by_service(client: docker.DockerClient, container: str) -> dict[str, float]:
    """CPU, in seconds, that each of a machine's services has used since it started, with all that it started itself."""
    # Docker loses some of an output now and then.
    outputs = (run(client, container, ["/bin/sh", "-c", SERVICES])[1] for _ in range(_TRIES))
    output = next((one for one in outputs if one.startswith("services\n") and one.endswith("\nend\n")), "")
    if not output:
        raise RuntimeError(f"what the services of {container} use is not to be read")
    names, _, table = output.removeprefix("services\n").removesuffix("end\n").partition("=\n")
    rows = [line.split() for line in table.splitlines()]
    parents, ticks = {pid: parent for pid, parent, _ in rows}, {pid: int(used) for pid, _, used in rows}
    service_of = {pid: name for name, pid in (line.split() for line in names.splitlines())}
    used = dict.fromkeys(service_of.values(), 0)
    for process in parents:
        above = process
        while above in parents and above not in service_of:
            above = parents[above]
        if above in service_of:
            used[service_of[above]] += ticks[process]
    return {name: seconds / 100 for name, seconds in used.items()}


def _minutes(word: str) -> float:
    minutes, _, seconds = word.strip().removesuffix("s").partition("m")
    return int(minutes) * 60 + float(seconds)


def _stats(client: docker.DockerClient, container: str) -> dict[str, Any]:
    found: dict[str, Any] = client.api.stats(container, stream=False, one_shot=True)
    return found


def _anonymous(stats: dict[str, Any]) -> int:
    # cgroup v1 calls it total_rss, v2 anon.
    memory = stats["memory_stats"]["stats"]
    return int(memory.get("total_rss", memory.get("anon", 0)))

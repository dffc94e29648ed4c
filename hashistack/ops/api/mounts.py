"""What containers write to on their machine past Nomad's own volumes: paths of it, and volumes of its Docker. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

MOUNTING: Final = (
    "any TaskGroups as _, group { any group.Tasks as _, task {"
    ' task.Driver == "docker" and ("volumes" in task.Config or "mount" in task.Config or "mounts" in task.Config) } }'
)
"""A filter of Nomad's for the jobs that are worth a look."""

_NO_DATA = ("/dev", "/proc", "/run", "/sys", "/tmp", "/var/run")  # noqa: S108 - named, not used
"""Where a machine keeps nothing that is anybody's data: devices, sockets, what a boot clears."""


def keeps_data(job: Mapping[str, Any]) -> bool:
    """Whether a container of the job (Nomad's JSON) may write to its machine. A plugin for storage does for others."""
    return any(
        one
        for group in job["TaskGroups"] or ()
        for task in group["Tasks"] or ()
        if task["Driver"] == "docker" and not task.get("CSIPluginConfig")
        for one in _writable(task["Config"] or {})
    )


def _writable(config: Mapping[str, Any]) -> Iterator[bool]:
    """https://developer.hashicorp.com/nomad/docs/deploy/task-driver/docker#volumes, and `mount` below it."""
    named = bool(config.get("volume_driver"))
    for one in config.get("volumes") or ():
        source, _, options = (f"{one}::").split(":")[:3]
        yield (named or _of_machine(source)) and "ro" not in options.split(",")
    for mount in [*(config.get("mount") or ()), *(config.get("mounts") or ())]:
        kind = mount.get("type") or "volume"
        holds = kind != "tmpfs" and (kind != "bind" or _of_machine(str(mount.get("source", ""))))
        yield holds and not mount.get("readonly")


def _of_machine(path: str) -> bool:
    """Else it is in the task's own directory, to which relative paths and Nomad's variables lead."""
    return path.startswith("/") and not any(f"{path}/".startswith(f"{place}/") for place in _NO_DATA)

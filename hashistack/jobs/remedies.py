"""What to do about an event of a task that can't start, in the words of the project. Pure."""

from __future__ import annotations

import re

_MISSING = re.compile(
    r"(vault\.read|vault\.write|kv\.block|kv\.exists|kv\.list|nomad\.var\.\w+|health\.service|nomad\.service)\(([^)]*)\)"
)


def _of_docker(setting: str, value: str) -> str:
    """A setting of the docker driver that gives tasks more of the machine."""
    setting = f"plugin.docker.config.{setting}"
    return f"let a pool's jobs do so: `nomad_config` with {setting} = {value}, and `accept: [nomad_config.{setting}]`"


EVENTS = (
    (
        r"Failed to pull `([^`]+)`",
        "see that the machines reach its registry, or name a mirror in `registries`; on a local cluster:"
        " hashistack load {}",
    ),
    (r"failed to download artifact", "see that the machines reach its source, or write one that they reach"),
    (
        r"Docker privileged mode is disabled",
        "for a plugin for storage: `csi: true` in its pool; else " + _of_docker("allow_privileged", "true"),
    ),
    (
        r"volumes are not enabled",
        "mount a host volume (`host_volumes` of the pool); or " + _of_docker("volumes", "{enabled: true}"),
    ),
    (r"does not allow the following capabilities: (\S+)", _of_docker("allow_caps", "[…, {}]")),
    (r"unable to set memory limit", "give the task more memory: to start by exec takes about 16 MB"),
    (
        r"file (\S+) not found under path",
        "locally a task of the exec driver sees busybox, bash and curl alone: bring {} as an artifact, or use the"
        " docker driver",
    ),
    (
        r'role "([^"]+)" could not be found',
        "leave role out of the job's vault block, or make it: vault write auth/jwt-nomad/role/{} …",
    ),
)
"""A pattern of an event's words, to what to do; its group stands for `{}`."""


def remedy(event: str, namespace: str, job: str) -> str:
    """What to do about an event of a task of a job, "" where nothing is known."""
    if event.startswith("Missing: "):
        return "; ".join(dict.fromkeys(_provide(kind, what, namespace, job) for kind, what in _MISSING.findall(event)))
    for pattern, told in EVENTS:
        if found := re.search(pattern, event):
            return told.replace("{}", found[found.re.groups])
    return ""


def _provide(kind: str, what: str, namespace: str, job: str) -> str:
    if kind.startswith("vault"):
        own = f"{namespace}/{job}"
        if re.match(rf"kv/data/{re.escape(own)}(/|$)", what):
            return f"vault kv put {what.replace('kv/data/', 'kv/', 1)} NAME=VALUE"
        return f"a job reads its own secrets: vault kv put kv/{own} NAME=VALUE, and kv/data/{own} in the template"
    if kind.startswith("kv"):
        return f"consul kv put {what} VALUE"
    if kind.startswith("nomad.var"):
        path = what.partition("@")[0]
        if path in ("nomad/jobs", f"nomad/jobs/{job}") or path.startswith(f"nomad/jobs/{job}/"):
            return f"nomad var put {path} NAME=VALUE"
        return (
            f"a job reads its own variables: nomad var put nomad/jobs/{job} NAME=VALUE, and that path in the template"
        )
    return f"run the job that has the service {what.partition('|')[0]}"

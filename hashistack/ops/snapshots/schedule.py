"""Snapshots at intervals: a periodic Nomad job that writes archives into a host volume or a bucket.

Its tokens are in Vault, at a path that this job alone may read by its workload identity, and never in the job. The job
is in a namespace of its own: whoever may submit jobs to `default` could name one as they like, and read what it reads.
"""

from __future__ import annotations

import json
import time
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from hashistack.ops.api.cluster import Cluster
from hashistack.ops.snapshots import key_wrap
from hashistack.ops.snapshots.archive import FORMAT
from hashistack.ops.snapshots.destination import Bucket, Directory
from hashistack.ops.snapshots.save import SnapshotFailed

JOB = "hashistack-snapshots"
NAMESPACE = "hashistack"
SECRET = f"{NAMESPACE}/{JOB}"
"""The path, below `kv`, of what the job reads: tokens, the CA, and the beginning of each manifest."""

FIRST_SECONDS = 120.0
"""For the first run, which proves that it works."""

_POLICY = f"""\
path "kv/data/{SECRET}" {{ capabilities = ["read"] }}
path "sys/storage/raft/snapshot" {{ capabilities = ["read"] }}
"""

_MOUNT = "/snapshots"
"""Where the task sees the volume."""

_ROOM_MIB = 1024
"""Where the archive goes to a bucket: for its parts and itself, in the allocation's own directory."""

_FILES = {
    "secrets/nomad": "X-Nomad-Token: {{ .Data.data.nomad }}",
    "secrets/consul": "X-Consul-Token: {{ .Data.data.consul }}",
    "secrets/ca.pem": "{{ .Data.data.ca }}",
    "secrets/manifest": "{{ .Data.data.manifest }}",
    "secrets/bucket": "{{ .Data.data.bucket }}",
}


def cron(seconds: float) -> str:
    """A duration as the times of day that Nomad's `periodic` takes: minutes of an hour, hours of a day, a day, a week.

    Raises:
        SnapshotFailed: it is none of these.
    """
    minutes = seconds / 60
    if minutes in (5, 10, 12, 15, 20, 30):
        return f"*/{minutes:.0f} * * * *"
    hours = seconds / 3600
    if hours in (1, 2, 3, 4, 6, 8, 12):
        return f"0 */{hours:.0f} * * *"
    if hours in (24, 168):
        return "0 0 * * *" if hours == 24 else "0 0 * * 0"
    raise SnapshotFailed(
        "--every must be a part of an hour or a day, so that runs fall on the same times: 5m, 10m, 12m, 15m, 20m, 30m, "
        "1h, 2h, 3h, 4h, 6h, 8h, 12h, 24h or 168h"
    )


def job(
    datacenter: str, region: str, pool: str, destination: Directory | Bucket, volume: str, times: str, domain: str
) -> dict[str, Any]:
    """The job as the JSON that Nomad's API takes. pool: ours, whose machines run it, "" for any; volume: the host
    volume's name, "" for a bucket.
    """
    program = files("hashistack.ops.snapshots").joinpath("snapshot-task").read_text()
    read = '{{{{ with secret "kv/data/{path}" }}}}{text}{{{{ end }}}}'
    templates = [
        {"EmbeddedTmpl": read.format(path=SECRET, text=text), "DestPath": path, "ChangeMode": "noop"}
        for path, text in _FILES.items()
    ]
    if isinstance(destination, Bucket):
        told = {"PLACE": "${NOMAD_TASK_DIR}", "OBJECTS": destination.objects, "REGION": destination.region}
        where: dict[str, Any] = {"EphemeralDisk": {"SizeMB": _ROOM_MIB}}
        mounts = []
    else:
        told = {"PLACE": _MOUNT, "KEEP": str(destination.keep)}
        where = {"Volumes": {"snapshots": {"Name": "snapshots", "Type": "host", "Source": volume}}}
        mounts = [{"Volume": "snapshots", "Destination": _MOUNT}]
    return {
        "ID": JOB,
        "Name": JOB,
        "Namespace": NAMESPACE,
        "Type": "batch",
        "Region": region,
        "Datacenters": [datacenter],
        "NodePool": "all",
        "Constraints": [{"LTarget": "${meta.hashistack_pool}", "RTarget": pool, "Operand": "="}] if pool else [],
        "Periodic": {
            "Enabled": True,
            "SpecType": "cron",
            "Specs": [times],
            "TimeZone": "UTC",
            "ProhibitOverlap": True,
        },
        "TaskGroups": [
            {
                "Name": JOB,
                "Count": 1,
                **where,
                "RestartPolicy": {"Attempts": 2, "Delay": 15 * 10**9, "Interval": 300 * 10**9, "Mode": "fail"},
                "Tasks": [
                    {
                        "Name": "snapshot",
                        "Driver": "exec",
                        "Config": {"command": "/bin/sh", "args": ["local/snapshot"]},
                        "Env": {"VAULT_URL": f"https://active.vault.service.{domain}:8200", **told},
                        "Vault": {"Role": JOB, "ChangeMode": "noop", "Env": False},
                        "Templates": [
                            *templates,
                            {"EmbeddedTmpl": program, "DestPath": "local/snapshot", "ChangeMode": "noop"},
                        ],
                        "VolumeMounts": mounts,
                        "Resources": {"CPU": 50, "MemoryMB": 64},
                        "LogConfig": {"MaxFiles": 1, "MaxFileSizeMB": 1},
                    }
                ],
            }
        ],
    }


def schedule(cluster: Cluster, destination: Directory | Bucket, every: float, vault_init: str = "") -> str:
    """Register the job, or change it to this, and see it through a first run; answers the machine it ran on.

    Args:
        destination: where the archives go; those that others put there are left alone.
        every: seconds between two runs; see `cron`.
        vault_init: the platform's document `vault-init`, as for `snapshot.save`.

    Raises:
        SnapshotFailed: no pool has such a volume, or the first run failed; says what the task said.
        ApiError: an API refused or did not answer.
    """
    times = cron(every)
    where = cluster.connection
    if isinstance(destination, Bucket):
        pool = volume = ""
    else:
        pool, volume = _volume(cluster, destination.path)
    _prepare_vault(cluster, vault_init, destination.user if isinstance(destination, Bucket) else "")
    cluster.nomad.api.call(
        "PUT", f"/v1/namespace/{NAMESPACE}", body={"Name": NAMESPACE, "Description": "hashistack's own"}
    )
    domain = cluster.consul.dns_domain()
    wanted = job(where.datacenter, where.region, pool, destination, volume, times, domain)
    cluster.nomad.api.call("PUT", "/v1/jobs", body={"Job": wanted})
    return _first_run(cluster)


def unschedule(cluster: Cluster) -> None:
    """Take the job away, and all that was made for it; the archives stay. What is gone already is fine.

    Raises:
        ApiError: an API refused or did not answer.
    """
    nomad, api, token = cluster.nomad.api, cluster.vault.api, cluster.vault.header()
    # The job itself, and one for each run that Nomad still remembers.
    for listed in nomad.call("GET", "/v1/jobs", params={"namespace": NAMESPACE, "prefix": JOB}).data:
        path = f"/v1/job/{quote(listed['ID'], safe='')}"
        nomad.call("DELETE", path, params={"namespace": NAMESPACE, "purge": "true"}, accept=(404,))
    nomad.call("DELETE", f"/v1/namespace/{NAMESPACE}", accept=(404,))
    for path in (f"kv/metadata/{SECRET}", f"auth/jwt-nomad/role/{JOB}", f"sys/policies/acl/{JOB}"):
        api.call("DELETE", f"/v1/{path}", token=token, accept=(404,))


def _volume(cluster: Cluster, directory: str) -> tuple[str, str]:
    """The first client pool with a writable host volume at this path, and the volume's name."""
    for pool in cluster.connection.pools:
        node = next((node for node in cluster.nomad.nodes(pool.name) if node.usable), None)
        volumes = cluster.nomad.api.call("GET", f"/v1/node/{node.id}").data["HostVolumes"] if node else None
        for name, volume in (volumes or {}).items():
            if volume["Path"] == directory and not volume["ReadOnly"]:
                return pool.name, name
    raise SnapshotFailed(
        f"no client pool has a host volume at {directory} that may be written",
        f'give one host_volumes={{"snapshots": HostVolume(path="{directory}")}}, and hashistack up',
    )


def _prepare_vault(cluster: Cluster, vault_init: str, user: str) -> None:
    where, api, token = cluster.connection, cluster.vault.api, cluster.vault.header()
    beginning = {
        "format": FORMAT,
        "cluster": where.name,
        "datacenter": where.datacenter,
        "region": where.region,
        "stack": key_wrap.stack_digest(where),
        "vault_init": key_wrap.close(vault_init, where) if vault_init else "",
    }
    role = {
        "role_type": "jwt",
        "bound_audiences": ["vault.io"],
        "bound_claims": {"nomad_namespace": NAMESPACE, "nomad_job_id": JOB},
        "user_claim": "/nomad_job_id",
        "user_claim_json_pointer": True,
        "token_type": "service",
        "token_policies": [JOB],
        "token_period": "30m",
    }
    values = {
        "nomad": where.nomad.secret,
        "consul": where.consul.secret,
        "ca": where.ca_pem,
        "manifest": json.dumps(beginning).removesuffix("}"),
        "bucket": f"user = {json.dumps(user)}",  # a line of curl's configuration
    }
    api.call("PUT", f"/v1/sys/policies/acl/{JOB}", body={"policy": _POLICY}, token=token)
    api.call("PUT", f"/v1/auth/jwt-nomad/role/{JOB}", body=role, token=token)
    cluster.vault.write_secret(SECRET, values)


def _first_run(cluster: Cluster) -> str:
    """Have the job run now; answers the machine on which it ended well."""
    nomad = cluster.nomad
    forced = nomad.api.call("PUT", f"/v1/job/{JOB}/periodic/force", params={"namespace": NAMESPACE})
    evaluation = nomad.api.call("GET", f"/v1/evaluation/{forced.data['EvalID']}", seconds=10).data
    deadline = time.monotonic() + FIRST_SECONDS
    while time.monotonic() < deadline:
        path = f"/v1/job/{evaluation['JobID']}/allocations"
        for allocation in nomad.api.call("GET", path, params={"namespace": NAMESPACE}).data:
            if allocation["ClientStatus"] == "complete":
                return str(allocation["NodeName"])
            if allocation["ClientStatus"] == "failed":
                raise SnapshotFailed(f"the first run failed on {allocation['NodeName']}: {_story(cluster, allocation)}")
        time.sleep(0.5)
    raise SnapshotFailed(
        f"the first run did not end within {FIRST_SECONDS:.0f} s", f"nomad job status -namespace {NAMESPACE} {JOB}"
    )


def _story(cluster: Cluster, allocation: Any) -> str:
    said = cluster.nomad.stderr(allocation["ID"], "snapshot")
    events = (allocation["TaskStates"] or {}).get("snapshot", {}).get("Events") or ()
    return said or "; ".join(event["DisplayMessage"] for event in events[-3:])

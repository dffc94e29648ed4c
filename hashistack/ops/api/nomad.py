"""The calls to Nomad that the project needs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from hashistack.ops.api.allocations import Allocation
from hashistack.ops.api.attempts import NANOSECONDS, RESTARTED, Attempt, of_family
from hashistack.ops.api.deployments import Deployment
from hashistack.ops.api.evaluations import failed
from hashistack.ops.api.http import Answer, Api
from hashistack.ops.api.mounts import MOUNTING, keeps_data
from hashistack.ops.api.nodes import Node
from hashistack.ops.api.placed import PLACED, Placed
from hashistack.ops.api.raft import Peer, Raft

if TYPE_CHECKING:
    from hashistack.ops.api.placement import Unplaced


WRITERS = 'any TaskGroups as _, group { any group.Volumes as _, one { one.Type == "host" and one.ReadOnly == false } }'
PAGE = 5_000
"""Allocations in one answer of a long list."""


class Nomad:
    """Typed calls over one `Api`. Those of a job ask in `namespace`."""

    def __init__(self, api: Api, namespace: str = "default") -> None:
        self.api, self.namespace = api, namespace

    def within(self, namespace: str) -> Nomad:
        """The same for the jobs of another namespace."""
        return Nomad(self.api, namespace)

    def raft(self) -> Raft:
        """Peers with autopilot's verdict. A server's name is without the region that Nomad appends."""
        peers = self.api.call("GET", "/v1/operator/raft/configuration").data["Servers"]
        health = self.api.call("GET", "/v1/operator/autopilot/health", accept=(429,)).data
        # Before its first look, autopilot answers 429 with text in place of a verdict.
        seen = health["Servers"] if isinstance(health, dict) else peers
        unhealthy = tuple(_machine(s.get("Name") or s["Node"]) for s in seen or () if not s.get("Healthy"))
        return Raft(tuple(Peer(_machine(p["Node"]), p["Voter"], p["Leader"], p["ID"]) for p in peers), unhealthy)

    def transfer_leadership(self, peer: Peer) -> None:
        """Make another voter the leader."""
        self.api.call("PUT", "/v1/operator/raft/transfer-leadership", params={"id": peer.id})

    def forget_server(self, name: str) -> None:
        """Take a server that is no more out of Raft and gossip; what is gone already is fine."""
        for peer in self.raft().peers:
            if peer.name == name:
                self.api.call("DELETE", "/v1/operator/raft/peer", params={"id": peer.id}, accept=(400, 404, 500))
        members = self.api.call("GET", "/v1/agent/members").data["Members"]
        for member in members:
            if _machine(member["Name"]) == name and member["Status"] == "failed":
                self.api.call("PUT", "/v1/agent/force-leave", params={"node": member["Name"]}, accept=(404, 500))

    def nodes(self, pool: str = "") -> tuple[Node, ...]:
        """All client machines, or those of a pool of ours; those that are down included."""
        params = {"filter": f'"hashistack_pool" in Meta and Meta.hashistack_pool == "{pool}"'} if pool else {}
        return tuple(map(Node.parse, self.api.call("GET", "/v1/nodes", params=params).data))

    def builds(self) -> dict[str, str]:
        """The release of Nomad that each machine runs, servers and clients."""
        members = self.api.call("GET", "/v1/agent/members").data["Members"]
        nodes = self.api.call("GET", "/v1/nodes").data
        return {
            **{_machine(member["Name"]): member["Tags"]["build"] for member in members},
            **{node["Name"]: node["Version"] for node in nodes},
        }

    def jobs(self) -> list[str]:
        """The ids of the namespace's jobs, sorted."""
        return sorted(job["ID"] for job in self.api.call("GET", "/v1/jobs", params=self._here).data)

    def allocations_by_id(self, start: str) -> list[Allocation]:
        """The namespace's allocations whose id begins so, an even number of hexadecimal digits."""
        return [
            *map(Allocation.parse, self.api.call("GET", "/v1/allocations", params={"prefix": start, **self._here}).data)
        ]

    def one_time_token(self) -> str:
        """A secret that a browser can change for this token, once and within ten minutes."""
        return str(self.api.call("PUT", "/v1/acl/token/onetime").data["OneTimeToken"]["OneTimeSecretID"])

    def namespaces(self) -> list[str]:
        """The names of all namespaces, sorted."""
        return sorted(one["Name"] for one in self.api.call("GET", "/v1/namespaces").data)

    def make_namespace(self, name: str, description: str) -> None:
        """Make a namespace, or change its description."""
        body = {"Name": name, "Description": description}
        self.api.call("PUT", f"/v1/namespace/{quote(name, safe='')}", body=body)

    def remove_namespace(self, name: str) -> None:
        """Remove a namespace with its variables; Nomad refuses it while jobs of it run. One that is gone is fine."""
        here: dict[str, str | int] = {"namespace": name}
        for one in self.api.call("GET", "/v1/vars", params=here, accept=(404,)).data or ():
            self.api.call("DELETE", f"/v1/var/{quote(one['Path'])}", params=here, accept=(404,))
        self.api.call("DELETE", f"/v1/namespace/{quote(name, safe='')}", accept=(404,))

    def node_pools(self) -> dict[tuple[str, str], str]:
        """(namespace, job) -> the node pool that the job asks for; of all jobs that are not over."""
        listed = self.api.call("GET", "/v1/jobs", params={"namespace": "*"}).data
        return {(job["Namespace"], job["ID"]): job["NodePool"] for job in listed if job["Status"] != "dead"}

    def specifications(self) -> Iterator[dict[str, Any]]:
        """All jobs of all namespaces that are not over, whole, a call for each; not the children of one."""
        for job in self.api.call("GET", "/v1/jobs", params={"namespace": "*"}).data:
            if job["Status"] != "dead" and not job["ParentID"]:
                answer = self.within(job["Namespace"])._of(job["ID"], gone=True)
                if answer.status == 200:
                    yield answer.data

    def policies(self) -> dict[str, str]:
        """The ACL policies: name to text."""
        names = [one["Name"] for one in self.api.call("GET", "/v1/acl/policies").data]
        asked = {name: self.api.call("GET", f"/v1/acl/policy/{quote(name)}", accept=(404,)) for name in names}
        return {name: answer.data["Rules"] for name, answer in asked.items() if answer.status == 200}

    def writers(self) -> frozenset[tuple[str, str]]:
        """(namespace, job) of all jobs that write to a host volume, or by the docker driver to their machine."""
        found = {(job["Namespace"], job["ID"]) for job in self._jobs_where(WRITERS)}
        for one in self._jobs_where(MOUNTING):
            answer = self.within(one["Namespace"])._of(one["ID"], gone=True)
            if answer.status == 200 and keeps_data(answer.data):
                found.add((one["Namespace"], one["ID"]))
        return frozenset(found)

    def _jobs_where(self, condition: str) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = self.api.call(
            "GET", "/v1/jobs", params={"namespace": "*", "filter": condition}
        ).data
        return listed

    def host_volumes(self) -> Mapping[str, tuple[str, ...]]:
        """Ids of nodes to the dynamic host volumes that they have, as `namespace/name`."""
        found: dict[str, tuple[str, ...]] = {}
        for one in self.api.call("GET", "/v1/volumes", params={"namespace": "*", "type": "host"}).data:
            found[one["NodeID"]] = (*found.get(one["NodeID"], ()), f"{one['Namespace']}/{one['Name']}")
        return found

    def set_eligible(self, node: Node, eligible: bool) -> None:
        """Let a node take new work, or not."""
        body = {"Eligibility": "eligible" if eligible else "ineligible"}
        self.api.call("PUT", f"/v1/node/{node.id}/eligibility", body=body)

    def drain(self, node: Node, deadline: float) -> None:
        """Begin a drain: allocations move as their jobs' `migrate` says, system jobs last; `deadline` in seconds."""
        spec = {"Deadline": int(deadline * NANOSECONDS), "IgnoreSystemJobs": False}
        self.api.call("PUT", f"/v1/node/{node.id}/drain", body={"DrainSpec": spec, "MarkEligible": False})

    def undrain(self, node: Node) -> None:
        """End a drain that is under way, and let the node take work again."""
        self.api.call("PUT", f"/v1/node/{node.id}/drain", body={"DrainSpec": None, "MarkEligible": True})

    def purge(self, node: Node) -> None:
        """Forget a node that is no more; Nomad places what it still had elsewhere. One that is gone is fine."""
        self.api.call("PUT", f"/v1/node/{node.id}/purge", accept=(404,))

    def placed(self) -> Iterator[Placed]:
        """Every allocation of every namespace that is not over, or failed; a call for each `PAGE` of them."""
        return map(Placed.parse, self._listed(PLACED, "*", states=False))

    def history(self, namespace: str, job: str) -> tuple[Attempt, ...]:
        """What Nomad remembers of a job's allocations, newest first.

        That of all children where the job is one: each run of a periodic job has a name of its own. Allocations that
        are over are forgotten after an hour (Nomad's `eval_gc_threshold`) unless newer ones follow from them.
        """
        found = map(Attempt.parse, self._listed(of_family(job), namespace))
        return tuple(sorted(found, key=lambda one: one.created, reverse=True))

    def restarted(self) -> Iterator[Attempt]:
        """Every allocation of any namespace that has had a task started again."""
        return map(Attempt.parse, self._listed(RESTARTED, "*"))

    def _listed(self, only: str, namespace: str, states: bool = True) -> Iterator[Mapping[str, Any]]:
        params: dict[str, str | int] = {"namespace": namespace, "resources": "false"}
        params |= {"task_states": "true" if states else "false", "per_page": PAGE, "filter": only}
        while True:
            answer = self.api.call("GET", "/v1/allocations", params=params)
            yield from answer.data
            if not answer.next_page:
                return
            params["next_token"] = answer.next_page

    def successors(self, node: Node) -> frozenset[str]:
        """Ids of the allocations that took the place of those which a drain moved away from a node."""
        listed = self.api.call("GET", f"/v1/node/{node.id}/allocations", accept=(404,)).data
        found = listed if isinstance(listed, list) else []
        return frozenset(one["NextAllocation"] for one in found if one.get("NextAllocation"))

    def register(self, job: Mapping[str, Any]) -> int:
        """Submit a job (the JSON of Nomad's job API); answers the version that it now has."""
        self.api.call("PUT", "/v1/jobs", body={"Job": job}, params=self._here)
        return int(self.job(job["ID"])["Version"])

    def plan(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """What `register` would do (Nomad's answer, with the difference), without doing it."""
        path, body = f"/v1/job/{quote(job['ID'], safe='')}/plan", {"Job": job, "Diff": True}
        found: dict[str, Any] = self.api.call("PUT", path, body=body, params=self._here).data
        return found

    def parse(self, hcl: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """A job written in HCL as the JSON of Nomad's job API. Raises ApiError with Nomad's words for a bad one.

        variables: values of those that the job declares, as plain data.
        """
        text = "".join(f"{name} = {_expression(value)}\n" for name, value in (variables or {}).items())
        body = {"JobHCL": hcl, "Variables": text, "Canonicalize": True}
        found: dict[str, Any] = self.api.call("POST", "/v1/jobs/parse", body=body).data
        return found

    def job(self, job_id: str) -> dict[str, Any]:
        """The job as Nomad has it."""
        found: dict[str, Any] = self._of(job_id).data
        return found

    def deregister(self, job_id: str, *, forget: bool = True) -> None:
        """Stop a job and forget it, with its allocations; one that is not there is no error."""
        path = f"/v1/job/{quote(job_id, safe='')}"
        params: dict[str, str | int] = {"purge": "true" if forget else "false", **self._here}
        self.api.call("DELETE", path, params=params, accept=(404,))

    def deploys(self, job_id: str) -> bool:
        """Whether changes of the job are deployments: a service with an update strategy, that is not stopped."""
        job = self.job(job_id)
        groups = job.get("TaskGroups") or []
        return job["Type"] == "service" and not job["Stop"] and any(g.get("Update") and g["Count"] for g in groups)

    def deployment(self, job_id: str) -> Deployment | None:
        """The job's newest deployment, None while it has none."""
        data = self._of(job_id, "/deployment").data
        return Deployment.parse(data) if data else None

    def allocations(self, job_id: str, index: int = 0, hold: float = 0.0) -> tuple[tuple[Allocation, ...], int]:
        """The job's allocations, newest first, and the index to wait from.

        With `hold`, a blocking query: answers after that many seconds, or when they changed since `index`.
        """
        answer = self._of(job_id, "/allocations", index, hold)
        newest = sorted(answer.data, key=lambda listed: int(listed["CreateIndex"]), reverse=True)
        return tuple(map(Allocation.parse, newest)), answer.index

    def running(self) -> dict[str, int]:
        """Allocations that run, per machine."""
        count: dict[str, int] = {}
        listed = self.api.call("GET", "/v1/allocations", params={"filter": 'ClientStatus == "running"'})
        for allocation in listed.data:
            count[allocation["NodeName"]] = count.get(allocation["NodeName"], 0) + 1
        return count

    def stderr(self, allocation_id: str, task: str, characters: int = 400, kind: str = "stderr") -> str:
        """The end of a task's error output (or of `kind` stdout), "" when it has none."""
        params: dict[str, str | int] = {"task": task, "type": kind, "plain": "true", "origin": "end"}
        params["offset"] = characters
        path = f"/v1/client/fs/logs/{allocation_id}"
        answer = self.api.call("GET", path, params=params, accept=(400, 404, 500))
        return str(answer.data or "").strip() if answer.status == 200 else ""

    def blocked(self, job_id: str) -> Unplaced | None:
        """Why the job can't be placed, None when it can."""
        found = failed(self._of(job_id, "/evaluations").data)
        return self.unplaced(found, self.job(job_id)) if found else None

    def unplaced(self, failed: Mapping[str, Mapping[str, Any]], job: Mapping[str, Any]) -> Unplaced:
        """What the `FailedTGAllocs` of a plan or an evaluation say of a job and the machines that there are."""
        # Imported here, with the specification: every `up` loads this module, and few jobs have no place.
        from hashistack.ops.api.placement import unplaced

        return unplaced(failed, job, self.nodes())

    @property
    def _here(self) -> dict[str, str | int]:
        return {"namespace": self.namespace}

    def _of(self, job_id: str, what: str = "", index: int = 0, hold: float = 0.0, *, gone: bool = False) -> Answer:
        path, accept = f"/v1/job/{quote(job_id, safe='')}{what}", (404,) if gone else ()
        return self.api.call("GET", path, params=self._here, index=index, hold=hold, accept=accept)


def _machine(server: str) -> str:
    return server.rpartition(".")[0] or server


def _expression(value: Any) -> str:
    """Plain data in HCL: JSON, with nothing in its texts that would be taken for a template."""
    return re.sub(r"([$%])(?=\{)", r"\1\1", json.dumps(value))

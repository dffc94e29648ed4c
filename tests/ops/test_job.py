"""NomadJob's handler against a real Nomad."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from hashistack.jobs.handler import JobHandler
from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.connection import Connection
from hashistack.provider.handler import UNKNOWN, Context, Props, ResourceFailed

HCL = """
job "{name}" {{
  node_pool = "web"
  group "main" {{
    update {{
      min_healthy_time  = "{healthy}"
      healthy_deadline  = "60s"
      progress_deadline = "120s"
    }}
    restart {{ attempts = 0 }}
    reschedule {{
      attempts  = 0
      unlimited = false
    }}
    task "main" {{
      driver = "raw_exec"
      config {{
        command = "/bin/sh"
        args    = ["-c", "{script}"]
      }}
    }}
  }}
}}
"""


def hcl(name: str, script: str = "exec sleep 600", healthy: str = "0s") -> str:
    return HCL.format(name=name, script=script, healthy=healthy)


@pytest.fixture
def props(connection: Connection) -> Props:
    """The inputs, all but the job, as a program of another stack gives them."""
    return {"connection": connection.text()}


@pytest.fixture(autouse=True)
def tidy(cluster: Cluster) -> Iterator[None]:
    yield
    for name in ("first", "second"):
        cluster.nomad.deregister(name)


def known(cluster: Cluster) -> set[str]:
    return {job["ID"] for job in cluster.nomad.api.call("GET", "/v1/jobs").data}


def test_a_job_is_deployed_changed_renamed_and_forgotten(props: Props, cluster: Cluster) -> None:
    handler, ctx = JobHandler(), Context()
    id, first = handler.create(ctx, {**props, "job": hcl("first")})
    assert (id, first["job_id"]) == ("first", "first")
    deployment = cluster.nomad.deployment("first")
    assert deployment and deployment.status == "successful"
    changed = handler.update(ctx, id, {**props, **first}, {**props, "job": hcl("first", "exec sleep 700")})
    assert changed["job_version"] > first["job_version"]
    renamed = handler.update(ctx, id, {**props, **changed}, {**props, "job": hcl("second")})
    assert renamed["job_id"] == "second"
    assert "first" not in known(cluster)
    handler.delete(ctx, id, {**props, **renamed})
    assert "second" not in known(cluster)
    handler.delete(ctx, id, {**props, **renamed})  # one that is gone is no error


def test_nomads_own_json_is_taken_too(props: Props, cluster: Cluster) -> None:
    job = cluster.nomad.parse(hcl("first"))
    for text in (json.dumps(job), json.dumps({"Job": job})):
        assert JobHandler().create(Context(), {**props, "job": text})[0] == "first"


def test_a_job_that_does_not_come_up_fails_and_is_known_for_the_next_up(props: Props, cluster: Cluster) -> None:
    with pytest.raises(ResourceFailed, match=r"job first: .*[Ff]ailed") as caught:
        JobHandler().create(Context(), {**props, "job": hcl("first", "exit 1", healthy="3s")})
    assert caught.value.id == "first"
    assert caught.value.props["job_id"] == "first"
    assert cluster.connection.nomad.secret not in str(caught.value)


BAD = {
    "no HCL": ("job {", "arse"),
    "another namespace": (hcl("first").replace("node_pool", 'namespace = "x"\n node_pool'), "only the default"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_job_is_one_error(name: str, props: Props) -> None:
    job, said = BAD[name]
    with pytest.raises(ResourceFailed, match=said):
        JobHandler().create(Context(), {**props, "job": job})


def test_another_connection_alone_deploys_nothing(props: Props) -> None:
    olds = {**props, "job": hcl("first"), "job_id": "first"}
    assert not JobHandler().diff(Context(), "first", olds, {**olds, "connection": "another"}).update
    assert JobHandler().diff(Context(), "first", olds, {**olds, "job": hcl("second")}).update == ("job",)


def test_what_is_wrong_with_the_inputs() -> None:
    handler = JobHandler()
    assert [failure.path for failure in handler.check({"job": "  "})] == ["job"]
    assert handler.check({"job": UNKNOWN}) == []
    with pytest.raises(ResourceFailed, match="pass the cluster stack's output `connection`"):
        handler.create(Context(), {"connection": "{}", "job": hcl("first")})

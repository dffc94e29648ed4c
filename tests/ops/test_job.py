"""NomadJob's handler against a real Nomad."""

from __future__ import annotations

import json
import re
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
    for name in ("first", "second", "batch", "sysbatch", "system", "periodic", "parameterized", "plain"):
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


VARIABLES = """
variable "text" {{ type = string }}
variable "many" {{ type = map(list(number)) }}
variable "unsaid" {{ default = "as it was" }}
{job}
"""
"""Of a job whose meta say what they are."""


def test_variables_have_the_values_that_are_given(props: Props, cluster: Cluster) -> None:
    meta = 'meta = { text = var.text, many = jsonencode(var.many), unsaid = var.unsaid }\n  group "main"'
    job = VARIABLES.format(job=hcl("first").replace('group "main"', meta))
    variables = {"text": 'a "b" \\ ${c} $${d} %{e}\nä', "many": {"one": [1, 2.5]}}
    JobHandler().create(Context(), {**props, "job": job, "variables": variables})
    expected = {"text": variables["text"], "many": '{"one":[1,2.5]}', "unsaid": "as it was"}
    assert cluster.nomad.job("first")["Meta"] == expected
    with pytest.raises(ResourceFailed, match="text"):
        JobHandler().create(Context(), {**props, "job": job, "variables": {}})


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
    assert JobHandler().diff(Context(), "first", olds, {**olds, "variables": {"count": 2}}).update == ("variables",)


def test_what_is_wrong_with_the_inputs() -> None:
    handler = JobHandler()
    assert [failure.path for failure in handler.check({"job": "  "})] == ["job"]
    assert handler.check({"job": UNKNOWN}) == []
    assert handler.check({"job": hcl("first"), "variables": {"count": 2}}) == []
    assert [failure.path for failure in handler.check({"job": "{}", "variables": {"count": 2}})] == ["variables"]
    bad = handler.check({"job": hcl("first"), "variables": {"a=b": 2, "c": 3}})
    assert [failure.path for failure in bad] == ["variables.a=b"]
    with pytest.raises(ResourceFailed, match="pass the cluster stack's output `connection`"):
        handler.create(Context(), {"connection": "{}", "job": hcl("first")})


def heard(ctx_texts: list[tuple[str, str]]) -> Context:
    return Context(log=lambda severity, text: ctx_texts.append((severity, text)))


def test_what_is_wrong_is_told_with_exit_code_and_last_words_and_without_secrets(
    props: Props, cluster: Cluster
) -> None:
    secret = cluster.connection.nomad.secret
    script = f"echo password=hunter2 >&2; echo {secret} >&2; echo out of ammunition >&2; exit 3"
    texts: list[tuple[str, str]] = []
    with pytest.raises(ResourceFailed) as caught:
        JobHandler().create(heard(texts), {**props, "job": hcl("first", script, healthy="3s")})
    said = str(caught.value)
    assert "first.main[0] on server-1: task main: exit code: 3" in said
    assert "    out of ammunition" in said
    assert "password=<struck out>" in said
    assert "hunter2" not in said + str(texts)
    assert secret not in said + str(texts)


def test_a_canary_says_that_it_waits_for_promotion_and_how_to_give_it(props: Props, cluster: Cluster) -> None:
    promoted: list[str] = []
    texts: list[tuple[str, str]] = []

    def heard(severity: str, text: str) -> None:
        texts.append((severity, text))
        if "waits for its promotion, " in text:
            found = cluster.nomad.deployment("first")
            assert found
            assert f"Next: nomad deployment promote {found.id[:8]}, or nomad deployment fail {found.id[:8]}" in text
            body = {"DeploymentID": found.id, "All": True}
            if found.id not in promoted:
                promoted.append(found.id)
                cluster.nomad.api.call("PUT", f"/v1/deployment/promote/{found.id}", body=body)

    first = hcl("first").replace("update {", "update {\n      canary = 1")
    handler = JobHandler()
    id, made = handler.create(Context(log=heard), {**props, "job": first})
    assert not any("promotion" in text for _, text in texts)
    handler.update(Context(log=heard), id, {**props, **made}, {**props, "job": first.replace("600", "700")})
    assert "waits for its promotion, 1 of 1 canaries healthy" in str(texts)
    assert texts[-1] == ("info", "job first: running: 1 of 1 allocations healthy")


def test_one_that_is_not_promoted_in_time_says_so(props: Props, cluster: Cluster) -> None:
    first = hcl("first").replace("update {", "update {\n      canary = 1")
    handler = JobHandler()
    id, made = handler.create(Context(), {**props, "job": first})
    with pytest.raises(ResourceFailed, match="not done after 10 s: waits for its promotion") as caught:
        handler.update(Context(timeout=10), id, {**props, **made}, {**props, "job": first.replace("600", "700")})
    assert "nomad deployment promote" in caught.value.remedy


def test_a_job_that_has_no_room_says_of_what(props: Props) -> None:
    big = hcl("first").replace('driver = "raw_exec"', 'driver = "raw_exec"\n resources { memory = 9000000 }')
    with pytest.raises(ResourceFailed, match="group main can't be placed on any of 1 nodes: too little memory on 1"):
        JobHandler().create(Context(timeout=2), {**props, "job": big})


def test_one_that_no_machine_can_take_is_refused_or_told_to_wait_for_a_machine_that_is_missing(
    props: Props, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = hcl("first").replace("raw_exec", "podman")
    with pytest.raises(ResourceFailed, match="no driver podman on 1") as refused:
        JobHandler().create(Context(), {**props, "job": odd})
    assert "first" not in known(cluster)
    assert "--yes" not in str(refused.value)  # which is `hashistack run`'s
    monkeypatch.setattr("hashistack.ops.api.nodes.Node.usable", False)
    texts: list[tuple[str, str]] = []
    context = Context(timeout=2, log=lambda severity, text: texts.append((severity, text)))
    with pytest.raises(ResourceFailed):
        JobHandler().create(context, {**props, "job": odd})
    waits = "It waits for a machine that may come: pool web has 0 of 1 machines ready"
    assert any(severity == "info" and text.endswith(waits) for severity, text in texts)
    assert "first" in known(cluster)


KINDS = {
    "batch": ('type = "batch"', "true", r"(completed|running): 1( of 1)? allocations"),
    "sysbatch": ('type = "sysbatch"', "true", r"(completed|running): 1( of 1)? allocations"),
    "system": ('type = "system"', "exec sleep 600", "running: 1 of 1 allocations"),
    "periodic": ('type = "batch"\n periodic { crons = ["@yearly"] }', "true", "registered: Nomad runs it at its times"),
    "parameterized": ('type = "batch"\n parameterized {}', "true", "registered: it runs when it is dispatched"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_job_ends_in_its_own_words(kind: str, props: Props) -> None:
    lines, script, said = KINDS[kind]
    text = hcl(kind, script).replace('node_pool = "web"', f'node_pool = "web"\n {lines}')
    if kind != "system":
        text = re.sub(r"update \{.*?\}", "", text, flags=re.DOTALL)
    text = re.sub(r"reschedule \{.*?\}", "", text, flags=re.DOTALL)
    texts: list[tuple[str, str]] = []
    JobHandler().create(heard(texts), {**props, "job": text})
    assert texts[-1][0] == "info"
    assert re.fullmatch(f"job {kind}: {said}.*", texts[-1][1]), texts


def test_a_batch_job_that_fails_is_an_error(props: Props) -> None:
    text = re.sub(r"(update) \{.*?\}", "", hcl("batch", "echo no >&2; exit 9"), flags=re.DOTALL)
    text = text.replace('node_pool = "web"', 'node_pool = "web"\n type = "batch"')
    try:
        JobHandler().create(Context(), {**props, "job": text})  # it may be seen while it still runs
    except ResourceFailed as failed:
        assert "exit code: 9" in str(failed)


def test_what_nomad_does_not_take_is_told_in_its_words(props: Props) -> None:
    with pytest.raises(ResourceFailed, match=r"job first: Nomad does not take it: .*Task group"):
        JobHandler().create(Context(), {**props, "job": json.dumps({"ID": "first", "TaskGroups": [{"Name": "x"}]})})

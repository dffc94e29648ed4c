"""`hashistack run` against a real Nomad."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hashistack.errors import HashistackError
from hashistack.ops.api.cluster import Cluster

from .commands import Command

SERVICE = """
variable "script" { type = string }
variable "arguments" {
  type    = list(string)
  default = []
}
job "web" {
  node_pool = "web"
  group "main" {
    update {
      min_healthy_time  = "0s"
      healthy_deadline  = "30s"
      progress_deadline = "60s"
    }
    restart { attempts = 0 }
    reschedule {
      attempts  = 0
      unlimited = false
    }
    task "main" {
      driver = "raw_exec"
      config {
        command = "/bin/sh"
        args    = concat(["-c", var.script], var.arguments)
      }
    }
  }
}
"""
BATCH = SERVICE.replace('"web" {\n', '"batch" {\n  type = "batch"\n').replace(
    """update {
      min_healthy_time  = "0s"
      healthy_deadline  = "30s"
      progress_deadline = "60s"
    }""",
    "",
)


SCRIPT = ("-var", "script=true")


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str], str]:
    def write(text: str) -> str:
        path = tmp_path / "web.nomad.hcl"
        path.write_text(text)
        return str(path)

    return write


@pytest.fixture(autouse=True)
def tidy(cluster: Cluster) -> Iterator[None]:
    yield
    for name in ("web", "batch"):
        cluster.nomad.deregister(name)


def arguments(cluster: Cluster) -> list[str]:
    found: list[str] = cluster.nomad.job("web")["TaskGroups"][0]["Tasks"][0]["Config"]["args"]
    return found


def test_a_service_is_healthy_with_variables_from_all_three_places(
    command: Command, cluster: Cluster, file: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOMAD_VAR_script", "exec sleep 600")
    monkeypatch.setenv("NOMAD_ADDR", "http://127.0.0.1:1")  # another cluster's
    (tmp_path / "more.hcl").write_text('arguments = ["from a file"]\n')
    done = command("run", file(SERVICE), "-var-file", str(tmp_path / "more.hcl"))
    assert done.exit_code == 0, done.output
    assert "job web: version 0 is registered" in done.output
    assert "job web: running: 1 of 1 allocations healthy" in done.output
    assert "Next: hashistack logs web" in done.output
    assert arguments(cluster) == ["-c", "exec sleep 600", "from a file"]
    done = command("run", file(SERVICE), "-var", 'arguments=["said"]', "--detach", "-o", "json")
    assert json.loads(done.output) == {
        "event": "result",
        "ok": True,
        "job": "web",
        "namespace": "default",
        "version": cluster.nomad.job("web")["Version"],
    }
    assert arguments(cluster)[-1] == "said"


def test_a_service_that_fails_is_code_1_with_its_last_words(command: Command, file: Callable[[str], str]) -> None:
    slow = SERVICE.replace('"0s"', '"3s"')  # it is not healthy in the moment before it ends
    done = command("run", file(slow), "-var", "script=echo out of ammunition >&2; exit 3")
    assert done.exit_code == 1
    assert "task main: exit code: 3" in done.output
    assert "out of ammunition" in done.output
    assert "Next: hashistack logs web, or change the file and repeat, or nomad job stop web" in done.output


def test_a_batch_job_is_watched_to_its_end(command: Command, file: Callable[[str], str]) -> None:
    done = command("run", file(BATCH), "-var", "script=sleep 2")
    assert (done.exit_code, "job batch: completed: 1 allocations" in done.output) == (0, True), done.output
    done = command("run", file(BATCH), "-var", "script=sleep 2; exit 9", "-o", "json")
    assert done.exit_code == 1
    last: dict[str, Any] = json.loads(done.output.splitlines()[-1])
    assert (last["event"], last["ok"], last["version"]) == ("result", False, 1)
    assert "exit code: 9" in last["text"]


def test_one_that_finds_no_place_says_why(
    command: Command, file: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hashistack.jobs.deploy.UNPLACED_SECONDS", 1.0)
    big = SERVICE.replace('"raw_exec"', '"raw_exec"\n resources { memory = 9000000 }')
    done = command("run", file(big), "-var", "script=true")
    assert done.exit_code == 1
    assert "group main can't be placed on any of 1 nodes: too little memory on 1" in done.output


def test_one_that_no_machine_can_ever_take_is_refused_and_not_registered(
    command: Command, cluster: Cluster, file: Callable[[str], str]
) -> None:
    odd = file(SERVICE.replace('"raw_exec"', '"podman"'))
    said = "group main can't be placed on any of 1 nodes: no driver podman on 1"
    for more in ([], ["--detach"]):
        done = command("run", odd, "-var", "script=true", *more)
        assert isinstance(done.exception, HashistackError)
        assert str(done.exception).startswith(f'job web: {said}. Next: write driver = "docker"')
        assert str(done.exception).endswith("; or repeat with --yes to submit it all the same")
    assert "web" not in cluster.nomad.jobs()
    done = command("run", odd, "-var", "script=true", "--dry-run")
    assert f'{said}. Next: write driver = "docker"' in " ".join(done.output.split())
    done = command("run", odd, "-var", "script=true", "--dry-run", "-o", "json")
    last: dict[str, Any] = json.loads(done.output.splitlines()[-1])
    assert (last["ok"], last["text"]) == (False, said)
    assert last["next"].startswith('write driver = "docker"')


def test_what_no_machine_can_take_is_registered_when_told_to_or_when_a_machine_is_missing(
    command: Command, cluster: Cluster, file: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = file(SERVICE.replace('"raw_exec"', '"podman"'))
    done = command("run", odd, *SCRIPT, "--detach", "--yes")
    assert (done.exit_code, "web" in cluster.nomad.jobs()) == (0, True), done.output
    cluster.nomad.deregister("web")
    monkeypatch.setattr("hashistack.ops.api.nodes.Node.usable", False)
    done = command("run", odd, *SCRIPT, "--detach")
    assert (done.exit_code, "web" in cluster.nomad.jobs()) == (0, True), done.output
    told = "It waits for a machine that may come: pool web has 0 of 1 machines ready"
    assert told in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("of_job", "said"),
    [
        (
            'datacenters = ["aws-1"]',
            'it asks for datacenter aws-1, and this is datacenter dc1. Next: write datacenters = ["dc1"]',
        ),
        ('region = "mars"', "No path to region. Next: leave region out of the job"),
        ("priority = 5000", "Nomad does not take it: "),
        ('multiregion {\n region "global" {}\n}', "unlicensed. Next: take it out of the job"),
    ],
)  # fmt: skip
def test_what_this_cluster_has_not_is_refused_with_what_to_do(
    command: Command, cluster: Cluster, file: Callable[[str], str], of_job: str, said: str
) -> None:
    for more in ([], ["--dry-run"]):
        done = command(
            "run", file(SERVICE.replace('node_pool = "web"', f'node_pool = "web"\n{of_job}')), *SCRIPT, *more
        )
        told = " ".join([*done.output.split(), str(done.exception)])
        assert said in told
        assert "error occurred" not in told
    assert "web" not in cluster.nomad.jobs()


def test_a_node_pool_that_does_not_exist_is_refused(command: Command, file: Callable[[str], str]) -> None:
    done = command("run", file(SERVICE.replace('node_pool = "web"', 'node_pool = "gpu"')), *SCRIPT)
    assert "Next: leave node_pool out of the job" in str(done.exception)


def test_variables_without_a_value_are_named_at_once(command: Command, file: Callable[[str], str]) -> None:
    more = SERVICE.replace('variable "script"', 'variable "image" {}\nvariable "script"').replace('"-c"', "var.image")
    done = command("run", file(more))
    assert "no value for variables image, script. Next: -var image=VALUE -var script=VALUE" in str(done.exception)


def test_a_dry_run_shows_the_plan_and_changes_nothing(
    command: Command, cluster: Cluster, file: Callable[[str], str]
) -> None:
    done = command("run", file(SERVICE), "-var", "script=exec sleep 600", "--dry-run")
    assert done.exit_code == 1
    assert '+ Job: "web"' in done.output and "All tasks successfully allocated" in done.output
    assert "Job Modify Index" not in done.output
    assert "web" not in {job["ID"] for job in cluster.nomad.api.call("GET", "/v1/jobs").data}
    assert command("run", file(SERVICE), "-var", "script=exec sleep 600", "--detach").exit_code == 0
    done = command("run", file(SERVICE), "-var", "script=exec sleep 600", "--dry-run", "-o", "json")
    assert (done.exit_code, json.loads(done.output)["plan"]["Diff"]["Type"]) == (0, "None")


def test_ctrl_c_stops_watching_and_the_job_goes_on(
    command: Command, cluster: Cluster, file: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("hashistack.jobs.deploy._Log.story", pressed)
    assert threading.current_thread() is threading.main_thread()
    done = command("run", file(BATCH), "-var", "script=sleep 600")
    assert done.exit_code == 130
    assert "job batch goes on. Next: hashistack logs batch" in done.stderr
    assert cluster.nomad.job("batch")["Status"] != "dead"


BAD = {
    "no file": (["nothing.hcl"], "nothing.hcl is no file. Next: give the path"),
    "no file of variables": (["{file}", "-var-file", "nothing.hcl"], "nothing.hcl is no file"),
    "a variable that is missing": (["{file}"], "no value for variable script"),
    "a variable that is not declared": (["{file}", "-var", "zone=a", "-var", "script=x"], 'A "zone" variable was pass'),
    "a namespace that is not there": (
        ["{file}", "-var", "script=x", "-namespace", "qa"],
        "has no namespace qa, only def",
    ),
    "no cluster": (["{file}", "-var", "script=x", "-C", "/nowhere"], "/nowhere has no Pulumi.yaml"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_error(name: str, command: Command, file: Callable[[str], str]) -> None:
    given, said = BAD[name]
    path = file(SERVICE)
    failed = command("run", *(path if one == "{file}" else one for one in given)).exception
    assert isinstance(failed, HashistackError), failed
    assert said in str(failed)


def test_a_file_that_is_no_job_names_the_line(command: Command, file: Callable[[str], str]) -> None:
    failed = command("run", file('job "web" {\n  group "main" {\n    nonsense\n  }\n}\n')).exception
    assert str(failed).startswith("web.nomad.hcl:3,5-13: Argument or block definition required")
    failed = command("run", file('{"ID": "web"')).exception
    assert isinstance(failed, HashistackError)
    failed = command("run", file('{"ID": "web"}'), "-var", "a=b").exception
    assert "JSON, which has no variables" in str(failed)

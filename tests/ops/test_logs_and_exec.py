"""`hashistack logs`, `exec` and `ui` against a real Nomad."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from threading import Event

import pytest

from hashistack.errors import HashistackError
from hashistack.jobs.deploy import submit, watch
from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.connection import Connection

from .commands import Command

JOB = """
job "{name}" {{
  node_pool = "web"
  group "main" {{
    count = 2
    update {{ min_healthy_time = "0s" }}
    task "front" {{
      driver = "raw_exec"
      config {{
        command = "/bin/sh"
        args    = ["-c", "echo first; echo second; echo oops >&2; exec sleep 600"]
      }}
    }}
    task "back" {{
      driver = "raw_exec"
      config {{
        command = "/bin/sh"
        args    = ["-c", "echo behind; exec sleep 600"]
      }}
    }}
  }}
}}
"""


TASKS = {"front": "second", "back": "behind"}
"""Task to its last line."""


@pytest.fixture(scope="module", autouse=True)
def jobs(connection: Connection) -> Iterator[None]:
    with Cluster(connection) as cluster:
        for name in ("shop", "shop-two"):
            version = submit(cluster.nomad, cluster.nomad.parse(JOB.format(name=name)))
            assert watch(cluster.nomad, name, version, (), lambda *_: None, Event()).well
        yield
        for name in ("shop", "shop-two"):
            cluster.nomad.deregister(name)


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes a command's place is its child here."""

    def child(program: str, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        done = subprocess.run(arguments, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        sys.stdout.write(done.stdout)
        sys.exit(done.returncode)

    monkeypatch.setattr(os, "execve", child)


def test_logs_show_every_task_of_every_allocation_with_its_label(command: Command, cluster: Cluster) -> None:
    done = command("logs", "shop", "-n", "1")
    assert done.exit_code == 0, done.output
    ids = {one.name.partition(".")[2]: one.id[:8] for one in cluster.nomad.allocations("shop")[0]}
    wanted = {f"{name} {id} {task} | {said}" for name, id in ids.items() for task, said in TASKS.items()}
    assert set(done.output.splitlines()) == wanted


def test_logs_of_one_task_of_one_allocation_have_no_label(command: Command, cluster: Cluster) -> None:
    first = cluster.nomad.allocations("shop")[0][0].id
    assert command("logs", first[:9], "--task", "front").output == "first\nsecond\n"
    assert command("logs", first, "--task", "front", "--stderr").output == "oops\n"


def test_exec_runs_a_command_and_ends_as_it_does(command: Command) -> None:
    done = command("exec", "shop", "--task", "front", "--", "sh", "-c", "echo $NOMAD_TASK_NAME; exit 7")
    assert (done.exit_code, done.stdout) == (7, "front\n")
    assert "shop.main[0] on server-1; there are 1 more" in done.stderr


# Other files have jobs in the same Nomad.
BAD = {
    "a job that is not there": (["logs", "zzz"], r"there is no job or allocation zzz, only .*\bshop, shop-two\b"),
    "the start of several jobs": (["exec", "sho"], r"2 jobs begin with sho; say which: shop, shop-two"),
    "a task that is not there": (["logs", "shop", "-t", "zzz"], r"there is no task zzz, only back, front"),
    "several tasks": (["exec", "shop"], r"shop\.main\[0\] runs 2 tasks; say which: --task back or --task front"),
    "another namespace": (["logs", "shop", "--namespace", "qa"], r"no job or allocation shop in namespace qa"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_can_not_be_meant_is_one_error(name: str, command: Command) -> None:
    arguments, said = BAD[name]
    failed = command(*arguments).exception
    assert isinstance(failed, HashistackError), failed
    assert re.search(said, str(failed)), failed


def test_ui_prints_where_and_how_and_no_secret_unless_asked(command: Command, connection: Connection) -> None:
    done = command("ui", "--print")
    assert done.exit_code == 0
    assert f"consul  {connection.consul.address}/ui/" in done.output
    assert "openssl pkcs12 -export" in done.output
    assert not [secret for secret in connection.secrets if secret in done.output]
    assert connection.consul.secret in command("ui", "consul", "--print", "--token").output

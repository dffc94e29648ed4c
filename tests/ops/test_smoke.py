"""The smoke job as data."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from hashistack.ops.readiness.smoke import PORT, PROBE_SECONDS, SECRET, job


def tasks(**options: str) -> dict[str, dict[str, Any]]:
    return {task["Name"]: task for task in job("dc1", "global", **options)["TaskGroups"][0]["Tasks"]}


def test_it_is_plain_data_and_the_same_each_time() -> None:
    assert json.dumps(job("dc1", "global", run="a")) == json.dumps(job("dc1", "global", run="a"))
    assert job("dc1", "global", run="a") != job("dc1", "global", run="b")
    assert job("dc1", "global")["NodePool"] == "all"


def test_both_tasks_read_the_secret_by_identity_and_none_holds_it() -> None:
    for task in tasks().values():
        (template,) = task["Templates"]
        assert f'with secret "kv/data/{SECRET}"' in template["EmbeddedTmpl"]
        assert task["Vault"]["Env"] is False


def test_the_probe_asks_under_the_clusters_own_domain() -> None:
    assert tasks(domain="dc.example")["probe"]["Config"]["args"][-1] == f"http://smoke.service.dc.example:{PORT}/"
    assert tasks()["probe"]["Lifecycle"] == {"Hook": "poststart", "Sidecar": False}


def test_no_argument_has_a_brace_that_nomad_would_take_for_its_own() -> None:
    for task in tasks().values():
        assert not any("${" in argument for argument in task["Config"]["args"])


def test_three_tries_of_the_probe_end_before_the_deployment_gives_up() -> None:
    document = job("dc1", "global")
    tries = document["TaskGroups"][0]["RestartPolicy"]["Attempts"] + 1
    assert tries * (PROBE_SECONDS + 2) * 10**9 < document["Update"]["ProgressDeadline"]
    assert document["Update"]["HealthyDeadline"] < document["Update"]["ProgressDeadline"]


def test_the_probe_tells_right_from_wrong(tmp_path: Path) -> None:
    """Its script under a real sh, with a curl that answers what a file says."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/expected").write_text("right")
    curl = tmp_path / "curl"
    curl.write_text('#!/bin/sh\ncat "$0.answer"\n')
    curl.chmod(0o755)
    _, script, *arguments = tasks()["probe"]["Config"]["args"]
    short = script.replace(f"+ {PROBE_SECONDS}", "+ 1")

    def exit_code(answer: str) -> tuple[int, str]:
        (tmp_path / "curl.answer").write_text(answer)
        done = subprocess.run(
            ["/bin/sh", "-c", short, *arguments],
            cwd=tmp_path,
            env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stderr

    assert exit_code("right") == (0, "")
    code, said = exit_code("wrong-secret")
    assert code == 1
    assert "another text than the secret" in said
    assert "wrong-secret" not in said

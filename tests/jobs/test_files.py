"""The job files of `jobs/`, as the vendor's command reads them."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hashistack.spec.versions import newest_proven
from hashistack.toolchain import resolve

JOBS = Path(__file__).parents[2] / "jobs"
FILES = sorted(JOBS.glob("*.nomad.hcl"))
INGRESSES = ("caddy", "traefik")
USUAL = (*INGRESSES, "prometheus")
"""Jobs that run without a value of one's own."""
_VARIABLE = re.compile(r'variable "(\w+)" {\n(.*?)\n}', re.DOTALL)


def nomad(*arguments: str) -> str:
    command = [resolve("nomad", newest_proven("nomad")).path, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def read(file: Path, **variables: str) -> dict[str, Any]:
    given = [f"-var={name}={value}" for name, value in variables.items()]
    found: dict[str, Any] = json.loads(nomad("job", "run", "-output", *given, str(file)))["Job"]
    return found


@pytest.mark.parametrize("name", USUAL)
def test_a_job_runs_without_any_variable_and_says_what_each_is(name: str) -> None:
    file = JOBS / f"{name}.nomad.hcl"
    job = read(file)
    assert job["ID"] == name
    variables = dict(_VARIABLE.findall(file.read_text()))
    told = [name for name, body in variables.items() if "default" in body and re.search(r'description = "\S', body)]
    assert told and told == [*variables]
    images = [task["Config"]["image"] for group in job["TaskGroups"] for task in group["Tasks"]]
    assert all(re.fullmatch(r"docker\.io/[a-z/-]+:v?\d+\.\d+\.\d+", image) for image in images)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_job_file_is_formatted(file: Path) -> None:
    nomad("fmt", "-check", str(file))


@pytest.mark.parametrize("name", INGRESSES)
@pytest.mark.parametrize("tls", ("false", "true"))
def test_an_ingress_asks_vault_for_a_certificate_only_where_it_serves_https(name: str, tls: str) -> None:
    (group,) = read(JOBS / f"{name}.nomad.hcl", tls=tls)["TaskGroups"]
    (task,) = group["Tasks"]
    ports = {port["Label"] for port in group["Networks"][0]["ReservedPorts"]}
    assert ports == ({"http", "https"} if tls == "true" else {"http"})
    assert bool(task["Vault"]) is (tls == "true")
    assert any("with secret" in one["EmbeddedTmpl"] for one in task["Templates"]) is (tls == "true")


@pytest.mark.parametrize("name", USUAL)
def test_the_port_of_one_that_ends_keeps_nothing_off_its_machine(name: str) -> None:
    (group,) = read(JOBS / f"{name}.nomad.hcl")["TaskGroups"]
    ports = group["Networks"][0]["ReservedPorts"]
    assert ports and all(port["IgnoreCollision"] for port in ports)


def test_caddy_reads_no_other_file_for_a_deploy() -> None:
    """It drops connections whenever it does."""
    (group,) = read(JOBS / "caddy.nomad.hcl")["TaskGroups"]
    (template,) = group["Tasks"][0]["Templates"]
    assert "range services" in template["EmbeddedTmpl"]
    assert not re.search(r"\bservice \$|\.Address|\.Port", template["EmbeddedTmpl"])

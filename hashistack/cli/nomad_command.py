"""The vendor's own `nomad` command, where it does what a user knows from it: reads job files, plans, opens shells.

It gets the cluster's address and token by its environment, never by its arguments.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hashistack.cli.commands.env import nomad_variables, write_certificates
from hashistack.cli.errors import Refusal
from hashistack.ops.api.connection import Connection
from hashistack.ops.api.runtime_directory import directory


def program() -> str:
    """The pinned executable."""
    from hashistack.spec.versions import newest_proven
    from hashistack.toolchain import host_arch, resolve

    return str(resolve("nomad", newest_proven("nomad"), host_arch()).path)


def environment(connection: Connection) -> dict[str, str]:
    """Its environment, with which it reaches the cluster; writes the certificates that it reads."""
    return {**_others(), **nomad_variables(connection, write_certificates(connection, directory(connection.name)))}


def read_job(file: str, variables: Sequence[str], files: Sequence[str]) -> dict[str, Any]:
    """A job file as Nomad's JSON: HCL with its variables and functions as `nomad job run` reads it, or JSON.

    Args:
        file: its path, or `-` for standard input.
        variables: `NAME=VALUE`, as of `-var`; `NOMAD_VAR_NAME` of the environment counts as well.
        files: paths, as of `-var-file`.

    Raises:
        Refusal: a file is not there, or can't be read as a job; says where in it.
    """
    for path in (file, *files):
        if path != "-" and not Path(path).is_file():
            raise Refusal(f"{path} is no file", "give the path of a Nomad job file, or - for standard input")
    text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8", errors="replace")
    options = [*(f"-var={one}" for one in variables), *(f"-var-file={one}" for one in files)]
    if text.lstrip()[:1] == "{":
        if options:
            raise Refusal(f"{file} is JSON, which has no variables", "leave -var and -var-file out, or give HCL")
        options = ["-json"]
    command = [program(), "job", "run", "-output", *options, file]
    done = subprocess.run(command, input=text, capture_output=True, text=True, env=_others())
    if done.returncode:
        said = done.stderr or done.stdout
        if names := sorted(set(re.findall(r'Unset variable\s+"([^"]+)"', said))):
            raise Refusal(
                f"{file}: no value for {'variable' if len(names) == 1 else 'variables'} {', '.join(names)}",
                " ".join(f"-var {name}=VALUE" for name in names) + ", or -var-file FILE",
            )
        raise Refusal(_told(said, file))
    job: dict[str, Any] = json.loads(done.stdout)["Job"]
    return job


def exec_arguments(namespace: str, allocation: str, task: str, command: Sequence[str]) -> list[str]:
    """Its arguments that run `command` in a task."""
    return ["alloc", "exec", f"-namespace={namespace}", f"-task={task}", allocation, *command]


def plan_text(connection: Connection, job: Mapping[str, Any], colors: bool) -> str:
    """What `nomad job plan` says of a job, without its own next command."""
    command = [program(), "job", "plan", *(["-force-color"] if colors else ["-no-color"]), "-json", "-"]
    done = subprocess.run(
        command, input=json.dumps({"Job": job}), capture_output=True, text=True, env=environment(connection)
    )
    if done.returncode not in (0, 1):
        raise Refusal(_told(done.stderr or done.stdout, str(job["ID"])))
    return re.split(r"\n\S*Job Modify Index:", done.stdout)[0].strip()


def _others() -> dict[str, str]:
    """What a shell may say of another cluster must not reach it; variables of jobs may."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("NOMAD_") or name.startswith("NOMAD_VAR_")
    }


def _told(said: str, file: str) -> str:
    """Its words for an error on one line, without its own wrapping."""
    text = " ".join(said.split())
    text = re.sub(r"^Error getting job struct: (Error parsing job file from \S+ )?", "", text)
    text = text.removeprefix("<nil>: ").removeprefix(":0,0-0: ").replace(" <nil>: ", "; ")
    return text if Path(file).name in text or text.startswith("stdin:") else f"{file}: {text}"

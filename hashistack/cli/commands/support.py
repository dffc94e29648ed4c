"""`hashistack support`: one archive for somebody who helps, without a secret."""

from __future__ import annotations

import json
import platform as host
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hashistack.cli.options import ClusterOption, DirectoryOption, OutputOption, StackOption, named_project
from hashistack.cli.output import Output

if TYPE_CHECKING:
    from hashistack.cli.project import Project
    from hashistack.ops.api.cluster import Cluster
    from hashistack.ops.api.connection import Connection

ROLLOUTS = 5
"""How many of the last rollouts' events are taken along."""


def support(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE.tar.gz", help="else named by cluster and time", show_default=False)
    ] = None,
    directory: DirectoryOption = None,
    stack: StackOption = None,
    cluster: ClusterOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Pack logs, configuration, Raft and events of a cluster for somebody who helps; no token or key is in it."""
    from hashistack.cli.engine import Engine
    from hashistack.cli.errors import Refusal
    from hashistack.cli.known_secrets import known_secrets
    from hashistack.cli.output import Show
    from hashistack.ops.api.cluster import Cluster
    from hashistack.ops.rollout.event_log import stamp
    from hashistack.ops.support.archive import write
    from hashistack.ops.support.redaction import Redaction

    show, project = Show(output), named_project(directory, stack, cluster)
    engine = Engine(project, lambda text: None)
    connection = engine.connection()
    place = (file or Path(f"{connection.name}-support-{stamp()}.tar.gz")).absolute()
    if place.exists() or not place.parent.is_dir():
        raise Refusal(f"{place} {'is there already' if place.exists() else 'is in no directory'}", "name another file")
    with Cluster(connection) as opened:
        known = known_secrets(engine.secrets(), connection, opened)
        texts = {**_of_project(project), **_seen(connection, opened)}
    redaction = Redaction(known)
    write(place, texts, redaction)
    proof = f"None of {redaction.known} known secrets is in it"
    told = f"{place}: {len(texts)} files. {proof}. Read it before you send it."
    show.result({"ok": True, "file": str(place), "files": sorted(texts), "secrets_known": redaction.known}, told)


def _of_project(project: Project) -> dict[str, str]:
    from hashistack.ops.rollout.event_log import recorded
    from hashistack.version import VERSION

    about = {"hashistack": VERSION, "python": host.python_version(), "host": host.platform(), "stack": project.stack}
    settings = [file for file in (project.directory / "Pulumi.yaml", project.settings) if file.exists()]
    texts = {file.name: _settings(_read(file)) for file in settings}
    texts |= {file.name: _read(file) for file in recorded(project.directory)[-ROLLOUTS:]}
    return {"about.json": json.dumps(about), **{f"project/{name}": text for name, text in texts.items()}}


def _settings(text: str) -> str:
    """A project's or stack's settings: the specification, which takes no secrets, and of all others the names alone."""
    import yaml

    from hashistack.spec.secret_detection import STRUCK

    try:
        read = yaml.safe_load(text)
        config = read.get("config") or {}
        kept = {key: value if key.rpartition(":")[2] == "cluster" else STRUCK for key, value in config.items()}
        named = {key: read[key] for key in ("name", "runtime") if key in read}
    except (yaml.YAMLError, AttributeError, TypeError) as error:
        return f"not settings of Pulumi: {type(error).__name__}\n"
    return str(yaml.safe_dump({**named, "config": kept}, sort_keys=False))


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")


def _seen(connection: Connection, cluster: Cluster) -> dict[str, str]:
    from hashistack.cli.status import asleep, look
    from hashistack.cli.stopped import stopped
    from hashistack.errors import HashistackError
    from hashistack.ops.support.collect import answers
    from hashistack.platforms import driver, operations

    machines, all_of_it = stopped(connection)
    status = asleep(connection, machines) if all_of_it else look(cluster, machines)
    platform = operations(connection.provider)
    names = [one.name for one in driver(connection).instances()]

    def logs(name: str) -> Mapping[str, str]:
        try:
            return platform.logs(connection, name)
        except HashistackError as error:
            return {"error.txt": str(error)}

    with ThreadPoolExecutor(4) as workers:
        said = dict(zip(names, workers.map(logs, names), strict=True))
    return {
        "status.json": json.dumps(status, indent=1, default=str),
        "connection.json": json.dumps(json.loads(connection.text()), indent=1),
        **({} if all_of_it else answers(cluster)),
        **{f"machines/{name}/{file}": text for name, files in said.items() for file, text in files.items()},
    }

"""The options of the pytest plugin: each is an option of the command line and a setting of the ini file. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from hashistack.errors import HashistackError

KEEPS: Final = ("never", "failed", "always")
Scope = Literal["session", "package", "module", "class", "function"]


@dataclass(frozen=True)
class Option:
    """name: with hyphens, as on the command line behind `--hashistack-`. kind: of its value in the ini file."""

    name: str
    help: str
    kind: Literal["string", "bool", "linelist"] = "string"
    metavar: str = ""
    choices: tuple[str, ...] = ()

    @property
    def flag(self) -> str:
        """On the command line."""
        return f"--hashistack-{self.name}"

    @property
    def ini(self) -> str:
        """In the ini file, and as the attribute of parsed options."""
        return f"hashistack_{self.name.replace('-', '_')}"

    @property
    def shown(self) -> str:
        """On the command line, with what it takes."""
        value = "|".join(self.choices) or self.metavar
        return f"{self.flag} {value}".rstrip()


OPTIONS: Final = (
    Option("reuse", "use the cluster of the same specification that an earlier run kept, and keep it", "bool"),
    Option("keep", "which clusters stay when the run ends; else none, with reuse those for reuse", choices=KEEPS),
    Option("scope", "of the fixture hashistack_cluster; else session", choices=get_args(Scope)),
    Option("attach", "use this cluster, never make or remove one", metavar="DIR|CLUSTER"),
    Option("spec", "the specification, as YAML or JSON; else three servers and two clients", metavar="FILE"),
    Option("version", "a release; again (or a line each) for more", "linelist", "PRODUCT=VERSION"),
    Option("timeout", "how long a job, a drain or an answer may take; else 300", metavar="SECONDS"),
    Option("logs", "lines of each machine's logs in a failure's report; 0: none; else 5", metavar="LINES"),
    Option("per-worker", "a cluster for each xdist worker, not one for all", "bool"),
)


class BadOption(HashistackError):
    """An option's value that can't be; the text says which and what can."""


@dataclass(frozen=True)
class Settings:
    """The options' values, checked. keep, attach, spec: "" where not said. versions: `PRODUCT=VERSION` each."""

    reuse: bool = False
    keep: str = ""
    scope: Scope = "session"
    attach: str = ""
    spec: str = ""
    versions: tuple[str, ...] = ()
    timeout: float = 300.0
    logs: int = 5
    per_worker: bool = False


def settings(of_line: Callable[[str], Any], of_file: Callable[[str], Any]) -> Settings:
    """What both say: the command line where it says something, else the ini file.

    Args:
        of_line, of_file: the value of a name (`hashistack_keep`); None, of a file also "" or [], where nothing is said.

    Raises:
        BadOption: with all that is wrong.
    """
    said: Mapping[str, Any] = {one.name: of_line(one.ini) or of_file(one.ini) or None for one in OPTIONS}
    wrong = [f"{one.flag} is empty: {one.metavar}, or leave it out" for one in OPTIONS if of_line(one.ini) == ""]
    wrong += [
        f"{one.ini} {said[one.name]!r} is none of {', '.join(one.choices)}"
        for one in OPTIONS
        if one.choices and said[one.name] not in (None, *one.choices)
    ]

    def number(name: str, default: float, least: float) -> float:
        try:
            found = float(said[name]) if said[name] is not None else default
        except ValueError:
            found = -1.0
        if not least <= found < float("inf"):
            wrong.append(f"hashistack_{name} {said[name]!r} is no number from {least:g} on")
        return found

    timeout, logs = number("timeout", 300, 1), number("logs", 5, 0)
    made = ("reuse", "keep", "spec", "version", "per-worker")
    if said["attach"] and (beside := [name for name in made if said[name]]):
        wrong.append(f"attach names a cluster that is there: leave out {', '.join(beside)}")
    if said["reuse"] and said["per-worker"]:
        wrong.append("reuse finds one cluster for all: leave out per-worker")
    if wrong:
        raise BadOption("; ".join(wrong))
    return Settings(
        reuse=bool(said["reuse"]),
        keep=said["keep"] or "",
        scope=said["scope"] or "session",
        attach=said["attach"] or "",
        spec=said["spec"] or "",
        versions=tuple(said["version"] or ()),
        timeout=timeout,
        logs=int(logs),
        per_worker=bool(said["per-worker"]),
    )

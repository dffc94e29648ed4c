"""Which Pulumi project and stack a command means, and the environment that the engine gets for it."""

from __future__ import annotations

import getpass
import json
import os
import secrets
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlparse

from hashistack.cli.errors import Refusal
from hashistack.home import expanded
from hashistack.platforms import Running

STATE = ".state"
DEFAULT_STACK = "test"
_ELSEWHERE = ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE")
"""Would put the state beside that of the user's own stacks."""


@dataclass(frozen=True)
class Project:
    """A directory with a Pulumi.yaml, a stack in it, and one of the stack's clusters; None where it has only one."""

    directory: Path
    stack: str
    cluster: str | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """The project's name as Pulumi.yaml says it."""
        return _yaml(self.directory).get("name", self.directory.name)

    @property
    def settings(self) -> Path:
        """The stack's own file of settings, where Pulumi looks for it; it need not be there."""
        folder = self.directory / _yaml(self.directory).get("stackConfigDir", "")
        return folder / f"Pulumi.{self.stack.rpartition('/')[2]}.yaml"

    @property
    def own_state(self) -> bool:
        """Whether state is kept in the project (`.state`), because nothing names another backend."""
        return not os.environ.get("PULUMI_BACKEND_URL") and "backend" not in _yaml(self.directory)

    @property
    def backend(self) -> Path | None:
        """The directory of a file backend, None for any other."""
        if self.own_state:
            return self.directory / STATE
        url = os.environ.get("PULUMI_BACKEND_URL") or _yaml(self.directory).get("backend.url", "")
        parsed = urlparse(url)
        if parsed.scheme != "file":
            return None
        place = expanded(unquote(parsed.netloc + parsed.path))
        return place if place.is_absolute() else self.directory / place

    @property
    def option(self) -> str:
        """What a shell needs after a command's name to mean this project and stack from here; "" where nothing."""
        here, said = Path.cwd(), ""
        if self.directory != here:
            inside = self.directory.is_relative_to(here)
            said = f" -C {shlex.quote(str(self.directory.relative_to(here) if inside else self.directory))}"
        if _with_stack(self.directory, None).stack != self.stack:
            said += f" --stack {shlex.quote(self.stack)}"
        return said

    def stacks(self) -> list[str]:
        """The stacks that a file backend has for this project; empty for any other backend."""
        if not self.backend:
            return []
        folder = self.backend / ".pulumi" / "stacks" / self.name
        return sorted(file.stem for file in folder.glob("*.json"))

    def environment(self) -> dict[str, str]:
        """What the engine's environment needs; makes `.state` and its passphrase at first use."""
        # The engine hides --event-log, the only stream of its events as they happen, behind the second.
        environment = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true", "PULUMI_DEBUG_COMMANDS": "true"}
        # A state notes who changed it. An engine without a C library asks this where no passwd entry names the user.
        environment.setdefault("USER", _user())
        if self.own_state:
            state = self.directory / STATE
            state.mkdir(mode=0o700, exist_ok=True)
            if state.stat().st_mode & 0o077:
                state.chmod(0o700)  # made by hand, or copied: it holds the passphrase
            environment["PULUMI_BACKEND_URL"] = state.resolve().as_uri()
            if not {"PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"} & os.environ.keys():
                environment["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(self._passphrase(state.resolve()))
        return environment

    def _passphrase(self, state: Path) -> Path:
        """The state's passphrase file, made at first use. It stays beside what it opens: lost, the secrets are lost."""
        file, settings = state / "passphrase", self.settings
        if not file.exists() and settings.exists() and "encryptionsalt:" in settings.read_text():
            raise Refusal(
                f"{settings} has the salt of a passphrase that is gone with its {STATE}",
                "remove the line `encryptionsalt: ...` from it, and `secure:` values, which nobody can read now",
            )
        try:
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return file
        with os.fdopen(handle, "w") as out:
            out.write(secrets.token_urlsafe(32))
        return file


def resolve(
    directory: Path | None,
    stack: str | None,
    cluster: str | None,
    running: Callable[[], Sequence[Running]],
    *,
    deployed: bool = True,
    changes: bool = False,
    whole: bool = False,
) -> Project:
    """The project that a command means.

    In this order: `directory` (`-C`, HASHISTACK_PROJECT), the cluster called `cluster` that runs here, this directory
    when it holds a deployed stack, the one cluster that runs here. In a stack with several clusters, `cluster` is one
    of them.

    Args:
        running: lists the clusters that are seen from here; asked only when needed.
        deployed: False for `up`, which makes what is not there: this directory's Pulumi.yaml is enough.
        changes: True for what changes a cluster: it must be named, or be here. A cluster is never guessed.
        whole: True for `up` and `down`, which work on a whole stack.

    Raises:
        Refusal: none or several; says which there are and how to choose.
    """
    if directory is not None:
        if not (directory / "Pulumi.yaml").is_file():
            raise Refusal(f"{directory} has no Pulumi.yaml: name a Pulumi project with -C DIR.")
        return _with_stack(directory.resolve(), stack, cluster)
    if cluster is None and Path("Pulumi.yaml").is_file():
        here = _with_stack(Path.cwd(), stack)
        if not deployed or not here.backend or here.stack in here.stacks():
            return here
    found = running()
    chosen = [one for one in found if cluster in (None, one.name, one.site)]
    if changes and cluster is None and chosen:
        raise Refusal(f"nothing is deployed in {Path.cwd()}. Name what you mean with -C DIR, or:\n{_listed(chosen)}")
    if len(chosen) == 1:
        return Project(_place(chosen[0]), stack or chosen[0].stack, chosen[0].site)
    if not chosen and cluster and not whole and Path("Pulumi.yaml").is_file():
        return _with_stack(Path.cwd(), stack, cluster)  # one that nobody sees from here: the stack knows it
    if not chosen:
        there = f" Running: {', '.join(one.site for one in found)}." if found else ""
        wanted = f"No cluster {cluster!r} runs here." if cluster else "No cluster here."
        raise Refusal(f"{wanted}{there}", "hashistack up -C DIR, with DIR a Pulumi project.")
    raise Refusal(f"{len(chosen)} clusters run here; say which:\n{_listed(chosen)}")


def _place(cluster: Running) -> Path:
    """Where a cluster's project is: where its labels say that it was made, or here, if it has moved here since.

    Raises:
        Refusal: it is not there any more, and this directory's state does not know the cluster.
    """
    if (cluster.project / "Pulumi.yaml").is_file():
        return cluster.project
    here = Path.cwd()
    if (here / "Pulumi.yaml").is_file() and (backend := Project(here, cluster.stack).backend):
        state = backend / ".pulumi" / "stacks" / Project(here, cluster.stack).name / f"{cluster.stack}.json"
        if state.is_file() and f'"{cluster.site}"' in state.read_text():
            return here
    raise Refusal(
        f"{cluster.site} was made from {cluster.project}, which holds no Pulumi project any more",
        f"name the directory that it has moved to: -C DIR --stack {shlex.quote(cluster.stack)}",
    )


def _listed(clusters: Sequence[Running]) -> str:
    return "\n".join(f"  --cluster {one.site}   {one.project} (stack {one.stack})" for one in clusters)


def _with_stack(directory: Path, stack: str | None, cluster: str | None = None) -> Project:
    there = [stack] if stack else Project(directory, DEFAULT_STACK).stacks()
    return Project(directory, there[0] if len(there) == 1 else DEFAULT_STACK, cluster)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # the second since Python 3.13
        return str(os.getuid())


def _yaml(directory: Path) -> dict[str, str]:
    """Pulumi.yaml's plain keys, those one level deep with a dot (`backend.url`)."""
    import yaml

    try:
        read = yaml.safe_load((directory / "Pulumi.yaml").read_text()) or {}
    except (OSError, yaml.YAMLError) as error:
        raise Refusal(f"{directory / 'Pulumi.yaml'} can't be read: {error}") from None
    if not isinstance(read, dict):
        raise Refusal(f"{directory / 'Pulumi.yaml'} is not a Pulumi project")
    flat = {str(key): json.dumps(value) if not isinstance(value, str) else value for key, value in read.items()}
    for key, value in read.items():
        if isinstance(value, dict):
            flat.update({f"{key}.{inner}": str(one) for inner, one in value.items()})
    return flat


@contextmanager
def own_state() -> Iterator[None]:
    """Without what would keep a project's state anywhere but in the project."""
    said = {name: os.environ.pop(name) for name in _ELSEWHERE if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(said)

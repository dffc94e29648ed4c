"""The pytest plugin: fixtures that give tests a cluster, and the options of it. See docs/testing.md.

pytest imports this module in every run of an environment that has hashistack. So it imports nothing but pytest and the
table of options until a test asks for a cluster.
"""

from __future__ import annotations

import io
import json
import os
import secrets
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from hashistack.testing.options import OPTIONS, BadOption, Scope, Settings, settings

if TYPE_CHECKING:
    from hashistack.testing.clusters import Clusters
    from hashistack.testing.namespace import Namespace
    from hashistack.testing.running_cluster import RunningCluster

TTL: Final = "4h"
"""How long a cluster may stay unless HASHISTACK_TTL says it: longer than a run of tests, shorter than a night."""
FIXTURE: Final = "hashistack_cluster"


@dataclass(frozen=True)
class _Asked:
    """What a test's marker asks for. spec: as JSON, "" where it is the usual one. test: who has the cluster alone."""

    spec: str = ""
    test: str = ""


@dataclass
class _Run:
    """A run of pytest, as one of its processes sees it. ends: this one outlives the others, and removes clusters."""

    settings: Settings
    id: str
    worker: str
    ends: bool
    clusters: Clusters[RunningCluster] | None = None
    attached: RunningCluster | None = None


_RUN = pytest.StashKey[_Run]()
_TOLD = pytest.StashKey[list[str]]()
_LEFT = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("hashistack", "clusters of Nomad, Consul and Vault")
    for one in OPTIONS:
        more: dict[str, Any] = {"action": "store_true"} if one.kind == "bool" else {}
        if one.kind == "linelist":
            more = {"action": "append"}
        if one.choices:
            more = {"choices": one.choices}
        if one.metavar:
            more["metavar"] = one.metavar
        group.addoption(one.flag, dest=one.ini, default=None, help=one.help, **more)
        parser.addini(one.ini, one.help, type=one.kind)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "hashistack(spec=None, destructive=False): the cluster of this test has another specification; "
        "or the test has one alone, which it may harm",
    )
    try:
        found = settings(config.getoption, config.getini)
    except BadOption as error:
        raise pytest.UsageError(f"hashistack: {error}") from None
    worker: Mapping[str, Any] | None = getattr(config, "workerinput", None)
    config.stash[_RUN] = _Run(
        settings=found,
        id=worker["hashistack_run"] if worker else secrets.token_hex(4),
        worker=worker["workerid"] if worker else "main",
        ends=worker is None,
    )


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Of pytest-xdist, before it starts a worker."""
    node.workerinput["hashistack_run"] = node.config.stash[_RUN].id


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marker = metafunc.definition.get_closest_marker("hashistack")
    if not marker or FIXTURE not in metafunc.fixturenames:
        return
    if marker.args or (unknown := marker.kwargs.keys() - {"spec", "destructive"}):
        wrong = "positional arguments" if marker.args else ", ".join(sorted(unknown))
        pytest.fail(f"hashistack: the marker takes spec and destructive, not {wrong}", pytrace=False)
    spec = json.dumps(marker.kwargs["spec"], sort_keys=True) if marker.kwargs.get("spec") is not None else ""
    test = metafunc.definition.nodeid if marker.kwargs.get("destructive") else ""
    if spec or test:
        # As a parameter of the fixture: what depends on the cluster is set up anew with it.
        hidden = [getattr(pytest, "HIDDEN_PARAM", "hashistack")]  # pytest 8.4 shows no id for it
        metafunc.parametrize(FIXTURE, [_Asked(spec, test)], indirect=True, ids=hidden)


def _scope(fixture_name: str, config: pytest.Config) -> Scope:
    return config.stash[_RUN].settings.scope


@pytest.fixture(scope="session")
def hashistack_spec(pytestconfig: pytest.Config) -> Mapping[str, Any]:
    """The specification of the tests' cluster, as plain data. Override it in a conftest.py."""
    named = pytestconfig.stash[_RUN].settings.spec
    if not named:
        return {}
    import yaml

    file = pytestconfig.invocation_params.dir / named
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        pytest.fail(f"hashistack: --hashistack-spec {named}: {error}", pytrace=False)
    if not isinstance(found, dict):
        pytest.fail(f"hashistack: --hashistack-spec {named}: is no mapping", pytrace=False)
    return found


@pytest.fixture(scope=_scope)
def hashistack_cluster(request: pytest.FixtureRequest, hashistack_spec: Mapping[str, Any]) -> Iterator[RunningCluster]:
    """A secured cluster that is ready for jobs: one for all tests of a run, also of all xdist workers."""
    asked: _Asked = getattr(request, "param", None) or _Asked()
    run = request.config.stash[_RUN]
    if run.settings.attach:
        if asked.test or asked.spec:
            why = "has a cluster alone" if asked.test else "asks for a specification of its own"
            pytest.skip(f"this test {why}, and --hashistack-attach names a cluster that is there")
        yield _attached(run)
        return
    alone = asked.test or (request.node.nodeid if run.settings.scope != "session" else "")
    if alone or run.settings.per_worker:
        alone = f"{run.worker} {alone}"
    spec = json.loads(asked.spec) if asked.spec else hashistack_spec
    yield from _given(request, spec, alone, owned=bool(asked.test))


@pytest.fixture(scope="session")
def hashistack_factory(request: pytest.FixtureRequest) -> Iterator[Callable[..., RunningCluster]]:
    """Makes clusters of other specifications, which may be harmed; they go with the session."""
    given: list[Generator[RunningCluster]] = []

    def make(spec: Mapping[str, Any] | None = None) -> RunningCluster:
        """A cluster of this specification (plain data; else the reference cluster), for the caller alone."""
        run = request.config.stash[_RUN]
        given.append(_given(request, spec or {}, f"{run.worker} factory {len(given)}", owned=True))
        return next(given[-1])

    yield make
    for one in given:
        next(one, None)


@pytest.fixture
def hashistack_namespace(request: pytest.FixtureRequest, hashistack_cluster: RunningCluster) -> Iterator[Namespace]:
    """A Nomad namespace, a prefix of Consul's keys and a path of Vault's for one test, which is emptied at its end."""
    from hashistack.testing.namespace import Namespace

    with _told():
        made = Namespace.make(hashistack_cluster, "a test of pytest")
    yield made
    with _told():
        made.purge()


@pytest.fixture
def hashistack_env(hashistack_cluster: RunningCluster, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The variables by which nomad, consul and vault reach the cluster; set for as long as the test runs."""
    with _told():
        found = hashistack_cluster.environment
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return found


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    lines = item.config.stash[_RUN].settings.logs
    given = getattr(item, "funcargs", {}).get(FIXTURE)
    if report.failed and lines and given is not None:
        from hashistack.errors import HashistackError

        try:
            found = given.said(lines)
        except HashistackError as error:
            found = {"machines": str(error)}
        report.sections += [(f"{given.name}: {machine}", text) for machine, text in found.items()]
    return report


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """After all workers have ended: what the run made is removed, or kept if that is asked for."""
    run = session.config.stash[_RUN]
    if not run.ends or not (_root() / f"run-{run.id}").exists():
        return
    told: list[str] = []
    with redirect_stdout(io.StringIO()):  # a line for each cluster is enough
        left = _clusters(run).finish(bool(session.testsfailed), told.append)
    session.config.stash[_TOLD], session.config.stash[_LEFT] = told, left
    if left and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    told, left = config.stash.get(_TOLD, []), config.stash.get(_LEFT, [])
    if told or left:
        terminalreporter.section("hashistack")
    for line in told:
        terminalreporter.write_line(line)
    for line in left:
        terminalreporter.write_line(line, red=True)


def _given(
    request: pytest.FixtureRequest, spec: Mapping[str, Any], alone: str, *, owned: bool
) -> Generator[RunningCluster]:
    """A cluster until the generator goes on; one that is had alone is removed then."""
    run = request.config.stash[_RUN]
    with _told():
        clusters = _clusters(run)
        wanted = _with_versions(spec, run.settings.versions)
        if not clusters.has(wanted, alone):
            _say(request.config, "hashistack: a cluster comes up ...")
        key, made = clusters.get(wanted, alone, harm=owned)
    yield made
    if alone:
        made.close()
        with _told():
            clusters.end(key, bool(request.session.testsfailed))


def _say(config: pytest.Config, text: str) -> None:
    """A line on the terminal, at once; an xdist worker has none."""
    reporter, capture = map(config.pluginmanager.get_plugin, ("terminalreporter", "capturemanager"))
    if reporter and capture:
        with capture.global_and_fixture_disabled():
            reporter.write_line(text)


def _attached(run: _Run) -> RunningCluster:
    if run.attached is None:
        with _told():
            run.attached = _bring_up(run.settings).attach(run.settings.attach)
    return run.attached


def _clusters(run: _Run) -> Clusters[RunningCluster]:
    if run.clusters is None:
        from hashistack.testing.clusters import Clusters, Policy

        policy = Policy(run.settings.reuse, run.settings.keep)
        run.clusters = Clusters(_root(), run.id, run.worker, policy, _bring_up(run.settings))
    return run.clusters


def _bring_up(settings: Settings) -> Any:
    """What makes clusters; tests of this plugin put another in its place."""
    from hashistack.errors import HashistackError

    try:
        from hashistack.testing.bring_up import HostClusters
    except ModuleNotFoundError as missing:
        package = (missing.name or "").partition(".")[0]
        if package not in ("rich", "typer"):
            raise
        raise HashistackError(f"{package} is not installed", "pip install 'hashistack[local]'") from None
    return HostClusters(settings.timeout, os.environ.get("HASHISTACK_TTL") or TTL)


def _root() -> Path:
    """Where clusters of tests have their projects: with the keys of what they are, so nobody else may read it."""
    from hashistack.home import home

    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else home() / ".local/state") / "hashistack" / "pytest"


def _with_versions(spec: Mapping[str, Any], said: tuple[str, ...]) -> dict[str, Any]:
    from hashistack.errors import HashistackError

    versions: dict[str, str] = {}
    for word in said:
        product, sign, version = word.partition("=")
        if not sign or not version:
            raise HashistackError(f"--hashistack-version {word}: must be PRODUCT=VERSION", "for example nomad=1.11.3")
        versions[product] = version
    return {**spec, "versions": {**spec.get("versions", {}), **versions}} if versions else {**spec}


@contextmanager
def _told() -> Iterator[None]:
    """An error that a user can act upon is told as a text, without the way through this package."""
    from hashistack.errors import expected

    try:
        yield
    except Exception as error:
        if not (told := expected(error)):
            raise
        pytest.fail(f"hashistack: {told}", pytrace=False)

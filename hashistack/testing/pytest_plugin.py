"""The pytest plugin: fixtures that give tests a cluster, and the options of it. See docs/testing.md.

pytest imports this module in every run of an environment that has hashistack. So it imports nothing but pytest and the
table of options until a test asks for a cluster.
"""

from __future__ import annotations

import io
import json
import os
import secrets
import sys
from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, redirect_stdout
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pytest

from hashistack.testing.options import OPTIONS, BadOption, Scope, settings
from hashistack.testing.run import Run

if TYPE_CHECKING:
    from hashistack.testing.markers import Asked
    from hashistack.testing.namespace import Namespace
    from hashistack.testing.running_cluster import RunningCluster

FIXTURE: Final = "hashistack_cluster"
FACTORY: Final = "hashistack_factory"

_RUN = pytest.StashKey[Run]()
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
    config.stash[_RUN] = Run(
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
    if not (asked := _asked(metafunc.definition)):
        return
    if FIXTURE in metafunc.fixturenames:
        # As a parameter of the fixture: what depends on the cluster is set up anew with it.
        hidden = [getattr(pytest, "HIDDEN_PARAM", "hashistack")]  # pytest 8.4 shows no id for it
        metafunc.parametrize(FIXTURE, [asked], indirect=True, ids=hidden)
    elif any(mark.name == "hashistack" for mark in metafunc.definition.own_markers):
        pytest.fail(f"hashistack: the marker is for a test that has {FIXTURE} as an argument", pytrace=False)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Each variant of a test that harms its cluster has its own."""
    if FIXTURE not in getattr(item, "fixturenames", ()) or not (asked := _asked(item)):
        return
    params = item.callspec.params if hasattr(item, "callspec") else {}
    if FIXTURE not in params:
        pytest.fail("hashistack: the marker is for a test, not for one of its parameters", pytrace=False)
    params[FIXTURE] = asked


def _asked(item: pytest.Item) -> Asked | None:
    """What the test's markers ask for, None where that is the usual cluster."""
    if not item.get_closest_marker("hashistack"):
        return None
    from hashistack.testing.markers import Asked, BadMarker, asked

    try:
        found = asked(item.iter_markers("hashistack"), item.nodeid)
    except BadMarker as error:
        pytest.fail(f"hashistack: {error}", pytrace=False)
    return found if found != Asked() else None


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
    asked: Asked | None = getattr(request, "param", None)
    run = request.config.stash[_RUN]
    if run.settings.attach:
        if asked:
            why = "has a cluster alone" if asked.test else "asks for a specification of its own"
            pytest.skip(f"this test {why}, and --hashistack-attach names a cluster that is there")
        with _told():
            made = run.attached()
        _hide_all(request.config, made)
        yield made
        return
    test = asked.test if asked else ""
    alone = test or (request.node.nodeid if run.settings.scope != "session" else "")
    if alone or run.settings.per_worker:
        alone = f"{run.worker} {alone}"
    spec = json.loads(asked.spec) if asked and asked.spec else hashistack_spec
    with _given(request, spec, alone, owned=bool(test)) as made:
        yield made


@pytest.fixture(scope="session")
def hashistack_factory(request: pytest.FixtureRequest) -> Iterator[Callable[..., RunningCluster]]:
    """Makes clusters of other specifications, which may be harmed; they go with the session."""
    run, number = request.config.stash[_RUN], 0

    def make(spec: Mapping[str, Any] | None = None) -> RunningCluster:
        """A cluster of this specification (plain data; else the reference cluster), for the caller alone."""
        nonlocal number
        alone, number = f"{run.worker} factory {number}", number + 1
        run.by_factory.append(given.enter_context(_given(request, spec or {}, alone, owned=True)))
        return run.by_factory[-1]

    with ExitStack() as given:
        yield make
        run.by_factory.clear()


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
        found = hashistack_cluster.environment  # shown without its secrets, as each argument of a test that fails
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return found


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    run, given = item.config.stash[_RUN], getattr(item, "funcargs", {})
    if report.failed and run.settings.logs:
        clusters = [given[FIXTURE]] if FIXTURE in given else []
        for one in [*clusters, *(run.by_factory if FACTORY in given else ())]:
            found = _evidence(one, run.settings.logs)
            report.sections += [(f"{one.name}: {machine}", text) for machine, text in found.items()]
    return report


def _evidence(cluster: RunningCluster, lines: int) -> Mapping[str, str]:
    from hashistack.errors import told

    try:
        return cluster.said(lines)
    except Exception as error:  # the test's own failure is what the user must see
        return {"machines": told(error)}


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """After all workers have ended: what the run made is removed, or kept if that is asked for."""
    run = session.config.stash[_RUN]
    if not run.ends or not run.began:
        return
    lines: list[str] = []
    try:
        with redirect_stdout(io.StringIO()):  # a line for each cluster is enough
            left = run.clusters.finish(bool(session.testsfailed), lines.append)
    except Exception as error:  # the other plugins' ends, and the summary, still come
        from hashistack.errors import told

        left = [f"the run's end failed: {told(error)}\nNext: hashistack list, and hashistack down what is left"]
    session.config.stash[_TOLD], session.config.stash[_LEFT] = lines, left
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


@contextmanager
def _given(
    request: pytest.FixtureRequest, spec: Mapping[str, Any], alone: str, *, owned: bool
) -> Iterator[RunningCluster]:
    """A cluster; one that is had alone is removed at the end."""
    run = request.config.stash[_RUN]
    with _told():
        clusters, wanted = run.clusters, run.wanted(spec)
        if not clusters.has(wanted, alone):
            _say(request.config, "hashistack: a cluster comes up ...")
        key, made = clusters.get(wanted, alone, harm=owned)
    _hide_all(request.config, made)
    try:
        yield made
    finally:
        if alone:
            made.close()
            with _told():
                clusters.end(key, bool(request.session.testsfailed))


def _say(config: pytest.Config, text: str) -> None:
    """A line on the terminal, at once; an xdist worker has none."""
    if reporter := config.pluginmanager.get_plugin("terminalreporter"):
        with _uncaptured(config):
            reporter.write_line(text)


def _hide_all(config: pytest.Config, cluster: RunningCluster) -> None:
    """A log of GitHub shows none of the cluster's secrets, nor those that it gives out later."""
    if os.environ.get("GITHUB_ACTIONS") == "true":
        cluster.hide = partial(_hide, config)
        cluster.hide(cluster.connection.secrets)


def _hide(config: pytest.Config, values: Collection[str]) -> None:
    from hashistack.testing.environment import masks

    with _uncaptured(config):  # on what an xdist worker shares with the job, too
        print(*masks(values), sep="\n", file=sys.stderr, flush=True)


def _uncaptured(config: pytest.Config) -> AbstractContextManager[None]:
    capture = config.pluginmanager.get_plugin("capturemanager")
    found: AbstractContextManager[None] = capture.global_and_fixture_disabled() if capture else nullcontext()
    return found


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

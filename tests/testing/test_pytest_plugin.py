"""The pytest plugin in real runs of pytest, alone and under pytest-xdist; what brings clusters up is a fake."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from hashistack.testing import run
from hashistack.testing.options import OPTIONS, BadOption, Settings, settings

pytest_plugins = "pytester"

CHECKOUT = Path(__file__).parents[2]
PLUGIN = "hashistack.testing.pytest_plugin"

CONFTEST = '''
import json, os, time
from pathlib import Path
from types import SimpleNamespace
from hashistack.errors import HashistackError
from hashistack.testing import run
from hashistack.testing.environment import Variables

HERE = Path(__file__).parent

def note(*what):
    with (HERE / "log").open("a") as log:
        log.write(json.dumps(what) + "\\n")

class Cluster:
    def __init__(self, name, harm):
        self.name, self.harm = name, harm
        key = "-----BEGIN X-----\\nkey-line-1\\n-----END X-----\\n"
        self.connection = SimpleNamespace(secrets=("nomad-secret", key))
        self.hide = lambda secrets: None
    @property
    def environment(self):
        tokens = {"NOMAD_TOKEN": "nomad-secret", "VAULT_TOKEN": "vault-secret"}
        found = Variables({"NOMAD_ADDR": "https://127.0.0.1:1", **tokens})
        self.hide(found.secrets)
        return found
    def said(self, lines):
        if (HERE / "broken").exists():
            raise TypeError("a fault of ours")
        return {"server-1 (running)": "\\n".join(["nomad.log: no place"] * lines)}
    def close(self):
        pass

class Fake:
    """A cluster is a file `cluster` in its project."""
    def make(self, place, spec, *, keep_on_failure, harm):
        note("make", place.name, spec, os.getpid())
        if (HERE / "hangs").exists():
            (HERE / "hangs").unlink()
            (HERE / "hanging").write_text(str(os.getpid()))
            time.sleep(600)
        if (HERE / "fails").exists():
            raise HashistackError("Docker does not answer\\nits last words", "start Docker")
        (place / "cluster").write_text("up")
        return Cluster(f"pytest-{place.name}", harm)
    def find(self, place, *, harm):
        note("find", place.name)
        well = (place / "cluster").exists() and (place / "cluster").read_text() == "up"
        return Cluster(f"pytest-{place.name}", harm) if well else None
    def destroy(self, place):
        note("destroy", place.name)
        print("the engine's own lines")
        if (HERE / "sticks").exists():
            raise HashistackError("a volume is left", "docker volume rm it")
        if (HERE / "full").exists():
            raise OSError(28, "No space left on device", str(place))
        (place / "cluster").unlink(missing_ok=True)
    def expires(self):
        return "2199-01-01T00:00:00+00:00"
    def name(self, made):
        return made.name
    def attach(self, named):
        note("attach", named)
        return Cluster(named, False)

run.bring_up = lambda settings: Fake()
'''
USES = """
import pytest
@pytest.mark.parametrize("n", range({tests}))
def test_it(hashistack_cluster, n):
    assert hashistack_cluster.name
"""


class Suite:
    """A directory with tests, which is run by pytest: in this process, or in others where that matters."""

    def __init__(self, pytester: pytest.Pytester, state: Path) -> None:
        self.pytester, self.state = pytester, state
        self.path = pytester.path

    plain = ("-p", "xdist", "-p", PLUGIN, "-p", "no:cacheprovider")

    def run(self, *arguments: str) -> pytest.RunResult:
        if "-n" in arguments:
            return self.run_apart(*arguments)
        return self.pytester.runpytest_inprocess(*self.plain, *arguments)

    def run_apart(self, *arguments: str) -> pytest.RunResult:
        """In a process of its own."""
        return self.pytester.runpytest_subprocess(*self.plain, *arguments, timeout=120)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Goes on by itself; what it says is nobody's."""
        command = [sys.executable, "-m", "pytest", *self.plain, *arguments]
        return subprocess.Popen(command, cwd=self.path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def said(self, verb: str) -> list[list[Any]]:
        """What the fake was asked."""
        log = self.path / "log"
        lines = map(json.loads, log.read_text().splitlines()) if log.exists() else ()
        return [line for line in lines if line[0] == verb]

    def counts(self) -> tuple[int, int]:
        """How many clusters were made, and removed."""
        return len(self.said("make")), len(self.said("destroy"))

    def left(self) -> list[str]:
        """What is in the place for projects, but for locks that are for all runs."""
        found = self.state.rglob("*")
        return sorted(str(one.relative_to(self.state)) for one in found if one.suffix not in (".lock", ".users"))


@pytest.fixture
def tests(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Suite:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in [name for name in os.environ if name.startswith(("PYTEST_XDIST", "HASHISTACK_", "PYTEST_ADDOPTS"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # those of this environment cost more than the runs
    monkeypatch.setattr(run, "bring_up", run.bring_up)  # the suite's conftest.py puts a fake there
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(USES.format(tests=4))
    return Suite(pytester, tmp_path / "state" / "hashistack" / "pytest")


def until(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + 60
    while not (seen := condition()):
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
    return seen


def test_it_is_an_entry_point() -> None:
    declared = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]
    assert declared == {"hashistack": PLUGIN}
    assert import_module(declared["hashistack"]).pytest_addoption


def test_who_uses_no_fixture_loads_nothing(tests: Suite) -> None:
    """Neither an SDK nor another module of ours: pytest loads the plugin wherever hashistack is installed."""
    (tests.path / "conftest.py").unlink()
    tests.pytester.makepyfile(
        """
        import sys
        def test_it():
            ours = {name for name in sys.modules if name.partition(".")[0] == "hashistack"}
            print("OURS", *sorted(ours))
            heavy = {"pulumi", "pydantic", "httpx", "yaml", "rich", "typer", "docker"}
            print("HEAVY", *sorted(heavy & set(sys.modules)))
        """
    )
    done = tests.run_apart("-s")
    done.assert_outcomes(passed=1)
    done.stdout.re_match_lines([r".*HEAVY$"])
    testing = ("hashistack.testing", "hashistack.testing.options", "hashistack.testing.run", PLUGIN)
    ours = {"hashistack", "hashistack.errors", "hashistack.lazy", *testing}
    (line,) = [line for line in done.outlines if "OURS" in line]
    assert set(line.partition("OURS")[2].split()) == ours
    assert not tests.state.exists()
    assert "hashistack" not in done.outlines[-1]


def test_who_installed_no_extra_is_told_which(tests: Suite) -> None:
    tests.pytester.makeconftest("import sys\nsys.modules['rich'] = None\n")
    done = tests.run_apart("-k", "0")
    done.assert_outcomes(errors=1, deselected=3)
    done.stdout.re_match_lines([r"hashistack: rich is not installed. Next: pip install 'hashistack\[local\]'"])
    assert "Traceback" not in done.stdout.str()


def test_one_cluster_serves_all_tests_and_is_gone_at_the_end(tests: Suite) -> None:
    done = tests.run()
    done.assert_outcomes(passed=4)
    assert tests.counts() == (1, 1)
    assert "the engine's own lines" not in done.stdout.str()
    assert tests.said("make")[0][2] == {}
    done.stdout.re_match_lines(
        [
            "hashistack: a cluster comes up ...",
            r"=+ hashistack =+",
            r"pytest-\w+: made in \d+\.\d s, removed in \d+\.\d s",
        ]
    )
    assert tests.left() == []
    assert tests.state.stat().st_mode & 0o077 == 0


def test_one_cluster_serves_all_workers(tests: Suite) -> None:
    tests.pytester.makepyfile(USES.format(tests=12))
    done = tests.run("-n", "3")
    done.assert_outcomes(passed=12)
    assert tests.counts() == (1, 1)
    assert len(tests.said("find")) == 2  # the two who waited
    done.stdout.re_match_lines([r"pytest-\w+: made in .*, removed in .*"])
    assert tests.left() == []


def test_two_runs_at_once_have_two_clusters(tests: Suite) -> None:
    runs = [tests.start("-n", "2") for _ in range(2)]
    assert [run.wait(60) for run in runs] == [0, 0]
    assert tests.counts() == (2, 2)
    assert tests.left() == []


def of_worker(error: str) -> str:
    found = re.search(r"^\[(gw\d)\]", error, re.M)
    assert found, error
    return found[1]


def test_a_failed_create_is_told_once_and_tried_once(tests: Suite) -> None:
    (tests.path / "fails").touch()
    tests.pytester.makepyfile(USES.format(tests=6))
    done = tests.run("-n", "3")
    done.assert_outcomes(errors=6)
    assert tests.counts() == (1, 1)
    text = done.stdout.str()
    errors = text.partition("short test summary info")[0].split("ERROR at setup of")[1:]
    whole = {of_worker(error) for error in errors if "its last words" in error}
    assert len(whole) == 1
    others = [error for error in errors if of_worker(error) not in whole]
    assert others
    for error in others:
        assert f"as {min(whole)} tells: Docker does not answer" in error
    assert "Traceback" not in text
    assert "pytest_plugin.py" not in text
    assert tests.left() == []


def test_what_stays_is_what_was_asked_for(tests: Suite) -> None:
    tests.pytester.makepyfile("import os\ndef test_it(hashistack_cluster):\n    assert not os.environ.get('FAIL')\n")
    tests.run("--hashistack-keep", "failed").assert_outcomes(passed=1)
    assert (tests.counts(), tests.left()) == ((1, 1), [])
    done = tests.run("--hashistack-keep", "always")
    assert tests.counts() == (2, 1)
    (told,) = [line for line in done.outlines if "kept" in line]
    (place,) = re.findall(r"hashistack down -C (\S+) --yes", told)
    assert (Path(place) / "cluster").read_text() == "up"
    assert f"hashistack status -C {place}," in told
    tests.pytester.makeini("[pytest]\nhashistack_keep = failed\n")
    tests.pytester._monkeypatch.setenv("FAIL", "1")
    tests.run().assert_outcomes(failed=1)
    assert tests.counts() == (3, 1)
    tests.run("--hashistack-keep", "never").assert_outcomes(failed=1)  # the command line wins
    assert tests.counts() == (4, 2)


def test_a_kept_cluster_is_found_again_by_its_specification(tests: Suite) -> None:
    def run(*arguments: str) -> str:
        done = tests.run("--hashistack-reuse", *arguments)
        done.assert_outcomes(passed=4)
        return done.stdout.str()

    assert re.search(r"made in .*, kept\. Next: hashistack status -C \S+reuse-\w+,", run())
    assert "reused in" in run("-n", "2")
    assert tests.counts() == (1, 0)
    (tests.path / "other.yaml").write_text("servers: {count: 5}\n")
    assert "made in" in run("--hashistack-spec", "other.yaml")
    assert "made in" in run("--hashistack-version", "nomad=1.11.3")
    assert [made[2] for made in tests.said("make")[1:]] == [
        {"servers": {"count": 5}},
        {"versions": {"nomad": "1.11.3"}},
    ]
    assert "removed in" in run("--hashistack-keep", "never")
    assert tests.counts() == (3, 1)


def test_what_one_test_had_alone_is_not_for_reuse(tests: Suite) -> None:
    tests.pytester.makepyfile(MARKED)
    tests.run("--hashistack-reuse", "-k", "harm").assert_outcomes(passed=1, deselected=4)
    assert tests.counts() == (1, 1)
    tests.run("--hashistack-keep", "always", "-k", "harm").assert_outcomes(passed=1, deselected=4)
    assert tests.counts() == (2, 1)


def test_what_did_not_come_up_stays_only_to_be_looked_at(tests: Suite) -> None:
    (tests.path / "fails").touch()
    tests.run("--hashistack-reuse").assert_outcomes(errors=4)
    assert (tests.counts(), tests.left()) == ((1, 1), [])
    tests.run("--hashistack-keep", "failed").assert_outcomes(errors=4)
    assert tests.counts() == (2, 1)


def test_a_kept_cluster_that_is_not_well_is_repaired(tests: Suite) -> None:
    tests.run("--hashistack-reuse").assert_outcomes(passed=4)
    (cluster,) = tests.state.rglob("cluster")
    cluster.write_text("stopped")
    done = tests.run("--hashistack-reuse")
    done.assert_outcomes(passed=4)
    assert tests.counts() == (2, 0)
    assert cluster.read_text() == "up"


def test_a_kept_cluster_whose_time_is_over_is_made_anew(tests: Suite) -> None:
    tests.run("--hashistack-reuse").assert_outcomes(passed=4)
    (record,) = tests.state.rglob("pytest.json")
    record.write_text(json.dumps({**json.loads(record.read_text()), "expires": "2001-01-01T00:00:00+00:00"}))
    tests.run("--hashistack-reuse").assert_outcomes(passed=4)
    assert tests.counts() == (2, 1)


def test_what_another_run_uses_stays(tests: Suite) -> None:
    tests.pytester.makepyfile(
        test_long="import time\nfrom pathlib import Path\n"
        "def test_it(hashistack_cluster):\n"
        "    Path('running').touch()\n"
        "    while not Path('end').exists(): time.sleep(0.05)\n",
        test_short="def test_it(hashistack_cluster): pass\n",
    )
    never = ("--hashistack-reuse", "--hashistack-keep", "never")
    with tests.start(*never, "test_long.py") as long:
        until((tests.path / "running").exists, "the long test runs")
        done = tests.run(*never, "test_short.py")
        done.stdout.re_match_lines([r".*reused in .*, which another run uses, and removes"])
        assert tests.counts() == (1, 0)
        (tests.path / "end").touch()
        assert long.wait(60) == 0
    assert tests.counts() == (1, 1)


def test_a_worker_that_is_killed_leaves_its_place_to_another(tests: Suite) -> None:
    tests.pytester.makepyfile(
        """
        import os, signal, pytest
        @pytest.mark.parametrize("n", range(6))
        def test_it(hashistack_cluster, n):
            if n == 3:
                os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    done = tests.run("-n", "2")
    done.assert_outcomes(passed=5, failed=1)
    assert tests.counts() == (1, 1)
    assert tests.left() == []


def test_a_worker_that_is_killed_while_it_makes_the_cluster_loses_nothing(tests: Suite) -> None:
    (tests.path / "hangs").touch()
    with tests.start("-n", "2") as run:
        os.kill(int(until(lambda: hanging(tests), "a worker makes a cluster")), signal.SIGKILL)
        run.wait(60)
    assert tests.counts() == (2, 1)
    assert tests.left() == []


def hanging(tests: Suite) -> str:
    file = tests.path / "hanging"
    return file.read_text() if file.exists() else ""


def test_what_a_killed_run_leaves_goes_when_its_time_is_over(tests: Suite) -> None:
    """Until then the cluster may be looked at; `hashistack gc` goes by the same time."""
    tests.pytester.makepyfile(
        test_dies="import os, signal\ndef test_it(hashistack_cluster): os.kill(os.getpid(), signal.SIGKILL)\n",
        test_lives="def test_it(hashistack_cluster): pass\n",
    )
    assert tests.start("test_dies.py").wait(60) == -signal.SIGKILL
    tests.run("test_lives.py").assert_outcomes(passed=1)
    assert tests.counts() == (2, 1)
    (record,) = tests.state.rglob("pytest.json")
    record.write_text(json.dumps({**json.loads(record.read_text()), "expires": "2001-01-01T00:00:00+00:00"}))
    done = tests.run("test_lives.py")
    assert tests.counts() == (3, 3)
    done.stdout.re_match_lines([rf"removed {re.escape(str(record.parent))}, whose time was over"])
    assert tests.left() == []


def test_ctrl_c_removes_what_was_begun(tests: Suite) -> None:
    (tests.path / "hangs").touch()
    with tests.start() as run:
        os.kill(int(until(lambda: hanging(tests), "the run makes a cluster")), signal.SIGINT)
        assert run.wait(60) == pytest.ExitCode.INTERRUPTED
    assert (tests.counts(), tests.left()) == ((1, 1), [])


def test_what_can_not_be_removed_fails_the_run(tests: Suite) -> None:
    (tests.path / "sticks").touch()
    done = tests.run()
    done.assert_outcomes(passed=4)
    assert done.ret == 1
    done.stdout.re_match_lines(
        [r"pytest-\w+ is left: a volume is left. Next: docker volume rm it", r"Next: hashistack down -C \S+ --yes"]
    )


MARKED = """
import pytest
def test_usual(hashistack_cluster): print("IS", hashistack_cluster.name, hashistack_cluster.harm)
@pytest.mark.hashistack(spec={"servers": {"count": 5}})
def test_other(hashistack_cluster): print("IS", hashistack_cluster.name, hashistack_cluster.harm)
@pytest.mark.hashistack(spec={"servers": {"count": 5}})
def test_other_too(hashistack_cluster): print("IS", hashistack_cluster.name, hashistack_cluster.harm)
@pytest.mark.hashistack(destructive=True)
def test_harm(hashistack_cluster): print("IS", hashistack_cluster.name, hashistack_cluster.harm)
def test_usual_again(hashistack_cluster): print("IS", hashistack_cluster.name, hashistack_cluster.harm)
"""


def test_a_marker_gives_a_test_another_cluster(tests: Suite) -> None:
    tests.pytester.makepyfile(MARKED)
    done = tests.run("-s", "-v")
    done.assert_outcomes(passed=5)
    found = re.findall(r"IS (\S+) (True|False)", done.stdout.str())
    assert len(set(found)) == 3
    assert sorted(made[2] == {} for made in tests.said("make")) == [False, True, True]
    assert [harm for _, harm in found].count("True") == 1
    assert tests.counts() == (3, 3)
    assert re.search(r"::test_other PASSED|::test_other ", done.stdout.str())  # the marker is no part of a test's name
    assert tests.left() == []


VARIANTS = """
import pytest
@pytest.fixture(scope="session")
def of_session(hashistack_cluster): return hashistack_cluster
@pytest.mark.hashistack(spec={"servers": {"count": 5}})
class TestAll:
    @pytest.mark.hashistack(destructive=True)
    @pytest.mark.parametrize("n", range(3))
    def test_harm(self, of_session, n): print("IS", of_session.name, of_session.harm)
    @pytest.mark.parametrize("n", range(3))
    def test_share(self, hashistack_cluster, n): print("IS", hashistack_cluster.name, hashistack_cluster.harm)
"""


def test_each_variant_of_a_destructive_test_has_its_own_cluster(tests: Suite) -> None:
    """Of the specification that its class says."""
    tests.pytester.makepyfile(VARIANTS)
    done = tests.run("-s", "-v", "-p", "no:randomly")
    done.assert_outcomes(passed=6)
    found = re.findall(r"IS (\S+) (True|False)", done.stdout.str())
    assert len({name for name, harm in found if harm == "True"}) == 3
    assert len({name for name, harm in found if harm == "False"}) == 1
    assert [made[2] for made in tests.said("make")] == [{"servers": {"count": 5}}] * 4
    assert "::test_harm[0]" in done.stdout.str()
    assert (tests.counts(), tests.left()) == ((4, 4), [])


@pytest.mark.parametrize(
    ("test", "told"),
    [
        (
            "@pytest.mark.hashistack(destructive=True)\ndef test_it(request):\n"
            "    request.getfixturevalue('hashistack_cluster')\n",
            "the marker is for a test that has hashistack_cluster as an argument",
        ),
        (
            "@pytest.mark.parametrize('n', [pytest.param(1, marks=pytest.mark.hashistack(destructive=True))])\n"
            "def test_it(hashistack_cluster, n): pass\n",
            "the marker is for a test, not for one of its parameters",
        ),
    ],
)
def test_a_marker_that_would_be_passed_over_is_told(test: str, told: str, tests: Suite) -> None:
    tests.pytester.makepyfile(f"import pytest\n{test}")
    done = tests.run()
    assert done.ret != 0
    assert f"hashistack: {told}" in done.stdout.str()
    assert tests.counts() == (0, 0)


def test_a_destructive_test_has_its_cluster_for_its_own_time(tests: Suite) -> None:
    tests.pytester.makepyfile(MARKED)
    tests.run("-k", "harm or usual", "-p", "no:randomly").assert_outcomes(passed=3, deselected=2)
    order = [(verb, place) for verb, place, *_ in map(json.loads, (tests.path / "log").read_text().splitlines())]
    alone = {place for verb, place in order if "-" in place}
    assert len(alone) == 1
    assert order.index(("destroy", *alone)) < len(order) - 1


def test_a_wrong_marker_is_told(tests: Suite) -> None:
    tests.pytester.makepyfile(
        "import pytest\n@pytest.mark.hashistack(specs={})\ndef test_it(hashistack_cluster): pass\n"
    )
    done = tests.run()
    assert done.ret == 2
    done.stdout.re_match_lines([r".*the marker takes spec and destructive, not specs"])


def test_a_scope_gives_each_module_a_cluster(tests: Suite) -> None:
    tests.pytester.makepyfile(test_a=USES.format(tests=2), test_b=USES.format(tests=2))
    tests.run("--hashistack-scope", "module", "test_a.py", "test_b.py").assert_outcomes(passed=4)
    assert tests.counts() == (2, 2)
    order = [verb for verb, *_ in map(json.loads, (tests.path / "log").read_text().splitlines())]
    assert order == ["make", "destroy"] * 2


def test_each_worker_has_a_cluster_where_that_is_asked_for(tests: Suite) -> None:
    tests.run("-n", "2", "--hashistack-per-worker").assert_outcomes(passed=4)
    assert tests.counts() == (2, 2)
    assert tests.left() == []


def test_a_factory_makes_as_many_as_it_is_asked_for(tests: Suite) -> None:
    tests.pytester.makepyfile(
        """
        def test_it(hashistack_factory):
            first, second = hashistack_factory(), hashistack_factory({"datacenter": "berlin"})
            assert first.name != second.name and first.harm and second.harm
        """
    )
    tests.run("-n", "1").assert_outcomes(passed=1)
    assert [made[2] for made in tests.said("make")] == [{}, {"datacenter": "berlin"}]
    assert (tests.counts(), tests.left()) == ((2, 2), [])


def test_the_specification_can_be_overridden(tests: Suite) -> None:
    tests.pytester.makepyfile(
        """
        import pytest
        @pytest.fixture(scope="session")
        def hashistack_spec():
            return {"datacenter": "berlin", "versions": {"consul": "1.22.3"}}
        def test_it(hashistack_cluster): pass
        """
    )
    tests.run("--hashistack-version", "nomad=1.11.3").assert_outcomes(passed=1)
    versions = {"consul": "1.22.3", "nomad": "1.11.3"}
    assert tests.said("make")[0][2] == {"datacenter": "berlin", "versions": versions}


def test_a_cluster_that_is_there_is_used_and_never_harmed(tests: Suite) -> None:
    tests.pytester.makepyfile(MARKED)
    done = tests.run("-s", "-rs", "--hashistack-attach", "prod-1a2b")
    done.assert_outcomes(passed=2, skipped=3)
    assert set(re.findall(r"IS (\S+) (True|False)", done.stdout.str())) == {("prod-1a2b", "False")}
    done.stdout.re_match_lines([r".*asks for a specification of its own, and --hashistack-attach"])
    assert tests.counts() == (0, 0)
    assert not tests.state.exists()


def test_a_failure_shows_what_the_machines_say(tests: Suite) -> None:
    tests.pytester.makepyfile("def test_it(hashistack_cluster): assert False\n")
    done = tests.run("-n", "1", "--hashistack-logs", "2")
    done.stdout.re_match_lines(
        [r"-+ pytest-\w+: server-1 \(running\) -+", "nomad.log: no place", "nomad.log: no place"]
    )
    assert done.stdout.str().count("nomad.log: no place") == 2
    assert "server-1" not in tests.run("--hashistack-logs", "0").stdout.str()


FAILS = """
def test_it(hashistack_env):
    token = hashistack_env["NOMAD_TOKEN"]
    everything = {**hashistack_env, "more": ""}
    assert (hashistack_env["NOMAD_ADDR"], str(token)[:5]) == ("https://127.0.0.1:1", "nomad")
    used(hashistack_env, everything, token, [hashistack_env])
def used(*given):
    assert "NOPE" in given[0]
"""
SECRETS = ("nomad-secret", "vault-secret", "key-line-1")


@pytest.mark.parametrize("arguments", [(), ("-l", "-vv")], ids=" ".join)
def test_a_failure_shows_no_secret_of_the_environment(arguments: tuple[str, ...], tests: Suite) -> None:
    tests.pytester.makepyfile(FAILS)
    done = tests.run(*arguments)
    done.assert_outcomes(failed=1)
    text = done.stdout.str() + done.stderr.str()
    assert "hashistack_env = <variables NOMAD_ADDR, NOMAD_TOKEN, VAULT_TOKEN>" in text
    assert "'NOPE' in <variables" in text
    assert not [secret for secret in SECRETS if secret in text]


@pytest.mark.parametrize("arguments", [(), ("-n", "1"), ("--hashistack-attach", "prod")], ids=" ".join)
def test_github_is_told_each_secret_before_a_test_runs(arguments: tuple[str, ...], tests: Suite) -> None:
    tests.pytester.makepyfile("def test_it(hashistack_env): pass\n")
    tests.pytester._monkeypatch.setenv("GITHUB_ACTIONS", "true")
    done = tests.run_apart(*arguments)
    done.assert_outcomes(passed=1)
    assert {f"::add-mask::{secret}" for secret in SECRETS} <= set(done.errlines)
    assert "BEGIN" not in done.stderr.str()


def test_a_failure_shows_the_machines_of_a_factorys_clusters(tests: Suite) -> None:
    tests.pytester.makepyfile(
        """
        import pytest
        @pytest.fixture
        def mine(hashistack_factory): return hashistack_factory()
        def test_it(mine): assert False
        def test_other(): assert False
        """
    )
    done = tests.run("--hashistack-logs", "1")
    done.assert_outcomes(failed=2)
    assert done.stdout.str().count("nomad.log: no place") == 1


def test_a_report_that_can_not_be_had_hides_no_failure(tests: Suite) -> None:
    (tests.path / "broken").touch()
    tests.pytester.makepyfile("def test_it(hashistack_cluster): assert 'its own' == ''\n")
    done = tests.run()
    done.assert_outcomes(failed=1)
    assert done.ret == 1
    done.stdout.re_match_lines([".*assert 'its own' == ''", "TypeError: a fault of ours"])


def test_a_full_disk_at_the_end_is_told_in_the_summary(tests: Suite) -> None:
    (tests.path / "full").touch()
    done = tests.run()
    done.assert_outcomes(passed=4)
    assert done.ret == 1
    done.stdout.re_match_lines([r"pytest-\w+ is left: .*No space left on device. Next: make room there"])
    assert "INTERNALERROR" not in done.stdout.str()


def test_a_wrong_option_is_told_at_once(tests: Suite) -> None:
    tests.pytester.makeini("[pytest]\nhashistack_keep = sometimes\nhashistack_timeout = soon\n")
    done = tests.run()
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    assert (
        "hashistack_keep 'sometimes' is none of never, failed, always; "
        "hashistack_timeout 'soon' is no number from 1 on" in done.stderr.str()
    )
    assert not tests.state.exists()


def read(line: Mapping[str, Any], file: Mapping[str, Any] = {}) -> Settings:
    return settings(lambda name: line.get(name), lambda name: file.get(name))


def test_options_are_read_from_the_line_before_the_file() -> None:
    assert read({}) == Settings()
    file = {"hashistack_keep": "failed", "hashistack_timeout": "60", "hashistack_version": ["nomad=1.11.3"]}
    assert read({}, file) == Settings(keep="failed", timeout=60, versions=("nomad=1.11.3",))
    assert read({"hashistack_keep": "always"}, file).keep == "always"
    assert read({"hashistack_reuse": True}) == Settings(reuse=True)
    assert read({"hashistack_logs": "0"}).logs == 0
    assert read({}, {"hashistack_attach": "", "hashistack_version": []}) == Settings()  # as pytest has what is not said
    assert replace(read({"hashistack_scope": "module"}), scope="session") == Settings()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ({"hashistack_attach": "x", "hashistack_reuse": True}, "attach names a cluster that is there: leave out reuse"),
        ({"hashistack_reuse": True, "hashistack_per_worker": True}, "leave out per-worker"),
        ({"hashistack_logs": "-1"}, "hashistack_logs '-1' is no number from 0 on"),
        ({"hashistack_attach": ""}, "--hashistack-attach is empty: DIR|CLUSTER, or leave it out"),
        ({"hashistack_spec": ""}, "--hashistack-spec is empty: FILE, or leave it out"),
        ({"hashistack_timeout": "inf"}, "hashistack_timeout 'inf' is no number"),
    ],
)
def test_options_that_can_not_be_are_refused(line: dict[str, Any], told: str) -> None:
    with pytest.raises(BadOption, match=re.escape(told)):
        read(line)


def test_the_documentation_has_every_option() -> None:
    text = (CHECKOUT / "docs/testing.md").read_text()
    rows = [f"| `{one.shown.replace('|', chr(92) + '|')}` | {one.help} |" for one in OPTIONS]
    assert [line for line in text.splitlines() if line.startswith("| `--hashistack-")] == rows

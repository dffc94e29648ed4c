"""Who makes a cluster and who removes it, in one process; what brings clusters up is a file in their project."""

from __future__ import annotations

import errno
import json
import os
import re
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from hashistack.testing.clusters import Clusters, Policy
from hashistack.testing.locks import claimed, shared

SPEC = {"name": "shop"}
OVER = "2001-01-01T00:00:00+00:00"


class Files:
    """A cluster is a file `cluster` in its project."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.expiry = "2199-01-01T00:00:00+00:00"
        self.while_destroying: Callable[[Path], None] = lambda place: None

    def make(self, place: Path, spec: Mapping[str, Any], *, keep_on_failure: bool, harm: bool) -> str:
        self.asked.append("make")
        (place / "cluster").touch()
        return "shop-1a2b"

    def find(self, place: Path, *, harm: bool) -> str | None:
        self.asked.append("find")
        return "shop-1a2b" if (place / "cluster").exists() else None

    def destroy(self, place: Path) -> None:
        self.asked.append("destroy")
        self.while_destroying(place)
        (place / "cluster").unlink()

    def expires(self) -> str:
        return self.expiry

    def name(self, made: str) -> str:
        return made


@pytest.fixture
def files() -> Files:
    return Files()


@pytest.fixture
def run(tmp_path: Path, files: Files) -> Callable[..., Clusters[str]]:
    def made(id: str, **policy: Any) -> Clusters[str]:
        return Clusters(tmp_path / "root", id, "main", Policy(**policy), files)

    return made


def left(clusters: Clusters[str]) -> list[str]:
    return sorted(str(file.relative_to(clusters.root)) for file in clusters.root.rglob("*"))


def test_a_key_that_comes_back_begins_anew(run: Callable[..., Clusters[str]], files: Files) -> None:
    """As with a cluster for each module, of which every second has another specification."""
    clusters = run("1")
    key, _ = clusters.get(SPEC, "a module")
    clusters.end(key, failed=False)
    clusters.get(SPEC, "a module")
    said: list[str] = []
    assert clusters.finish(False, said.append) == []
    assert files.asked == ["make", "destroy"] * 2
    assert len(said) == 2
    assert all(re.fullmatch(r"shop-1a2b: made in \d\.\d s, removed in \d\.\d s", line) for line in said)
    assert left(clusters) == []


def test_of_a_key_that_comes_back_the_second_may_be_kept(run: Callable[..., Clusters[str]], files: Files) -> None:
    clusters = run("1", keep="failed")
    key, _ = clusters.get(SPEC, "a module")
    clusters.end(key, failed=False)
    clusters.get(SPEC, "a module")
    said: list[str] = []
    assert clusters.finish(True, said.append) == []
    assert files.asked == ["make", "destroy", "make"]
    assert [("kept" in line, "removed" in line) for line in said] == [(False, True), (True, False)]


def test_a_run_that_lives_longer_than_its_clusters_may_loses_none(
    run: Callable[..., Clusters[str]], files: Files
) -> None:
    files.expiry = OVER
    living, other = run("1"), run("2")
    living.get(SPEC)
    other.get(SPEC)
    said: list[str] = []
    other.finish(False, said.append)
    assert files.asked == ["make", "make", "destroy"]
    assert len(said) == 1  # of its own
    living.finish(False, said.append)
    assert files.asked[3:] == ["destroy"]
    assert left(living) == []


def died(clusters: Clusters[str]) -> None:
    """As the kernel ends a process: it drops the locks."""
    for handle in clusters._uses.values():
        os.close(handle)
    clusters._uses.clear()


def test_two_ends_at_once_destroy_a_dead_runs_cluster_once(run: Callable[..., Clusters[str]], files: Files) -> None:
    files.expiry = OVER
    dead, first, second = run("1"), run("2"), run("3")
    for one in (dead, first, second):
        one.get(SPEC)
    died(dead)
    told: dict[str, list[str]] = {"first": [], "second": []}

    def meanwhile(place: Path) -> None:
        if place.parent == dead.of_run:
            second.finish(False, told["second"].append)

    files.while_destroying = meanwhile
    assert first.finish(False, told["first"].append) == []
    assert [len(lines) for lines in told.values()] == [2, 1]
    assert re.fullmatch(r"removed \S+/run-1/\w+, whose time was over", told["first"][1])
    assert files.asked.count("destroy") == 3
    assert left(first) == []


def test_a_cluster_for_reuse_goes_when_its_time_is_over(run: Callable[..., Clusters[str]], files: Files) -> None:
    """Each keeps a state with keys, and its specification may never come again."""
    kept, user, other = run("1", reuse=True), run("2", reuse=True), run("3")
    kept.get(SPEC)
    kept.finish(False, lambda line: None)
    user.get(SPEC)
    (record,) = kept.root.rglob("pytest.json")
    record.write_text(json.dumps({"ready": True, "expires": OVER}))
    said: list[str] = []
    other.get({"name": "other"})
    other.finish(False, said.append)
    assert record.exists()  # somebody uses it
    user.finish(False, said.append)
    assert record.exists()  # who has just said that it is kept removes it not
    last = run("4")
    last.get({"name": "other"})
    last.finish(False, said.append)
    assert said[-1] == f"removed {record.parent}, whose time was over"
    assert not record.parent.exists()


def full(place: Path) -> None:
    raise OSError(errno.ENOSPC, "No space left on device", str(place / "Pulumi.yaml"))


def faulty(place: Path) -> None:
    raise TypeError("a fault of ours")


@pytest.mark.parametrize(
    ("error", "told"),
    [(full, "Pulumi.yaml: No space left on device. Next: make room there"), (faulty, "TypeError: a fault of ours")],
)
def test_one_that_can_not_be_removed_holds_up_no_other(
    error: Callable[[Path], None], told: str, run: Callable[..., Clusters[str]], files: Files
) -> None:
    files.expiry = OVER
    dead = run("1")
    dead.get(SPEC)
    died(dead)
    clusters = run("2")
    clusters.get(SPEC)
    clusters.get({"name": "other"})

    def once(place: Path) -> None:
        files.while_destroying = error if place.parent == dead.of_run else (lambda place: None)
        error(place)

    files.while_destroying = once
    said: list[str] = []
    (problem,) = clusters.finish(False, said.append)
    assert problem.startswith("shop-1a2b is left: ")
    assert told in problem
    assert files.asked.count("destroy") == 3
    assert re.fullmatch(r"shop-1a2b: made in .*, removed in .*", said[0])


def test_what_a_dead_run_left_and_can_not_be_removed_is_told(run: Callable[..., Clusters[str]], files: Files) -> None:
    files.expiry = OVER
    dead, clusters = run("1"), run("2")
    dead.get(SPEC)
    died(dead)
    clusters.get(SPEC)
    files.while_destroying = lambda place: full(place) if place.parent == dead.of_run else None
    said: list[str] = []
    assert clusters.finish(False, said.append) == []
    assert re.search(r"run-1/\w+, whose time is over, is left: .*No space left", said[1])


def waited_for(file: Path) -> bool:
    """Whether somebody waits for the file's lock: the kernel's list has an arrow before him."""
    waiting = [line for line in Path("/proc/locks").read_text().splitlines() if "->" in line]
    return any(line.split()[6].rpartition(":")[2] == str(file.stat().st_ino) for line in waiting)


def test_who_waited_for_a_file_that_was_removed_gets_the_one_that_is_there(tmp_path: Path) -> None:
    """Else he would hold a lock that nobody sees."""
    file = tmp_path / "users"
    handle = shared(file)
    with claimed(file) as alone:
        assert not alone
    os.close(handle)
    with ThreadPoolExecutor(1) as other:
        with claimed(file) as alone:
            assert alone
            handles = other.submit(shared, file)
            deadline = time.monotonic() + 60
            while not waited_for(file):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            file.unlink()
        handle = handles.result(60)
    with claimed(file) as alone:
        assert not alone
    os.close(handle)

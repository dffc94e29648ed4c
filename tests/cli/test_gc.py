"""`hashistack gc`: what is due, that nothing goes without --yes, and what is told."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import pytest
from typer.testing import CliRunner, Result

from hashistack import platforms
from hashistack.cli import main
from hashistack.cli.commands.garbage import due
from hashistack.cli.errors import Refusal
from hashistack.errors import HashistackError
from hashistack.platforms import PlatformOperations, Running

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
OLD, LATER = "2001-01-01T00:00:00+00:00", "2199-01-01T00:00:00+00:00"


def cluster(site: str, **more: str) -> Running:
    return Running(site, site, Path("/gone"), "test", 5, 5, **more)


EXPIRED = cluster("expired-1", expires=OLD, owner="me", run="7")
STAYS = cluster("stays-1", owner="me", run="7")
YOUNG = cluster("young-1", expires=LATER, owner="you", run="8")
STRANGE = cluster("strange-1", expires="tomorrow", owner="you")
NAIVE = cluster("naive-1", expires="2001-01-01", owner="you")


class Pond(PlatformOperations):
    extra = "pond"
    component = "hashistack:index:Pond"
    there: ClassVar[list[Running]] = []
    stuck: ClassVar[str] = ""

    def running(self) -> Sequence[Running]:
        return self.there

    def remove(self, cluster: Running, warn: Callable[[str], None]) -> None:
        if cluster.site == self.stuck:
            raise HashistackError("the duck is asleep", "wake it")
        self.there[:] = [one for one in self.there if one.site != cluster.site]


class Other(PlatformOperations):
    extra = "other"
    component = "hashistack:index:Other"


@pytest.fixture(autouse=True)
def pond(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(platforms, "PLATFORMS", {"pond": f"{__name__}:Pond", "other": f"{__name__}:Other"})
    monkeypatch.setattr(Pond, "there", [EXPIRED, STAYS, YOUNG, STRANGE, NAIVE])
    monkeypatch.setattr(Pond, "stuck", "")


def run(*arguments: str) -> Result:
    done = CliRunner().invoke(main.app, ["gc", *arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def sites() -> list[str]:
    return [one.site for one in Pond.there]


def test_due_is_what_has_expired_or_what_a_run_made_and_never_what_can_not_be_read() -> None:
    all_of_them = [EXPIRED, STAYS, YOUNG, STRANGE, NAIVE]
    assert due(all_of_them, NOW) == [EXPIRED]
    assert due(all_of_them, NOW, run="7") == [EXPIRED, STAYS]
    assert due(all_of_them, NOW, run="7", owner="you") == []
    assert due(all_of_them, NOW, owner="me") == [EXPIRED]
    assert due(all_of_them, datetime(2200, 1, 1, tzinfo=UTC)) == [EXPIRED, YOUNG]


def test_without_a_word_nothing_goes() -> None:
    done = run()
    assert done.exit_code == 1
    assert "expired-1" in done.output and "young-1" not in done.output
    assert "Nothing was removed. Next: repeat with --yes" in done.output
    assert json.loads(run("-o", "json").output)["removed"] == []
    assert len(sites()) == 5


def test_with_yes_what_is_due_goes_with_what_env_wrote_for_it(tmp_path: Path) -> None:
    (tmp_path / "hashistack/expired-1").mkdir(parents=True)
    assert run("--yes").output == "removed expired-1; nothing is left\n"
    assert sites() == ["stays-1", "young-1", "strange-1", "naive-1"]
    assert not (tmp_path / "hashistack/expired-1").exists()
    assert run("--yes").output == "nothing to remove\n"


def test_a_whole_run_goes_at_its_end() -> None:
    assert json.loads(run("--run", "7", "--yes", "-o", "json").output)["removed"] == ["expired-1", "stays-1"]
    assert sites() == ["young-1", "strange-1", "naive-1"]


def test_a_variable_that_was_not_set_is_no_run() -> None:
    with pytest.raises(Refusal, match=r"--run is empty\. Next: leave it out"):
        run("--run", "", "--yes")
    assert len(sites()) == 5


def test_what_can_not_be_removed_is_told_and_the_others_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pond, "stuck", "expired-1")
    with pytest.raises(Refusal, match=r"this could not be removed:\nexpired-1: the duck is asleep. Next: wake it"):
        run("--run", "7", "--yes")
    assert sites() == ["expired-1", "young-1", "strange-1", "naive-1"]


def test_a_project_that_is_there_is_told_how_to_forget_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    monkeypatch.setattr(Pond, "there", [Running("x-1", "x", tmp_path, "dev", 1, 1, expires=OLD)])
    assert f"its stack still names x-1: hashistack down -C {tmp_path} --stack dev --yes" in run("--yes").output


def test_a_platform_that_can_not_says_so() -> None:
    with pytest.raises(HashistackError, match=r"expired-1 can't be removed without its stack\. Next: hashistack down"):
        Other().remove(EXPIRED, print)

"""Which project and stack a command means."""

from __future__ import annotations

import os
import pwd
import shlex
import stat
from pathlib import Path

import pytest

from hashistack.cli.errors import Refusal
from hashistack.cli.project import Project, resolve
from hashistack.platforms import Running


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def made(directory: Path, *stacks: str, more: str = "") -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "Pulumi.yaml").write_text(f"name: shop\nruntime: python\n{more}")
    folder = directory / ".state/.pulumi/stacks/shop"
    if stacks:
        folder.mkdir(parents=True)
    for stack in stacks:
        (folder / f"{stack}.json").write_text("{}")
    return directory


def none() -> list[Running]:
    return []


def test_the_named_directory_wins(tmp_path: Path) -> None:
    project = made(tmp_path / "a")
    assert resolve(project, None, None, none) == Project(project, "test")
    assert resolve(project, "prod", None, none).stack == "prod"
    with pytest.raises(Refusal, match=r"has no Pulumi\.yaml: name a Pulumi project with -C DIR"):
        resolve(tmp_path, None, None, none)


def test_the_only_stack_is_the_one(tmp_path: Path) -> None:
    assert resolve(made(tmp_path / "one", "blue"), None, None, none).stack == "blue"
    assert resolve(made(tmp_path / "two", "blue", "green"), None, None, none).stack == "test"


def test_this_directory_when_it_holds_a_deployed_stack(tmp_path: Path) -> None:
    other = Running("other-1f", "other", made(tmp_path / "other"), "dev", 3, 3)
    made(tmp_path)
    # nothing deployed here: the cluster that runs is meant; `up` makes one here
    assert resolve(None, None, None, lambda: [other]) == Project(tmp_path / "other", "dev")
    assert resolve(None, None, None, none, deployed=False) == Project(tmp_path, "test")
    (tmp_path / ".state/.pulumi/stacks/shop").mkdir(parents=True)
    (tmp_path / ".state/.pulumi/stacks/shop/test.json").write_text("{}")
    assert resolve(None, None, None, lambda: [other]) == Project(tmp_path, "test")
    assert resolve(None, None, "other", lambda: [other]) == Project(tmp_path / "other", "dev")


def test_what_is_changed_or_destroyed_is_never_guessed(tmp_path: Path) -> None:
    other = Running("other-1f", "other", made(tmp_path / "other"), "dev", 3, 3)
    for deployed in (True, False):
        with pytest.raises(Refusal, match=r"nothing is deployed in .*-C DIR, or:\n  --cluster other-1f "):
            resolve(None, None, None, lambda: [other], deployed=deployed, changes=True)
    made(tmp_path)
    with pytest.raises(Refusal, match="nothing is deployed"):
        resolve(None, None, None, lambda: [other], changes=True)
    assert resolve(None, None, "other", lambda: [other], changes=True).directory == tmp_path / "other"
    assert resolve(None, None, None, lambda: [other], deployed=False, changes=True).directory == tmp_path


def test_another_backend_is_trusted_to_have_the_stack(tmp_path: Path) -> None:
    made(tmp_path, more="backend:\n  url: s3://states\n")
    project = resolve(None, None, None, none)
    assert project == Project(tmp_path, "test")
    assert not project.own_state
    assert project.backend is None
    assert "PULUMI_BACKEND_URL" not in project.environment()
    assert not (tmp_path / ".state").exists()


def test_several_clusters_are_listed_with_how_to_choose(tmp_path: Path) -> None:
    running = [
        Running("a-1", "a", made(tmp_path / "a"), "dev", 3, 3),
        Running("a-2", "a", made(tmp_path / "b"), "dev", 3, 3),
    ]
    with pytest.raises(Refusal, match=r"2 clusters run.*\n  --cluster a-1 .*\n  --cluster a-2 "):
        resolve(None, None, "a", lambda: running)
    assert resolve(None, None, "a-2", lambda: running).directory == tmp_path / "b"
    with pytest.raises(Refusal, match=r"No cluster 'c' .* Running: a-1, a-2\. Next: hashistack up"):
        resolve(None, None, "c", lambda: running)
    with pytest.raises(Refusal, match="No cluster here"):
        resolve(None, None, None, none)


def test_state_of_its_own_needs_no_login_and_is_private(tmp_path: Path) -> None:
    project = Project(made(tmp_path), "test")
    first = project.environment()
    assert first["PULUMI_BACKEND_URL"] == (tmp_path / ".state").as_uri()
    passphrase = Path(first["PULUMI_CONFIG_PASSPHRASE_FILE"])
    assert stat.S_IMODE(passphrase.stat().st_mode) == 0o600
    assert len(passphrase.read_text()) >= 32
    secret = passphrase.read_text()
    project.environment()
    assert passphrase.read_text() == secret


def test_a_passphrase_of_the_user_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "")
    assert "PULUMI_CONFIG_PASSPHRASE_FILE" not in Project(made(tmp_path), "test").environment()


def test_a_file_backend_of_the_user_is_read_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"file://{tmp_path}/states")
    project = Project(made(tmp_path / "p"), "test")
    assert project.backend == tmp_path / "states"
    assert not project.own_state


def test_a_broken_project_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("- a list")
    with pytest.raises(Refusal, match=r"Pulumi\.yaml is not a Pulumi project"):
        resolve(tmp_path, None, None, none)


def test_settings_of_a_state_that_is_gone_are_refused_by_name(tmp_path: Path) -> None:
    project = made(tmp_path / "a")
    (project / "Pulumi.test.yaml").write_text("encryptionsalt: v1:abc=:v1:def\n")
    with pytest.raises(Refusal, match=r"Pulumi\.test\.yaml has the salt of a passphrase that is gone with its \.state"):
        Project(project, "test").environment()
    assert not (project / ".state/passphrase").exists()


def test_a_stacks_settings_are_where_pulumi_looks_for_them(tmp_path: Path) -> None:
    project = Project(made(tmp_path), "acme/shop/prod")
    assert project.settings == tmp_path / "Pulumi.prod.yaml"
    with (tmp_path / "Pulumi.yaml").open("a") as file:
        file.write("\nstackConfigDir: stacks\n")
    assert project.settings == tmp_path / "stacks" / "Pulumi.prod.yaml"


def test_a_state_notes_the_users_name_where_the_environment_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    project = Project(made(tmp_path), "test")
    assert project.environment()["USER"] == pwd.getpwuid(os.getuid()).pw_name
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)
    assert project.environment()["USER"] == str(os.getuid())
    monkeypatch.setenv("USER", "me")
    assert project.environment()["USER"] == "me"


def test_what_is_printed_for_a_shell_names_this_project_and_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spaced = made(tmp_path / "my shop's", "test", "two")
    assert shlex.split(Project(spaced, "test").option) == ["-C", "my shop's"]
    monkeypatch.chdir(spaced)
    assert Project(spaced, "test").option == ""
    # without --stack another one would be meant
    assert Project(spaced, "two").option == " --stack two"
    monkeypatch.chdir("/")
    words = shlex.split(Project(spaced, "two").option)
    assert words == ["-C", str(spaced.relative_to("/")), "--stack", "two"]


def test_a_project_that_has_moved_here_is_found_by_its_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = Running("shop-1f", "shop", tmp_path / "gone", "dev", 3, 3)
    here, another = made(tmp_path / "moved here", "dev"), made(tmp_path / "another", "dev")
    (here / ".state/.pulumi/stacks/shop/dev.json").write_text('{"id": "shop-1f"}')
    monkeypatch.chdir(here)
    assert resolve(None, None, "shop", lambda: [gone]) == Project(here, "dev")
    # one of the same name that did not make it
    monkeypatch.chdir(another)
    with pytest.raises(Refusal, match=r"shop-1f was made from .*gone, .* Next: .*-C DIR --stack dev"):
        resolve(None, None, "shop", lambda: [gone])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Refusal, match="holds no Pulumi project any more"):
        resolve(None, None, "shop-1f", lambda: [gone], changes=True)

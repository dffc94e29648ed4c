"""`hashistack init`: what it makes, what it says, and where it makes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from hashistack.cli import main
from hashistack.cli.errors import Refusal
from hashistack.cli.templates import commands, files, templates

MADE = [".gitignore", "Pulumi.yaml", "README.md", "__main__.py", "requirements.txt", "web.nomad.hcl"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def init(*arguments: str) -> Result:
    done = CliRunner().invoke(main.app, ["init", *arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def test_a_new_directory_becomes_a_local_project_and_the_next_commands_are_its_readmes(here: Path) -> None:
    said = init("shop").output.splitlines()
    assert sorted(file.name for file in (here / "shop").iterdir()) == MADE
    assert said[0] == f"shop: template local, in {here}/shop. Next:"
    assert said[1] == "    cd shop"
    assert "\n".join(said[2:]) == commands((here / "shop/README.md").read_text())
    assert [line.split()[1] for line in said[2:4]] == ["up", "run"]
    assert 'spec = {"name": "shop", ' in (here / "shop/__main__.py").read_text()
    assert (here / "shop/Pulumi.yaml").read_text().startswith("name: shop\n")


@pytest.mark.parametrize("template", [*templates()])
def test_nothing_in_a_project_is_left_to_fill_in(template: str) -> None:
    for name, text in files(templates()[template], "shop").items():
        assert "${PROJECT}" not in text and "${VERSION}" not in text, name
    assert commands(files(templates()[template], "shop")["README.md"])


def test_this_directory_where_it_is_empty_and_for_programs(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "shop").mkdir()
    monkeypatch.chdir(here / "shop")
    answer = json.loads(init("--template", "product", "-o", "json").output)
    place = str(here / "shop")
    assert answer == {
        "event": "result",
        "ok": True,
        "project": "shop",
        "template": "product",
        "directory": place,
        "files": MADE,
    }


def test_a_new_repository_is_a_place_for_a_project(here: Path) -> None:
    (here / "shop/.git").mkdir(parents=True)
    (here / "shop/.git/HEAD").write_text("ref: refs/heads/main\n")
    init("shop")
    assert sorted(file.name for file in (here / "shop").iterdir()) == sorted([".git", *MADE])
    assert (here / "shop/.git/HEAD").read_text() == "ref: refs/heads/main\n"


def test_the_templates_are_listed() -> None:
    lines = init("--list").output.splitlines()
    assert [line.split()[0] for line in lines] == [*templates()]
    told = [json.loads(line) for line in init("--list", "-o", "json").output.splitlines()]
    assert told[0] == {"template": "local", "description": lines[0].partition(" ")[2].strip()}


def test_one_that_was_killed_goes_on(here: Path) -> None:
    init("shop")
    (here / "shop/README.md").unlink()
    program = (here / "shop/__main__.py").read_text()
    (here / "shop/__main__.py").write_text(program[:40])
    assert init("shop").exit_code == 0
    assert (here / "shop/__main__.py").read_text() == program
    assert (here / "shop/README.md").is_file()


def test_a_directory_that_holds_something_is_left_as_it_is(here: Path) -> None:
    (here / "full").mkdir()
    (here / "full/__main__.py").write_text("mine\n")
    (here / "file").write_text("")
    for where, held in (("full", "__main__.py"), ("file", f"{here}/file"), ("file/below", f"{here}/file")):
        with pytest.raises(Refusal) as refused:
            init(where, "--name", "shop")
        assert str(refused.value).startswith(f"{here / where} is not empty ({held}): give a directory that is new")
    assert [file.name for file in (here / "full").iterdir()] == ["__main__.py"]
    assert (here / "full/__main__.py").read_text() == "mine\n"


def test_all_that_is_wrong_is_told_at_once_and_nothing_is_made(here: Path) -> None:
    with pytest.raises(Refusal) as refused:
        init("My Shop", "--template", "pond")
    first, second, last = str(refused.value).splitlines()
    assert first == f"--template pond: there is none of this name, only {', '.join(templates())}"
    assert second.startswith("DIR 'My Shop': a cluster's name cannot have")
    assert last == "Next: hashistack init --help"
    assert list(here.iterdir()) == []
    with pytest.raises(Refusal, match=r"^--name '': is empty\. "):
        init("--name", "")

"""The site: every page is in its list, every link leads somewhere, and the references have all that the code has."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

import hashistack
from hashistack.cli.main import app
from hashistack.spec.explain import settings
from website import __main__ as website
from website import pages, reference


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the builder is given."""
    place = tmp_path_factory.mktemp("site")
    website.assemble(place)
    return place


def listed(nav: Any) -> Iterator[str]:
    for one in nav if isinstance(nav, list) else nav.values():
        if isinstance(one, str):
            yield one
        else:
            yield from listed(one)


def test_every_page_is_in_the_list_of_pages(site: Path) -> None:
    """But single decisions: their own page lists them."""
    nav = tomllib.loads((website.HERE / "zensical.toml").read_text())["project"]["nav"]
    there = {str(page.relative_to(site)) for page in site.rglob("*.md")}
    decisions = {page for page in there if re.match(r"adr/\d", page)}
    assert sorted(listed(nav)) == sorted(there - decisions)
    assert all(f"]({Path(page).name})" in (site / "adr/index.md").read_text() for page in decisions)


def anchors(page: Path) -> set[str]:
    """Those of its headings, as the site and GitHub both make them."""
    text = pages.BLOCK.sub("", page.read_text())
    heads = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


def test_what_belongs_to_an_item_of_a_list_is_indented_by_four(site: Path) -> None:
    """GitHub takes two or three as well; the site's Markdown ends the list there, and begins to count anew."""
    for page in site.rglob("*.md"):
        assert re.findall(r"\n\n {2,3}\S.*", pages.BLOCK.sub("", page.read_text())) == [], page.name


def test_every_link_leads_somewhere(site: Path) -> None:
    """`make docs` asks the same of the builder, which tests do not need."""
    nowhere, looked = [], 0
    for page in site.rglob("*.md"):
        for _, _, target in pages.LINK.findall(pages.BLOCK.sub("", page.read_text())):
            path, _, anchor = target.partition("#")
            if re.match(r"[a-z]+:", target):
                continue
            looked += 1
            to = Path(os.path.normpath(page.parent / path)) if path else page
            if not to.is_file() or (anchor and to.suffix == ".md" and _plain(anchor) not in map(_plain, anchors(to))):
                nowhere.append(f"{page.relative_to(site)}: {target}")
    assert looked > 100
    assert nowhere == []


def _plain(anchor: str) -> str:
    return re.sub("-+", "-", anchor)


def test_a_link_into_the_repository_needs_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def linked(text: str) -> str:
        return pages.linked(text, pages.PurePosixPath("docs/aws.md"))

    text = "see [a region](../tests/region), [it](../SECURITY.md#x), [the command](commands.md) and [gone](../gone.py)"
    monkeypatch.delenv("HASHISTACK_REPOSITORY", raising=False)
    assert linked(text) == "see a region, [it](security.md#x), [the command](commands.md) and [gone](../gone.py)"
    monkeypatch.setenv("HASHISTACK_REPOSITORY", "https://example.com/hashistack/")
    assert "[a region](https://example.com/hashistack/blob/main/tests/region)" in linked(text)
    assert linked("```sh\n[a](../tests)\n```\n") == "```sh\n[a](../tests)\n```\n"


def leaves(command: Any, above: str) -> Iterator[tuple[str, Any]]:
    for name, inner in getattr(command, "commands", {}).items():
        yield f"{above} {name}", inner
        yield from leaves(inner, f"{above} {name}")


def test_the_reference_has_every_command_and_option() -> None:
    text = reference.commands()
    found = dict(leaves(typer.main.get_command(app), "hashistack"))
    assert {"hashistack snapshot restore", "hashistack up"} <= found.keys()
    parts = dict(re.findall(r"^## `(.*?)`\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert parts.keys() == found.keys()
    for name, command in found.items():
        options = [option for each in command.params for option in each.opts if option.startswith("--")]
        assert [option for option in options if option != "--help" and option not in parts[name]] == [], name


def test_the_reference_has_every_setting() -> None:
    text = reference.specification()
    tables = dict(re.findall(r"^## `(.*?)`\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    every = settings()
    assert tables.keys() == {path for path, one in every.items() if one.fields}
    for path in every:
        section, _, name = path.rpartition(".")
        assert f"`{name}`" in tables.get(section, text.partition("\n## ")[0]), path


def test_the_reference_has_every_name_with_what_it_is() -> None:
    text = reference.python()
    parts = dict(re.findall(r"^### `(.*?)`\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL))
    assert {*hashistack.__all__} - {"VERSION"} <= parts.keys()
    assert [name for name, what in parts.items() if not what.strip()] == []
    assert "- `vpc_id`, `private_subnet_ids`, `route_table_ids`: a VPC of yours" in parts["AwsClusterArgs"]

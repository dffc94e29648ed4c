"""Every command and every piece of a program in README and docs/ is one that there is. Nothing of it is run here.

The parser of `hashistack` is given each line, the vendors' commands are asked for the help of what is called, make and
pytest for their targets and options. Other programs are in `BY` or `NOT_RUN`: which test runs them, or why none does.
"""

from __future__ import annotations

import ast
import builtins
import functools
import inspect
import json
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import typer.main
import yaml

import hashistack
from hashistack.aws.pools.launch import Volume
from hashistack.cli.main import app
from hashistack.gcp.pools.launch import Disk
from hashistack.secrets.pki import authority
from hashistack.spec import ClusterSpec
from hashistack.spec.versions import newest_proven
from hashistack.testing.options import OPTIONS
from hashistack.toolchain import resolve

from .documentation import PAGES, ROOT, SHELL, Block, blocks, commands

BLOCKS = list(blocks())
TEXTS = (ROOT / "tests/golden/texts.txt").read_text()
OF_OTHERS = ("server=/consul/127.0.0.1#",)
"""How lines begin that are of another program's configuration."""


def is_yaml(block: Block) -> bool:
    """Said by its fence, or a part of a specification that is indented."""
    if block.language:
        return block.language == "yaml"
    try:
        read = yaml.safe_load(block.text)
    except yaml.YAMLError:
        return False
    return isinstance(read, dict) and set(read) <= set(ClusterSpec.model_fields)


def is_said(block: Block) -> bool:
    """Whether an indented block is what `hashistack` says: no command, and its first words are in one of our texts."""
    program, *rest = block.text.split()
    programs = {"hashistack", "make", *VENDORS, *BY, *NOT_RUN, *OF_THE_SHELL}
    return not block.language and program not in programs and " ".join([program, *rest[:1]]) in TEXTS


BY = {
    "ansible": "tests/cli/test_inventory.py",
    "pip": "tests/test_package.py",
}
"""Programs that are not ours, to the tests that do with them what the pages say, if not by the same line."""

NOT_RUN = {
    "aws": "needs an account",
    "gcloud": "needs a project",
    "resolvectl": "changes how this machine resolves names",
    "docker": "the name is a cluster's own; tests/machine/test_identity.py reads that file and goes on with it",
    "jq": "reads what vault says; tests/machine/test_identity.py reads it in Python",
    "dig": "tests ask by their own resolver: tests/cluster/test_dns.py",
}
"""Programs that no test runs, to the reason."""

BESIDE: dict[str, Any] = {"Disk": Disk, "Volume": Volume}
"""What pages call that `hashistack` itself does not export."""

VENDORS = ("nomad", "consul", "vault", "pulumi")
OF_THE_SHELL = {".", "cd", "chmod", "eval", "export", "printf", "python3", "rm", "uuidgen"}


SHELL_BLOCKS = [
    one
    for one in BLOCKS
    if one.language in SHELL or not (one.language or one.is_python or is_yaml(one) or is_said(one))
]


def known(name: str) -> Any:
    """A command of `hashistack` by its words."""
    found: Any = typer.main.get_command(app)
    for word in name.split():
        found = found.commands[word]
    return found


def parse(words: list[str]) -> None:
    """Raises click's UsageError where the command line does not take these words; runs nothing."""
    command, context = known(""), None
    while True:
        context = command.make_context(command.name, list(words), parent=context)
        if not getattr(command, "commands", None):
            return
        _, command, words = command.resolve_command(context, [*context._protected_args, *context.args])


def files_of_the_checkout(words: list[str]) -> Iterator[str]:
    return (word for word in words if re.match(r"(examples|docs|tests|hashistack)/", word))


@functools.cache
def help_of(product: Any, *words: str) -> str:
    """What a vendor's command says of itself; "" where there is none of that name."""
    tool = resolve(product, newest_proven(product)).path
    done = subprocess.run([tool, *words, "--help" if product == "pulumi" else "-h"], capture_output=True, text=True)
    said = done.stdout + done.stderr
    return said if re.search(rf"[Uu]sage:\s+(?:\S*/)?{product} {' '.join(words)}\b", said) else ""


def of_vendor(product: str, words: list[str]) -> list[str]:
    """What is wrong with a vendor's command: no such subcommand, no such option."""
    called: list[str] = []
    while len(called) < len(words) and re.match(r"[a-z][a-z-]*$", words[len(called)]):
        if not help_of(product, *called, words[len(called)]):
            break
        called.append(words[len(called)])
    if not called:
        return [f"{product} has no {words[0]}"]
    said = help_of(product, *called)
    options = [match[0] for word in words[len(called) :] if (match := re.match(r"--?[a-z][\w-]*", word))]
    if "Subcommands:" in said:
        options += words[len(called) : len(called) + 1]  # it takes no argument but these
    return [f"{product} {' '.join(called)} has no {one}" for one in options if not re.search(rf"{one}\b", said)]


def wrong(words: list[str]) -> list[str]:
    """What is wrong with one command of a page."""
    program, *rest = words
    missing = [
        f"no file {file}" for file in files_of_the_checkout(rest) if program != "pytest" and not (ROOT / file).exists()
    ]
    if program in ("hashistack", ".venv/bin/hashistack"):
        try:
            parse(rest)
        except Exception as bad:  # click's, of whichever click typer brings
            return [
                *missing,
                f"{type(bad).__name__}: {bad.format_message() if hasattr(bad, 'format_message') else bad}",
            ]
    elif program == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        missing += [f"no target {target}" for target in rest if target not in targets]
    elif program == "pytest":
        options = {one.flag for one in OPTIONS}
        missing += [f"no option {word}" for word in rest if word.startswith("--hashistack") and word not in options]
    elif program in VENDORS:
        missing += of_vendor(program, rest)
    elif program not in (*BY, *NOT_RUN, *OF_THE_SHELL):
        missing.append(f"nobody knows {program}: see BY and NOT_RUN")
    return missing


@pytest.mark.parametrize("block", SHELL_BLOCKS, ids=lambda block: block.where)
def test_every_command_is_one_that_there_is(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # `-C DIR` must be there
    monkeypatch.delenv("HASHISTACK_PROJECT", raising=False)
    lines = [line for line in block.text.splitlines() if not line.startswith(OF_OTHERS)]
    assert [told for words in commands("\n".join(lines)) for told in wrong(words)] == []


def test_what_is_no_command_is_found() -> None:
    def told(line: str) -> list[str]:
        return [one for words in commands(line) for one in wrong(words)]

    assert told("hashistack up --yess")[0].startswith("NoSuchOption: No such option: --yess")
    assert told('eval "$(hashistack environment)"')[0].startswith("UsageError: No such command 'environment'")
    assert told("make everything") == ["no target everything"]
    assert told("hashistack run examples/none.hcl") == ["no file examples/none.hcl"]
    assert told("a=$(nomad node sing | jq .)") == ["nomad node has no sing"]
    assert told("vault kv put -loud kv/x a=b") == ["vault kv put has no -loud"]
    assert told("frobnicate") == ["nobody knows frobnicate: see BY and NOT_RUN"]
    assert told("pytest --hashistack-none") == ["no option --hashistack-none"]


def test_what_pages_say_in_passing_is_a_command_with_these_options() -> None:
    """Each `hashistack …` in a line of prose. A word may be several: `snapshot save|verify`."""
    strange, looked = [], 0
    for path in PAGES:
        for said in re.findall(
            r"`hashistack ((?:\[^`]|[^`\n])+)`", re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
        ):
            looked += 1
            strange += [f"{path.name}: hashistack {said}: {one}" for one in _unknown(said.replace("\\|", "|").split())]
    assert looked > 50
    assert strange == []


def _unknown(words: list[str]) -> list[str]:
    here = known("")
    while words and hasattr(here, "commands") and not words[0].startswith("-"):
        first, *words = words
        if first.isupper() or first == "…":
            return []
        if gone := [name for name in first.strip(",").split("|") if name not in here.commands]:
            return [f"no command {name}" for name in gone]
        here = here.commands[first.strip(",").split("|")[0]]
    has = {option for each in here.params for option in each.opts} | {"--help", "--verbose", "--version"}
    return [f"no option {word}" for word in words if word.startswith("--") and len(word) > 2 and word not in has]


def test_what_is_run_by_a_test_or_by_none_is_so() -> None:
    for program, file in BY.items():
        assert program in (ROOT / file).read_text(), program
    used = {words[0] for block in SHELL_BLOCKS for words in commands(block.text)}
    assert {*BY, *NOT_RUN} - used == set()


@pytest.mark.parametrize("block", [one for one in BLOCKS if one.is_python], ids=lambda block: block.where)
def test_every_piece_of_python_names_what_there_is(block: Block) -> None:
    """It compiles, takes from hashistack what that has, and calls it with arguments that it takes."""
    text = block.text if not block.text.startswith("@") or "def " in block.text else f"{block.text}\ndef test(): ..."
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hashistack"):
            module = __import__(node.module or "", fromlist=["*"])
            assert [one.name for one in node.names if not hasattr(module, one.name)] == []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not hasattr(builtins, node.func.id):
            called = getattr(hashistack, node.func.id, None) or BESIDE[node.func.id]
            parameters = inspect.signature(called).parameters
            assert [one.arg for one in node.keywords if one.arg and one.arg not in parameters] == [], node.func.id


@pytest.mark.parametrize("block", [one for one in BLOCKS if is_yaml(one)], ids=lambda block: block.where)
def test_every_piece_of_yaml_is_a_specification_or_tried_elsewhere(block: Block) -> None:
    certificate = authority("docs", timedelta(days=1), datetime.now(UTC)).cert_pem
    text = re.sub(r"-----BEGIN CERTIFICATE-----\s+…", certificate.replace("\n", "\n      ").strip(), block.text)
    read = yaml.safe_load(text)
    if isinstance(read, dict) and set(read) <= set(ClusterSpec.model_fields):
        ClusterSpec.parse({"name": "docs", **read})
    elif isinstance(read, dict) and set(read) <= {"name", "runtime", "config"}:
        assert read["runtime"]["name"] == "python"  # of Pulumi.yaml
    else:
        assert block.page == "docs/testing.md"  # tests/test_ci.py runs these


def test_every_piece_of_a_job_is_hcl() -> None:
    """`nomad fmt` reads it. Most are a part of a job, which no parser of jobs takes."""
    command = [resolve("nomad", newest_proven("nomad")).path, "fmt", "-write=false", "-"]
    for block in (Block("nowhere", 1, "hcl", "task {"), *(one for one in BLOCKS if one.language == "hcl")):
        done = subprocess.run(command, input=block.text + "\n", capture_output=True, text=True)
        assert (done.returncode == 0) == (block.page != "nowhere"), f"{block.where}: {done.stderr}"


def test_what_runbooks_say_that_hashistack_says_is_what_it_says() -> None:
    told = [re.sub(r"\\{\w*\\}", ".+", re.escape(one)) for one in TEXTS.splitlines()]
    lines = [
        line for one in BLOCKS if one.language == "text" and "runbooks" in one.page for line in one.text.splitlines()
    ]
    assert len(lines) > 2
    assert [line for line in lines if not any(re.fullmatch(one, line.strip()) for one in told if len(one) > 15)] == []


def test_every_test_that_a_page_names_is_there() -> None:
    named = {name for path in PAGES for name in re.findall(r"`(tests/[\w/]+\.py::test_\w+)", path.read_text())}
    assert len(named) > 50
    assert [one for one in sorted(named) if f"def {one.partition('::')[2]}(" not in _text(one.partition("::")[0])] == []


@functools.cache
def _text(file: str) -> str:
    return (ROOT / file).read_text() if (ROOT / file).is_file() else ""


def test_beside_other_tools_each_mark_of_ours_has_its_test() -> None:
    marks, _, shown = (ROOT / "docs/comparison.md").read_text().partition("\n## Shown by\n")
    ours = {what for what, mark in re.findall(r"^\| ([^|]+) \| (\S) \|", marks, re.MULTILINE) if mark in "✓~"}
    assert len(ours) > 25
    assert set(re.findall(r"^\| ([^|]+) \|[^|]*\| `tests/[\w/]+\.py::test_\w+` \|$", shown, re.MULTILINE)) == ours


def test_each_block_is_of_a_kind_that_is_looked_at() -> None:
    kinds = {*SHELL, "", "python", "yaml", "json", "hcl", "text", "mermaid"}
    assert [one.where for one in BLOCKS if one.language not in kinds] == []
    for one in BLOCKS:
        if one.language == "json":
            json.loads(one.text)

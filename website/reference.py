"""The pages that are written from the code: commands, specification, Python names."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import hashistack
from hashistack import errors, testing
from hashistack.cli.main import app
from hashistack.spec.cluster import ClusterSpec
from hashistack.spec.explain import Setting, about, section_of, settings


def pages() -> dict[str, str]:
    """Name of each page to its text."""
    return {"commands.md": commands(), "specification.md": specification(), "python.md": python()}


def commands() -> str:
    """Every command with its arguments, options and examples, as `--help` has them."""
    import typer.main

    said = [
        "# Commands and options",
        "What `hashistack COMMAND --help` says. [The command](../commands.md) tells what they are for.",
    ]
    return "\n\n".join([*said, *_command(typer.main.get_command(app), None)]) + "\n"


def _command(command: Any, above: Any) -> Iterator[str]:
    context = command.make_context(
        f"{above.command_path} {command.name}" if above else "hashistack", [], resilient_parsing=True
    )
    inner = getattr(command, "commands", {})
    if above:
        yield f"## `{context.info_name}`"
    yield _words(command.help)
    if not inner or not above:
        yield f"    {context.info_name} {' '.join(command.collect_usage_pieces(context))}"
    rows = [record for each in command.get_params(context) if (record := each.get_help_record(context))]
    if rows and not (inner and above):
        yield _table(("", ""), ([f"`{name}`", _words(what)] for name, what in rows if "--help" not in name))
    if command.epilog:
        yield _code(command.epilog)
    for name in sorted(inner):
        context.info_name = context.info_name.split()[0] if not above else context.info_name
        yield from _command(inner[name], context)


def _code(text: str) -> str:
    return "```text\n" + text.replace("\b\n", "").strip() + "\n```"


def specification() -> str:
    """Every setting of a specification, a table a section."""
    every = settings()
    said = [
        "# The specification",
        about(""),
        "`hashistack config explain` says the same at the command line; `hashistack schema` prints the JSON Schema. "
        "Where nothing else is said, `up` changes the setting of a running cluster, and replaces no machine.",
        _settings(one for one in every.values() if "." not in one.path),
    ]
    for one in every.values():
        if one.fields:
            said += [f"## `{one.path}`", about(one.path), _settings(every[path] for path in one.fields)]
    return "\n\n".join(said) + "\n"


def _settings(some: Iterable[Setting]) -> str:
    return _table(("setting", "what it is", "type and default"), (_setting(one) for one in some))


def _setting(one: Setting) -> list[str]:
    name = one.path.rpartition(".")[2]
    shown = f"[`{name}`](#{one.path.replace('.', '')})" if one.fields else f"`{name}`"
    what = [_words(one.what)]
    if one.change != "by `up`":
        what.append(f"A change: {_words(one.change)}.".replace("A change: never: ", "It never changes: "))
    elif one.replaces:
        whose = {
            "all": "all machines",
            "servers": "the servers",
            "clients": "all clients",
            "pool": "the pool's machines",
        }
        what.append(f"A change replaces {whose[one.replaces]}.")
    kind = (
        "" if one.type == "section" else _words(one.type) + (f", `{one.default}`" if one.default else "; must be given")
    )
    return [shown, " ".join(what), kind]


def python() -> str:
    """The names that programs and tests import, from their docstrings."""
    parts = (
        (hashistack, hashistack.__all__, "Programs import these: `from hashistack import ClusterSpec`."),
        (errors, ["HashistackError"], "Every error of ours is one."),
        (
            testing,
            testing.__all__,
            "For tests of programs. [Tests that use a cluster](../testing.md) has the fixtures.",
        ),
    )
    said = ["# Python names"]
    for module, names, what in parts:
        said += [f"## `{module.__name__}`", what]
        for name in sorted(names):
            if callable(one := getattr(module, name)):
                said += [f"### `{name}`", *_documented(one)]
    return "\n\n".join(said) + "\n"


def _documented(one: Any) -> Iterator[str]:
    """Docstring, fields and methods of a class, or signature and docstring of a function."""
    if not isinstance(one, type):
        yield f"    {one.__name__}{_signature(one)}"
    fields = getattr(one, "__dataclass_fields__", {})
    yield _fields(inspect.cleandoc(one.__doc__ or ""), fields)
    if one in (at := {section_of(field.annotation): name for name, field in ClusterSpec.model_fields.items()}):
        yield f"Its settings: [`{at[one]}`](specification.md#{at[one]})."
    for name, method in vars(one).items() if isinstance(one, type) else ():
        function = method.fget if isinstance(method, property) else getattr(method, "__func__", method)
        if not name.startswith("_") and inspect.isfunction(function) and function.__doc__:
            shown = name if isinstance(method, property) else f"{name}{_signature(function)}"
            yield f"- `{shown}`: {_words(function.__doc__)}"


def _signature(function: Any) -> str:
    """Names and defaults; the types are in the code."""
    signature = inspect.signature(function)
    taken = [
        one.replace(annotation=one.empty) for one in signature.parameters.values() if one.name not in ("self", "cls")
    ]
    return str(signature.replace(parameters=taken, return_annotation=signature.empty))


def _fields(text: str, names: Iterable[str]) -> str:
    """A docstring whose `name: what it is` are an item of a list each."""
    name = "|".join(names)
    if not name:
        return text
    begins = re.compile(rf"(?:^|(?<=[.;]))\s*((?:{name})(?:,\s(?:{name}))*): ", re.MULTILINE)
    first, *rest = begins.split(text)
    items = [
        f"- `{'`, `'.join(re.split(', *', ' '.join(named.split())))}`: {_words(what)}"
        for named, what in zip(rest[::2], rest[1::2], strict=True)
    ]
    return "\n\n".join(filter(None, (first.strip(), "\n".join(items))))


def _table(head: tuple[str, ...], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _words(text: str | None) -> str:
    return " ".join((text or "").replace("\b", "").split())

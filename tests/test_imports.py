"""The house's order: which part may import which, how long a file may be, and what the front door loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import hashistack

PACKAGE = Path(hashistack.__file__).parent
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent.name != "template")  # those are users' programs
PROVIDERS = {"aws", "gcp", "local"}

EVERYBODYS = {"version", "errors", "call_log", "home", "lazy"}

MAY_IMPORT: dict[str, set[str]] = {
    "version": set(),
    "errors": set(),
    "call_log": set(),
    "home": set(),
    "lazy": set(),
    "spec": set(),
    "machine": {"spec"},
    "secrets": {"provider", "spec"},
    "toolchain": {"spec", "provider"},
    "platforms": set(),
    "provider": {"platforms"},
    "ops": {"spec"},
    "component": {"spec", "machine", "provider", "secrets", "toolchain", "ops"},
    "jobs": {"spec", "provider", "ops"},
    "cli": {"spec", "component", "jobs", "ops", "toolchain", "provider", "platforms"},
    "cloud": {"spec", "machine", "provider", "toolchain", "component", "ops"},
    "testing": {"spec", "provider", "component", "jobs", "ops", "platforms", "cli"},
    **{
        each: {"spec", "machine", "secrets", "provider", "toolchain", "component", "cloud", "ops", "platforms"}
        for each in PROVIDERS
    },
}
"""What each part may import of the others, beside itself and what all may: EVERYBODYS."""

SDKS = {
    "pulumi_aws": {"aws"},
    "boto3": {"aws"},
    "botocore": {"aws"},
    "pulumi_gcp": {"gcp"},
    "google.auth": {"gcp"},
    "google_auth_httplib2": {"gcp"},
    "googleapiclient": {"gcp"},
    "httplib2": {"gcp"},
    "docker": {"local"},
    "pulumi": {
        "aws",
        "gcp",
        "local",
        "cloud",
        "secrets",
        "provider",
        "component",
        "jobs",
        "toolchain",
        "cli",
        "testing",
    },
    "typer": {"cli"},
    "rich": {"cli"},
}
"""Which parts may import an SDK."""


def _part(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _imports(path: Path) -> set[str]:
    """Full names of the modules that a file imports, those for type checking alone left out."""
    found: set[str] = set()
    package = ("hashistack", *path.relative_to(PACKAGE).parent.parts)

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) + 1 - node.level]) if node.level else ""
            module = ".".join(filter(None, (base, node.module)))
            found.add(module)
            found.update(f"{module}.{alias.name}" for alias in node.names)
        elif _type_checking(node):
            return
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text(), str(path)))
    return found


def _sdks(modules: set[str]) -> set[str]:
    return {sdk for sdk in SDKS for name in modules if name == sdk or name.startswith(f"{sdk}.")}


def _parts_imported(path: Path) -> set[str]:
    names = (name.split(".") for name in _imports(path))
    return {name[1] for name in names if name[0] == "hashistack" and len(name) > 1} - EVERYBODYS


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path: Path) -> None:
    part = _part(path)
    if part == "__init__":
        assert _parts_imported(path) == set()
        return
    assert _parts_imported(path) - MAY_IMPORT[part] - {part} == set()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_each_sdk_stays_in_its_part(path: Path) -> None:
    assert {sdk for sdk in _sdks(_imports(path)) if _part(path) not in SDKS[sdk]} == set()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_is_one_idea(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 320


def test_the_front_door_is_sorted_and_says_all_it_has() -> None:
    assert len(set(hashistack.__all__)) == len(hashistack.__all__)
    assert sorted(hashistack.__all__, key=lambda name: (not name.isupper(), name)) == hashistack.__all__
    assert set(hashistack._MODULES) == set(hashistack.__all__)
    assert dir(hashistack) == sorted(hashistack.__all__)
    for name in hashistack.__all__:
        assert getattr(hashistack, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'Custer'"):
        _ = hashistack.Custer


def test_the_front_door_tells_mypy_what_it_imports() -> None:
    """The names under TYPE_CHECKING are those of the lazy mapping, from the same modules."""
    body = ast.parse((PACKAGE / "__init__.py").read_text()).body
    blocks = [node.body for node in body if isinstance(node, ast.If)]
    typed = {
        alias.name: node.module
        for block in blocks
        for node in block
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert typed == hashistack._MODULES


def _loaded(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(done.stdout.split())


def test_the_front_door_loads_nothing_heavy() -> None:
    loaded = _loaded("import hashistack")
    assert _sdks(loaded) == set()
    assert loaded & {"pydantic", "pydantic_core", "httpx", "cryptography"} == set()


def test_the_specification_loads_no_sdk() -> None:
    loaded = _loaded("from hashistack import ClusterSpec; ClusterSpec(name='x')")
    assert "pydantic" in loaded
    assert _sdks(loaded) == set()
    assert loaded & {"httpx", "cryptography"} == set()


def test_an_up_that_changes_nothing_loads_nothing_heavy_in_the_plugin() -> None:
    """Handlers' modules come in while the engine waits: what creates and renders is imported where that is done."""
    loaded = _loaded(
        "from hashistack.provider import registry; [registry.handler(token) for token in registry.handlers()]"
    )
    assert "hashistack.local.handlers.pool" in loaded
    heavy = {"cryptography", "docker", "httpx", "hashistack.spec", "pulumi", "pydantic", "requests", "tarfile"}
    assert loaded & heavy == set()


def test_a_program_loads_nothing_that_only_handlers_need() -> None:
    loaded = _loaded("from hashistack import LocalCluster, LocalClusterArgs")
    assert "pulumi" in loaded
    assert loaded & {"docker", "httpx", "cryptography"} == set()

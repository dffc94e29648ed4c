"""What is built and installed: all that a checkout has at run time, and a cluster's project without a checkout."""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import pytest
import yaml

from hashistack import platforms
from hashistack.cli.templates import files, templates
from hashistack.version import VERSION

CHECKOUT = Path(__file__).parent.parent
PACKAGE = CHECKOUT / "hashistack"
UV = Path(sys.executable).with_name("uv")
RELEASE: dict[str, Any] = yaml.safe_load((CHECKOUT / ".github/workflows/release.yml").read_text())
EXAMPLES = {
    "local": ("test-cluster", "test"),
    "aws": ("prod", "prod"),
    "gcp": ("prod", "prod"),
    "product": ("product", "product"),
}
"""Template to its example, and to what that calls its cluster."""


def of_run_time() -> set[str]:
    """Files of the package in this checkout, but for what Python and tools leave there."""
    found = (path.relative_to(CHECKOUT) for path in PACKAGE.rglob("*") if path.is_file())
    return {str(path) for path in found if "__pycache__" not in path.parts and ".mypy_cache" not in path.parts}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the wheel and the source archive."""
    place = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-d", str(place)]
    subprocess.run(build, cwd=CHECKOUT, check=True, capture_output=True)
    return place


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an empty environment into which the wheel was installed, with what `local` brings."""
    place = tmp_path_factory.mktemp("installed") / "venv"
    (wheel,) = built.glob("*.whl")
    subprocess.run([UV, "venv", "-q", "--python", sys.executable, place], check=True)
    install = [UV, "pip", "install", "-q", "--python", str(place), f"hashistack[local] @ {wheel.as_uri()}"]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return place / "bin"


def run(command: list[str | Path], cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV", "HASHISTACK_PROJECT")}
    return subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env={**inherited, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_wheel_has_every_file_that_a_checkout_uses_at_run_time(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    assert wheel.name == f"hashistack-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        there = {name for name in archive.namelist() if not name.startswith(f"hashistack-{VERSION}.dist-info/")}
        declared = archive.read(f"hashistack-{VERSION}.dist-info/entry_points.txt").decode()
    assert there == of_run_time()
    assert "[pytest11]\nhashistack = hashistack.testing.pytest_plugin\n" in declared
    for one in (
        "hashistack/machine/node/boot/boot",
        "hashistack/toolchain/build/recipes/nomad-1.11.3/go.sum",
        "hashistack/spec/catalog.json",
        "hashistack/local/template/.gitignore",
    ):
        assert one in there


def test_the_source_archive_has_the_examples_and_makes_the_same_wheel(built: Path, tmp_path: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as source:
        source.extractall(tmp_path, filter="data")
    unpacked = tmp_path / f"hashistack-{VERSION}"
    for one in ("examples/prod/__main__.py", "docs/aws.md", "CHANGELOG.md", "LICENSE", "tests/test_package.py"):
        assert (unpacked / one).is_file()
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path]
    assert run(build, unpacked).returncode == 0
    (first,), (second,) = built.glob("*.whl"), tmp_path.glob("*.whl")
    assert first.read_bytes() == second.read_bytes()


def test_a_project_from_the_wheel_alone_is_previewed_by_the_real_engine(installed: Path, tmp_path: Path) -> None:
    hashistack = installed / "hashistack"
    assert run([hashistack, "--version"], tmp_path).stdout == f"hashistack {VERSION}\n"
    made = run([hashistack, "init", "shop", "-o", "json"], tmp_path)
    assert json.loads(made.stdout)["template"] == "local", made.stderr
    # As a shell has it in which another environment is active.
    other = {"VIRTUAL_ENV": str(tmp_path / "other"), "PULUMI_HOME": str(tmp_path / "pulumi")}
    looked = run([hashistack, "doctor", "-C", ".", "-o", "json"], tmp_path / "shop", **other)
    found = {finding["sentence"]: finding for finding in map(json.loads, looked.stdout.splitlines())}
    assert "Docker answers" in found, looked.stderr
    assert "the program runs to its end" not in found, found
    (plugin,) = (tmp_path / "pulumi/plugins").glob("*/pulumi-resource-hashistack")
    assert f"python={installed}/python" in plugin.read_text()


@pytest.mark.parametrize("template", EXAMPLES)
def test_a_template_is_what_its_example_is(template: str) -> None:
    example, called = EXAMPLES[template]
    made, there = files(templates()[template], called), CHECKOUT / "examples" / example
    assert made["__main__.py"] == (there / "__main__.py").read_text()
    if template not in ("aws", "gcp"):
        assert made["web.nomad.hcl"] == (CHECKOUT / "examples/product/web.nomad.hcl").read_text()
    settings = yaml.safe_load(made["Pulumi.yaml"])
    if template == "gcp":  # the same program, and its configuration says where
        assert settings["config"]["provider"]["default"] == "gcp"
    # Neither names a machine's paths: the program runs where `hashistack` is.
    assert settings["runtime"] == "python"


def _imports(node: ast.AST) -> Iterator[str]:
    """Modules that are imported when the program runs."""
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module
    for child in ast.iter_child_nodes(node):
        yield from _imports(child)


def _imported() -> Iterator[tuple[str, str]]:
    """Part of the package, and a module of somebody else's that it imports anywhere."""
    for path in PACKAGE.rglob("*.py"):
        for name in _imports(ast.parse(path.read_text())):
            if name.partition(".")[0] not in {"hashistack", *sys.stdlib_module_names}:
                yield path.relative_to(PACKAGE).parts[0].removesuffix(".py"), name


def test_what_the_package_imports_it_declares() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]

    def names(requirements: list[str]) -> set[str]:
        return {re.split(r"[\[<>=]", each)[0].lower().replace("_", "-") for each in requirements}

    always, extras = names(project["dependencies"]), project["optional-dependencies"]
    command, of_module = names(extras["cli"]), metadata.packages_distributions()
    missing = set()
    for part, name in _imported():
        top = name.partition(".")[0]
        # Of the packages that share `google`, the one whose name says so.
        shared = {".".join(name.split(".")[:2]).replace(".", "-").replace("google-protobuf", "protobuf")}
        owners = shared if top == "google" else {*of_module.get(top, [top])}
        # What a plugin is of is there where it is loaded.
        own = names(extras.get(part, [])) | {"cli": command, "testing": {"pytest"}}.get(part, set())
        if not {each.lower().replace("_", "-") for each in owners} & (always | own):
            missing.add((part, name))
    assert missing == set()


def _public(module: str) -> Iterator[str]:
    """The names that a module exports, and what each takes."""
    loaded = import_module(module)
    for name in sorted(loaded.__all__):
        found = getattr(loaded, name)
        fields = getattr(found, "model_fields", None)
        if fields is not None:
            takes = ", ".join(fields)
        elif callable(found):
            takes = ", ".join(each for each in inspect.signature(found).parameters if each != "self")
        else:
            takes = ""
        yield f"{module}.{name}({takes})" if callable(found) else f"{module}.{name}"


def test_the_public_api_is_what_it_was(golden: Callable[[str, str], None]) -> None:
    """What goes from this list is announced one minor release before; CONTRIBUTING.md says how."""
    modules = ["hashistack", *(f"hashistack.{name}" for name in platforms.PLATFORMS), "hashistack.testing"]
    public = [name for name in modules if hasattr(import_module(name), "__all__")]
    assert {"hashistack", "hashistack.aws", "hashistack.testing"} <= set(public)
    golden("public_api.txt", "\n".join(line for module in public for line in _public(module)) + "\n")


def step(name: str) -> str:
    (found,) = (one["run"] for one in RELEASE["jobs"]["build"]["steps"] if name in one.get("name", ""))
    return str(found)


@pytest.mark.parametrize(
    ("tag", "changelog", "said"),
    [
        ("v1.2.3", "## [1.2.3] - 2026-12-01\n", ""),
        ("v1.2.4", "## [1.2.3] - 2026-12-01\n", "the tag is v1.2.4, hashistack/version.py says 1.2.3\n"),
        ("v1.2.3", "## [1.2.3] - not released yet\n", "CHANGELOG.md has no line '## [1.2.3] - YYYY-MM-DD'\n"),
    ],
)
def test_a_release_has_the_tag_of_its_version_and_a_date(tag: str, changelog: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "hashistack").mkdir()
    here = (PACKAGE / "version.py").read_text()
    (tmp_path / "hashistack/version.py").write_text(here.replace(VERSION, "1.2.3"))
    (tmp_path / "CHANGELOG.md").write_text(changelog)
    done = run(["bash", "-ec", step("the tag is the version")], tmp_path, GITHUB_REF_NAME=tag)
    assert (done.returncode, done.stderr) == (2 if said else 0, said)


def test_only_the_job_that_publishes_can_and_without_a_secret() -> None:
    jobs = RELEASE["jobs"]
    assert RELEASE["permissions"] == {"contents": "read"}
    assert {name: job.get("permissions") for name, job in jobs.items()} == {
        "build": None,
        "pypi": {"id-token": "write"},
        "github": {"contents": "write"},
    }
    assert jobs["pypi"]["environment"]["name"] == "pypi"
    assert "secrets." not in (CHECKOUT / ".github/workflows/release.yml").read_text()
    assert [one["uses"].partition("@")[0] for one in jobs["pypi"]["steps"]] == [
        "actions/download-artifact",
        "pypa/gh-action-pypi-publish",
    ]


def test_the_version_stands_in_one_place() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    assert project["dynamic"] == ["version"]
    assert "version" not in project
    assert f"## [{VERSION}] - " in (CHECKOUT / "CHANGELOG.md").read_text()

"""The seam between platforms: who may name one, and what a third one takes."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

import hashistack
from hashistack import platforms
from hashistack.cli.commands import run
from hashistack.cli.engine import _cluster, chosen
from hashistack.cli.errors import Refusal
from hashistack.cli.events import Condenser
from hashistack.cli.preflight import of_machine
from hashistack.cli.project import Project, resolve
from hashistack.cli.templates import files, templates
from hashistack.component.findings import Finding
from hashistack.errors import HashistackError
from hashistack.ops.api.connection import Connection
from hashistack.platforms import MACHINES, PlatformMissing, PlatformOperations, Running, Stack
from hashistack.provider import registry
from hashistack.provider.handler import Context, Handler, Props
from hashistack.version import VERSION

PACKAGE = Path(hashistack.__file__).parent
NEUTRAL = ("cli", "ops", "component", "cloud", "jobs", "machine", "provider")
"""Parts that know no platform. What a machine's programs do (`machine/node`) is `platform-<name>`'s, and no Python."""
NAMES = "|".join(platforms.PLATFORMS)
NAMED = re.compile(rf"^({NAMES})$|hashistack[./:\w]*\.({NAMES})\b|hashistack:index:({NAMES})[A-Z]|^({NAMES}):", re.I)
ALLOWED = {("machine/config/nomad.py", "aws")}
"""Nomad's own list of fingerprinters."""


def _texts(path: Path) -> Iterator[str]:
    """Modules that a file imports, and its strings but for docstrings."""
    tree = ast.parse(path.read_text(), str(path))
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.value


@pytest.mark.parametrize("part", NEUTRAL)
def test_nothing_outside_its_folder_and_the_list_names_a_platform(part: str) -> None:
    found = {
        (str(path.relative_to(PACKAGE)), text)
        for path in sorted((PACKAGE / part).rglob("*.py"))
        for text in _texts(path)
        if NAMED.search(text)
    }
    assert found - ALLOWED == set()


def test_the_test_above_would_notice(tmp_path: Path) -> None:
    file = tmp_path / "named.py"
    for line in (
        "from hashistack.local import discovery",
        "import hashistack.aws.ops",
        'x = "aws" == provider',
        'x = "hashistack:index:LocalReady"',
        'x = "hashistack.aws.ops.driver:AwsDriver"',
        'x = "aws:region"',
    ):
        file.write_text(line)
        assert [text for text in _texts(file) if NAMED.search(text)], line


def test_the_command_line_loads_no_platforms_sdk() -> None:
    cli = "from hashistack.cli import main, preflight; from hashistack.cli.commands import rollout, run"
    code = f"import sys; {cli}; from hashistack import platforms; list(platforms.every()); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert {"boto3", "botocore", "docker", "google.auth", "googleapiclient", "pulumi_aws", "pulumi_gcp"} & {
        *loaded
    } == set()


def connection(name: str, provider: str) -> Connection:
    return Connection.parse(_connection(name, provider))


def _connection(name: str, provider: str) -> dict[str, Any]:
    endpoint = {"address": "https://127.0.0.1:1", "servers": [], "token": "", "username": "", "password": ""}
    texts = ("datacenter", "region", "ca_pem", "operator_cert_pem", "operator_key_pem")
    apis = dict.fromkeys(("nomad", "consul", "vault"), endpoint)
    return {**dict.fromkeys(texts, ""), **apis, "format": 1, "name": name, "provider": provider, "pools": []}


def test_without_a_platforms_sdk_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("hashistack.aws")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "boto3", None)
    said = r"^boto3 is not installed\. Next: pip install 'hashistack\[aws\]'$"
    for ask in (lambda: platforms.driver(connection("x", "aws")), lambda: platforms.archive_store("s3://b")):
        with pytest.raises(PlatformMissing, match=said):
            ask()


def test_a_platform_that_is_none_is_refused() -> None:
    with pytest.raises(PlatformMissing, match="has no platform azure, only aws, gcp, local"):
        platforms.driver(connection("x", "azure"))


@pytest.mark.usefixtures("pond")
def test_a_platform_without_a_tunnel_says_so() -> None:
    with pytest.raises(HashistackError, match="no tunnel leads to x: its platform has none"):
        platforms.forwarder(connection("x", "pond"))


def test_where_no_tunnel_is_needed_it_says_so() -> None:
    said = r"^no tunnel is needed: the APIs of x are at addresses of this machine\. Next: hashistack status$"
    with pytest.raises(HashistackError, match=said):
        platforms.forwarder(connection("x", "local"))


def test_each_platform_has_a_project_to_begin_with_that_asks_for_its_extra() -> None:
    first = [name for name in platforms.PLATFORMS if platforms.operations(name).here]
    assert [*templates()][: len(first)] == first
    assert {*templates()} == {*platforms.PLATFORMS, "product"}
    for name, folder in templates().items():
        extra = "cli" if name == "product" else platforms.operations(name).extra
        assert files(folder, "x")["requirements.txt"] == f"hashistack[{extra}]~={VERSION}\n"


# A third platform: all that follows is its folder.


class PondDriver:
    def __init__(self, cluster: Connection) -> None:
        self.cluster = cluster


class PondPool(Handler):
    def create(self, ctx: Context, news: Props) -> tuple[str, Props]:
        return "pond", {"count": news["count"]}


def preflight(ctx: Context, asked: Props) -> Props:
    return {"findings": "[]", "depth": asked["depth"]}


class PondOperations(PlatformOperations):
    """Clusters of ducks."""

    extra = "pond"
    component = "hashistack:index:PondCluster"
    handlers: ClassVar = {"hashistack:index:PondPool": f"{__name__}:PondPool"}
    functions: ClassVar = {"hashistack:index:pondPreflight": f"{__name__}:preflight"}
    phases: ClassVar = {"hashistack:index:PondPool": MACHINES}
    archive_scheme = "pond://"
    ducks: ClassVar[list[str]] = []
    silent: ClassVar[bool] = False
    project: ClassVar[Path] = Path("/pond")

    def driver(self, connection: Connection) -> Any:
        return PondDriver(connection)

    def left(self, stack: Stack) -> Sequence[str]:
        if self.silent:
            raise HashistackError("the pond does not answer", "break the ice")
        return [f"duck {name} of {stack.name}" for name in self.ducks]

    def proof(self, stack: Stack) -> str:
        return "no duck of it is left"

    def running(self) -> Sequence[Running]:
        return [Running("mallard-1", "mallard", self.project, "dev", 3, 3)]

    def findings(self) -> Sequence[Finding]:
        return [Finding("the water is warm", None, "4 degrees")]

    def archives(self, url: str) -> Any:
        return url


class OtherOperations(PlatformOperations):
    """A platform that has nothing but its name."""

    extra = "other"
    component = "hashistack:index:OtherCluster"


@pytest.fixture
def pond(monkeypatch: pytest.MonkeyPatch) -> None:
    only = {"pond": f"{__name__}:PondOperations", "other": f"{__name__}:OtherOperations"}
    monkeypatch.setattr(platforms, "PLATFORMS", only)
    monkeypatch.setattr(PondOperations, "ducks", [])


@pytest.mark.usefixtures("pond")
def test_a_third_platform_is_a_line_in_the_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: pond\nruntime: python\n")
    monkeypatch.setattr(PondOperations, "project", tmp_path)
    made = platforms.driver(connection("mallard-1", "pond"))
    assert isinstance(made, PondDriver)
    assert platforms.archive_store("pond://deep") == "pond://deep"
    assert platforms.archive_store("s3://bucket") is None
    assert resolve(None, None, "mallard", platforms.running) == Project(tmp_path, "dev")
    assert [one.sentence for one in of_machine()] == ["the water is warm"]
    assert [*templates()] == ["product"]  # it brings none of its own


@pytest.mark.usefixtures("pond")
def test_the_plugin_serves_a_third_platform() -> None:
    assert registry.handlers().keys() - registry.SHARED.keys() == {"hashistack:index:PondPool"}
    assert registry.handler("hashistack:index:PondPool").create(Context(), {"count": 2}) == ("pond", {"count": 2})
    assert registry.function("hashistack:index:pondPreflight")(Context(), {"depth": 1})["depth"] == 1


@pytest.mark.usefixtures("pond")
def test_the_display_counts_a_third_platforms_machines() -> None:
    step = {"op": "create", "urn": "urn:x::p", "type": "hashistack:index:PondPool"}
    step |= {"new": {"custom": True, "outputs": {"count": 3}}}
    summary = {"summaryEvent": {"resourceChanges": {"create": 1}}}
    events = [{"resourcePreEvent": {"metadata": step}}, {"resOutputsEvent": {"metadata": step}}, summary]
    condenser = Condenser()
    lines = [line.text for event in events for line in condenser.feed(event, 0.0) if line.kind == "done"]
    assert lines == ["3 machines"]


@pytest.mark.usefixtures("pond")
def test_down_proves_for_each_platform_that_the_stack_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    stack, used = run._stack(Project(tmp_path, "dev")), {PondOperations.component}
    assert run._left(stack, used) == []
    monkeypatch.setattr(PondOperations, "ducks", ["donald"])
    assert run._left(stack, used) == ["duck donald of shop/dev"]
    monkeypatch.setattr(PondOperations, "silent", True)
    assert run._left(stack, {OtherOperations.component}) == []  # nothing of it was in the stack
    with pytest.raises(HashistackError, match="the pond does not answer"):
        run._left(stack, used)


# Several clusters in one stack.

TWO = {"connection": connection("a-1111", "local"), "prod": connection("b-2222", "aws")}


@pytest.mark.parametrize("name", ["b-2222", "b", "prod"])
def test_one_of_several_clusters_is_picked_by_id_name_or_output(name: str) -> None:
    assert chosen(TWO, Project(Path("/p"), "dev", name)).name == "b-2222"


def test_several_clusters_are_listed_where_none_is_named() -> None:
    listed = "  --cluster a-1111   local (output connection)\n  --cluster b-2222   aws (output prod)"
    with pytest.raises(Refusal) as refused:
        chosen(TWO, Project(Path("/p"), "dev"))
    assert str(refused.value) == f"/p, stack dev has 2 clusters; say which:\n{listed}"
    with pytest.raises(Refusal, match="has no cluster 'c'; say which"):
        chosen(TWO, Project(Path("/p"), "dev", "c"))
    with pytest.raises(Refusal, match=r"no output of it is a cluster's `connection`\. Next: hashistack up"):
        chosen({}, Project(Path("/p"), "dev"))
    assert chosen({"x": TWO["prod"]}, Project(Path("/p"), "dev")).name == "b-2222"


def test_an_output_is_a_cluster_by_what_it_holds() -> None:
    data = _connection("a-1", "local")
    assert _cluster("any", data) == _cluster("any", json.dumps(data)) == data
    assert _cluster("address", "https://x") is None
    assert _cluster("broken", "{") is None
    assert _cluster("other", {"provider": "x"}) is None
    assert _cluster("connection", "no JSON") == "no JSON"  # refused by name when it is read

"""How each tool is built from Go modules.

A recipe is a directory `recipes/<name>-<version>/` with go.mod and go.sum, which pin every module by digest,
and tools.go, which imports the programs to build. What a tool's versions have in common is in the table here.

A recipe for a new version: copy the last one, change the versions in go.mod, empty go.sum, let Go write it
for each GOARCH, with the tool's tags and CGO_ENABLED from the table:

    GOFLAGS=-mod=mod GONOSUMDB='github.com/hashicorp/*' go list -deps -tags TAGS PACKAGES

(the public checksum database lacks some of those modules; from then on go.sum is the last word).
"""

import re
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

from hashistack.toolchain.tool import Unavailable


@dataclass(frozen=True)
class Settings:
    """Build settings of a tool.

    ldflags: `{version}` is replaced. cgo: has C code. thin: `thinning.py` has something to leave out.
    without: what the vendor's program can do and this one can't, a phrase each.
    """

    ldflags: str = ""
    tags: tuple[str, ...] = ()
    cgo: bool = False
    thin: bool = False
    without: tuple[str, ...] = ()


_NO_CLOUD_JOIN: Final = "joining by a cloud's list of machines (`provider=aws` and the like in retry_join)"

SETTINGS: Final = {
    "pulumi": Settings("-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{version}"),
    # without "release" Nomad has its mock driver in
    "nomad": Settings(tags=("release",), cgo=True, thin=True, without=(_NO_CLOUD_JOIN,)),
    "consul": Settings(
        "-X github.com/hashicorp/consul/version.GitDescribe=v{version}",
        thin=True,
        without=(_NO_CLOUD_JOIN,),
    ),
    # it has every kind of seal
    "vault": Settings(
        tags=("minimal",),
        thin=True,
        without=(
            "secrets engines but kv, pki, ssh and transit (no databases)",
            "auth methods but approle, cert, jwt, oidc and userpass",
            "storage but raft",
            _NO_CLOUD_JOIN.replace("retry_join", "auto_join"),
        ),
    ),
    "cni": Settings("-X github.com/containernetworking/plugins/pkg/utils/buildversion.BuildVersion=v{version}"),
}


@dataclass(frozen=True)
class Recipe:
    """One tool at one version: its settings, its packages (import paths), the oldest Go that compiles it."""

    name: str
    version: str
    settings: Settings
    packages: tuple[str, ...]
    go: tuple[int, ...]
    files: dict[str, str]


def available() -> list[tuple[str, str]]:
    """The (name, version) pairs there are recipes for, sorted."""
    folders = [entry.name for entry in _recipes().iterdir() if entry.is_dir()]
    return sorted((name, version) for name, _, version in (folder.rpartition("-") for folder in folders))


def load(name: str, version: str) -> Recipe:
    """The committed recipe. Raises Unavailable when there is none."""
    folder = _recipes() / f"{name}-{version}"
    if not folder.is_dir():
        known = ", ".join(known for tool, known in available() if tool == name)
        raise Unavailable(f"there is no recipe for {name} {version} (there is for {known})")
    files = {file: (folder / file).read_text() for file in ("go.mod", "go.sum", "tools.go")}
    packages = tuple(re.findall(r'^\t_ "(.+)"$', files["tools.go"], re.MULTILINE))
    (go,) = re.findall(r"^go ([\d.]+)$", files["go.mod"], re.MULTILINE)
    return Recipe(name, version, SETTINGS[name], packages, tuple(map(int, go.split("."))), files)


def wheels() -> str:
    """The compilers' wheels as a pip requirements file with hashes."""
    return (_recipes() / "wheels.txt").read_text()


def _recipes() -> Traversable:
    return resources.files("hashistack.toolchain.build") / "recipes"

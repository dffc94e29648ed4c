"""Whether the agents take the own settings of a specification: asked of their own validators, before anything is made.

A pool without own settings is not looked at. What the validators do not read (the settings inside of Nomad's `plugin`,
for one) is told by the agent when it starts.
"""

from __future__ import annotations

import json
import platform
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from hashistack.component.findings import Finding
from hashistack.machine.config.agents import agents
from hashistack.machine.config.fragments import Json, filled, merged
from hashistack.machine.platform import Platform
from hashistack.machine.roles import SERVER
from hashistack.spec import ClientPool, ClusterSpec, ServerPool
from hashistack.spec.catalog import Product
from hashistack.spec.own_settings import changed
from hashistack.toolchain import Tool, ToolError, host_arch, resolve

_ANY = Platform(name="any", join=("servers",), upstreams=())
_PATIENCE: Final = 60  # seconds; each takes a tenth of one
_UNKNOWN_TO_VAULT = re.compile(r"Unknown or unsupported field (\S+) found")


class _StandIns(dict[str, Any]):
    """Values for the placeholders that only a machine can fill in."""

    def __missing__(self, name: str) -> str:
        if name.endswith("_gossip"):
            return "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
        return "00000000-0000-0000-0000-000000000001" if name.startswith("secret.") else "machine"


_KNOWN = _StandIns(ip="10.0.0.1", servers=3, quorum=2, expect=3)


def findings(spec: ClusterSpec, build: bool = False, tell: Any = None) -> Iterator[Finding]:
    """One finding for each product of each pool that has own settings for it, and one for each that it took once.

    build: whether a tool that only a build from source can bring is built for this; tell: hears of its progress.
    """
    tools: dict[Product, Tool | Finding] = {}
    pools: list[tuple[str, str, ServerPool | ClientPool]] = [("servers", SERVER, spec.servers)]
    pools += [(f"clients[{index}]", pool.name, pool) for index, pool in enumerate(spec.clients)]
    for path, name, pool in pools:
        configuration = agents(spec, name, _ANY, cni="/cni")
        products: tuple[Product, ...] = ("nomad", "consul", "vault")
        for product in products:
            own: Mapping[str, Any] = getattr(pool, f"{product}_config", {})
            if not own:
                continue
            if product not in tools:
                tools[product] = _tool(spec, product, pool.arch, build, tell)
            tool, field = tools[product], f"spec.{path}.{product}_config"
            sentence = f"{product} {spec.versions.of(product)} takes {field}"
            for change in changed(product, spec.versions.of(product), own):
                # Before its validator, which does not tell all of these, and never what to write instead.
                detail = f"{change.path}: from {change.since} on, {change.what}"
                yield Finding(sentence, False if change.stops else None, detail, change.remedy)
            if isinstance(tool, Finding):
                yield Finding(sentence, None, tool.detail, tool.remedy)
                continue
            wrong = _refused(tool, filled(merged(configuration[product]), _KNOWN), own)
            yield Finding(sentence, False, wrong, "correct it") if wrong else Finding(sentence, True, "valid")


def _tool(spec: ClusterSpec, product: Product, arch: str, build: bool, tell: Any) -> Tool | Finding:
    """The product's executable for this machine; else why the settings are not checked here."""
    version = spec.versions.of(product)
    unchecked = "not checked here"
    if platform.system() != "Linux":
        return Finding("", None, f"{unchecked}: the agents run on Linux alone", "`hashistack doctor` on Linux")
    try:
        here = host_arch()
        return resolve(
            product, version, here, tell, sha256=spec.versions.digests(product).get(here), build=build and arch == here
        )
    except ToolError as error:
        reason, fetch = str(error).partition("\n")[0], f"hashistack toolchain fetch {product} --version {version}"
        return Finding("", None, f"{unchecked}: {reason}", f"{fetch}, or let `up` check it")


def _refused(tool: Tool, configuration: Json, own: Mapping[str, Any]) -> str:
    """Why the agent does not take the configuration, "" where it does."""
    with TemporaryDirectory(prefix="hashistack-") as directory:
        file = Path(directory, f"{tool.name}.json")
        if tool.name == "vault":  # which would look into its storage
            configuration["storage"]["raft"]["path"] = f"{directory}/none"
        file.write_text(json.dumps(configuration))
        command = {
            "nomad": ["config", "validate", str(file)],
            "consul": ["validate", str(file)],
            "vault": ["operator", "diagnose", "-format=json", f"-config={file}"],
        }[tool.name]
        try:
            ran = subprocess.run(
                [tool.path, *command],
                cwd=directory,
                env={"HOME": directory, "PATH": "/usr/bin:/bin"},
                capture_output=True,
                text=True,
                timeout=_PATIENCE,
                stdin=subprocess.DEVNULL,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"its validator can't be run: {error}"
        if tool.name == "vault":
            return _vault(ran.stdout, str(file), own)
        return _said(ran.stdout + ran.stderr, str(file)) if ran.returncode else ""


def _vault(output: str, file: str, own: Mapping[str, Any]) -> str:
    """What Vault says of the configuration itself. All else that it diagnoses is about a machine that is not there."""
    children = json.loads(output or "{}").get("children", ())
    parsed: Mapping[str, Any] = next((one for one in children if one["name"] == "Parse Configuration"), {})
    if parsed.get("status") == "fail":
        return _said(parsed["message"], file)
    unknown = _UNKNOWN_TO_VAULT.findall(" ".join(parsed.get("warnings", ())))
    strange = [name for name in unknown if name in json.dumps(own)]
    return f"unknown field {', '.join(strange)}" if strange else ""


def _said(output: str, file: str) -> str:
    """A validator's words on one line, without the file, which is gone."""
    words = output.rpartition(f"{file}: ")[2] or output
    lines = [line.strip().removeprefix("* ") for line in words.splitlines()]
    return "; ".join(line for line in lines if line and not re.fullmatch(r"\d+ errors? occurred:", line))

"""`hashistack env`: lines for a shell, so that the vendor's own commands work against the cluster at once."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path

from hashistack.ops.api import tunnel
from hashistack.ops.api.connection import Connection

NAMES = (
    *("NOMAD_ADDR", "NOMAD_TOKEN", "NOMAD_CACERT", "NOMAD_REGION", "NOMAD_TLS_SERVER_NAME"),
    *("CONSUL_HTTP_ADDR", "CONSUL_HTTP_SSL", "CONSUL_HTTP_TOKEN"),
    *("CONSUL_CACERT", "CONSUL_CLIENT_CERT", "CONSUL_CLIENT_KEY", "CONSUL_TLS_SERVER_NAME"),
    *("VAULT_ADDR", "VAULT_TOKEN", "VAULT_CACERT", "VAULT_TLS_SERVER_NAME"),
)
"""What `--unset` takes back, with the tools' directories on PATH."""

RESOLVER = "HASHISTACK_DNS"
"""Where this machine is answered for names of the cluster's domain, where it is."""

TOOLS_VARIABLE = "HASHISTACK_TOOLS"
"""Remembers what was put on PATH, so that a second `env` replaces it and `--unset` takes it away."""


class Shell(StrEnum):
    """Whose syntax to write."""

    SH = "sh"
    FISH = "fish"


def write_certificates(connection: Connection, place: Path) -> dict[str, str]:
    """CA, certificate and key as files that only this user reads; answers their paths by kind."""
    texts = {
        "ca": connection.ca_pem,
        "cert": connection.operator_cert_pem,
        "key": connection.operator_key_pem,
    }
    paths = {}
    for kind, text in texts.items():
        file = place / f"{kind}.pem"
        draft = place / f".{kind}.{os.getpid()}"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            out.write(text)
        draft.replace(file)
        paths[kind] = str(file)
    return paths


def variables(connection: Connection, files: Mapping[str, str], vault_token: str) -> dict[str, str]:
    """The environment of the vendor's commands. `files`: paths of ca, cert and key."""
    return {
        **nomad_variables(connection, files),
        "CONSUL_HTTP_ADDR": tunnel.address(connection, "consul"),
        "CONSUL_HTTP_SSL": "true",
        "CONSUL_HTTP_TOKEN": connection.consul.secret,
        "CONSUL_CACERT": files["ca"],
        "CONSUL_CLIENT_CERT": files["cert"],
        "CONSUL_CLIENT_KEY": files["key"],
        "CONSUL_TLS_SERVER_NAME": connection.server_name,
        "VAULT_ADDR": tunnel.address(connection, "vault"),
        "VAULT_TOKEN": vault_token,
        "VAULT_CACERT": files["ca"],
        "VAULT_TLS_SERVER_NAME": connection.server_name,
    }


def nomad_variables(connection: Connection, files: Mapping[str, str]) -> dict[str, str]:
    """The environment of the nomad command alone."""
    return {
        "NOMAD_ADDR": tunnel.address(connection, "nomad"),
        "NOMAD_TOKEN": connection.nomad.secret,
        "NOMAD_CACERT": files["ca"],
        "NOMAD_REGION": connection.region,
        "NOMAD_TLS_SERVER_NAME": connection.server_name,
    }


def export(values: Mapping[str, str], tools: Sequence[Path], shell: Shell) -> str:
    """Lines that set `values` and put the directories of `tools` first on PATH."""
    path = _without_tools(os.environ)
    places = list(dict.fromkeys(str(place) for place in tools))
    everything = {**values, TOOLS_VARIABLE: os.pathsep.join(places), "PATH": os.pathsep.join([*places, *path])}
    return "\n".join(_set(name, value, shell) for name, value in everything.items())


def unset(shell: Shell) -> str:
    """Lines that take back what `export` did."""
    word = "unset" if shell is Shell.SH else "set -e"
    lines = [f"{word} {name}" for name in (*NAMES, RESOLVER, TOOLS_VARIABLE)]
    return "\n".join([*lines, _set("PATH", os.pathsep.join(_without_tools(os.environ)), shell)])


def _without_tools(environment: Mapping[str, str]) -> list[str]:
    ours = set(environment.get(TOOLS_VARIABLE, "").split(os.pathsep)) - {""}
    return [place for place in environment.get("PATH", "").split(os.pathsep) if place not in ours]


def _set(name: str, value: str, shell: Shell) -> str:
    if shell is Shell.SH:
        return f"export {name}={shlex.quote(value)}"
    # fish: only \ and ' are special between quotes; PATH is a list.
    quote = "'{}'".format
    parts = value.split(os.pathsep) if name == "PATH" else [value]
    return f"set -gx {name} " + " ".join(quote(p.replace("\\", "\\\\").replace("'", "\\'")) for p in parts)

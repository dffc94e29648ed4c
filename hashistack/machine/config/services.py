"""The runit services of a machine: a name and its ``run`` script. `node/lib/log` is every service's log."""

from __future__ import annotations

from hashistack.machine.config.nomad import IMAGE_CNI
from hashistack.spec.durations import seconds
from hashistack.spec.snapshots import Snapshots

_START = "#!/bin/sh\nexec 2>&1\nulimit -c 0\n"
_BIN = "/opt/hashistack/bin"
_NODE = "/opt/hashistack/current/bin"
_RUN = "/run/hashistack"


def services(role: str, tools: dict[str, str], snapshots: Snapshots, docker: bool = False) -> dict[str, str]:
    """Service name to ``run`` script; ``tools`` maps a binary's name to its sha256.

    Servers run every product as a user of its own; a Nomad client needs root for its task drivers.
    """
    server = role == "server"
    as_nomad, first = ("chpst -u nomad ", "") if server else ("", f"{_NODE}/wait-for-leader\n{_consul_in_path(tools)}")
    found = {
        "unbound": f"exec unbound -d -c {_RUN}/unbound/unbound.conf\n",
        "consul": f"exec chpst -u consul {_binary('consul', tools)} agent -config-file={_RUN}/consul/consul.json\n",
        "nomad": f"{first}exec {as_nomad}{_binary('nomad', tools)} agent -config={_RUN}/nomad/nomad.json\n",
        "health": f"exec {_NODE}/health watch\n",
        "dns-servers": f"exec {_NODE}/dns-servers\n",
        "secrets-watch": f"exec {_NODE}/secrets-watch\n",
        "termination-watch": f"exec {_NODE}/termination-watch\n",
    }
    if server:
        found["consul"] = f"{_NODE}/catch-up\n{found['consul'].rstrip()} -config-dir={_RUN}/consul-behind\n"
        # Each standby needs the audit file's directory, or it can't take over: hashicorp/vault#2083.
        audit = "/var/log/hashistack/vault-audit"
        found["vault"] = (
            f"mkdir -p {audit} && chown vault {audit} && chmod 700 {audit}\n"
            f"exec chpst -u vault {_binary('vault', tools)} server -config={_RUN}/vault/vault.json\n"
        )
        found["bootstrap"] = f"exec {_NODE}/bootstrap\n"
        every = seconds(snapshots.interval) if snapshots.enabled else 0
        found["snapshots"] = f"exec {_NODE}/snapshots {every:.0f} {snapshots.retain}\n"
        found["prune-members"] = f"exec {_NODE}/prune-members\n"
        found["join-vault"] = f"exec {_NODE}/join-vault\n"
    if docker:
        found["docker"] = f"exec {_NODE}/start-docker\n"
    return {name: _START + script for name, script in sorted(found.items())}


def _binary(name: str, tools: dict[str, str]) -> str:
    return f"{_BIN}/{name}/{tools[name]}/{name}"


def _consul_in_path(tools: dict[str, str]) -> str:
    """Nomad's client runs `consul` for each Envoy that it starts, and warns where no directory of plugins is."""
    return f'PATH={_BIN}/consul/{tools["consul"]}:"$PATH"\nmkdir -p {IMAGE_CNI}\n'

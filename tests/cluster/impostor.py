"""Somebody who has what a client machine has, and would like to be a server."""

from __future__ import annotations

import io
import json
import secrets
import socket
import ssl
import tarfile
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from importlib.resources import files as files_of
from typing import Any

from docker.models.containers import Container

from hashistack.local.machines import CAPABILITIES, UNCONFINED
from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.http import ApiError
from hashistack.secrets import pki

from .datacenter import Datacenter, Machine
from .project import until

HOLD_SECONDS = 12.0
"""Longer than the autopilots' stabilization time (10 s), after which a sound newcomer would get its vote."""
PATIENCE_SECONDS = 1.5
"""How long silence is taken for a connection that stays open."""
REFUSAL_SECONDS = 30.0
"""How long a busy server may take to close one."""

_MACHINE = """\
mkdir -p /etc/hashistack && echo HS_ROLE=client >/etc/hashistack/metadata && sh /impostor/platform prepare
exec sleep 900
"""
_BOTH = """\
cd /impostor && mkdir -p consul nomad
"$CONSUL" agent -config-file=consul.json >consul.log 2>&1 &
"$NOMAD" agent -config=nomad.json >nomad.log 2>&1 &
wait
"""


def raft_connection_stays_open(
    ip: str, port: tuple[int, bytes, bytes], ca: str, cert: str, key: str, seconds: float = PATIENCE_SECONDS
) -> bool:
    """Whether a server goes on listening to one who asks for TLS, shows this certificate, and asks for Raft.

    `port` is its number, the byte that announces TLS and the one that, inside, announces Raft.
    """
    number, tls, raft = port
    context = ssl.create_default_context(cadata=ca)
    context.check_hostname = False
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as chain:
        chain.write(cert.rstrip() + "\n" + key)
        chain.flush()
        context.load_cert_chain(chain.name)
    with socket.create_connection((ip, number), timeout=5) as plain:
        plain.sendall(tls)
        plain.settimeout(seconds)
        try:
            with context.wrap_socket(plain) as inside:
                inside.sendall(raft)
                return inside.recv(1) != b""
        except TimeoutError:
            return True
        except OSError:
            return False


class Impostor:
    """A container in the cluster's network: Consul and Nomad as servers, with the certificate of a client.

    It has Nomad's gossip key too, which no client has: only the certificate stands between it and the servers.
    """

    def __init__(self, datacenter: Datacenter) -> None:
        self.datacenter = datacenter
        self.name = f"impostor-{secrets.token_hex(2)}"
        server, document = datacenter.servers[0], datacenter.clients[0].role_document()
        files = {
            "consul.json": json.dumps(self._consul(server.ip, document)),
            "nomad.json": json.dumps(self._nomad(server.ip, server.role_document()["nomad_gossip"])),
        }
        self.container = _intruder(datacenter, self.name, _BOTH, files)

    def certificate(self, *names: str) -> pki.Issued:
        """A certificate of the cluster's CA for other names, as if somebody had mis-issued one."""
        cert, key = self.datacenter.authority()
        return pki.certificate(
            cert, key, common_name=names[0], dns_names=names, validity=timedelta(hours=1), now=datetime.now(UTC)
        )

    def stays_powerless(self, product: str) -> None:
        """It is seen by the servers as one that would be a server, and still never gets a vote nor the data."""
        until(
            lambda: self.name in self._members(product), 90, lambda: f"{product} knows {self.name}: {self.log(product)}"
        )
        deadline = time.monotonic() + HOLD_SECONDS
        while time.monotonic() < deadline:
            voters = self._voters(product)
            assert len(voters) == 3, voters
            assert not any(self.name in voter for voter in voters), voters
            time.sleep(0.5)
        code, seen = self.run(_STALE[product])
        assert code == 0, seen
        assert not [machine.name for machine in self.datacenter.machines() if machine.name in seen], seen

    def run(self, script: str) -> tuple[int, str]:
        return Machine(self.container).run(script)

    def log(self, product: str) -> str:
        return self.run(f"cat /impostor/{product}.log")[1]

    def leave(self) -> None:
        """Removes it, and what the servers remember of it."""
        self.container.remove(force=True, v=True)
        self.datacenter.vendor("consul", "force-leave", "-prune", self.name)
        self.datacenter.vendor("nomad", "server", "force-leave", f"{self.name}.{self.datacenter.connection.region}")
        with Cluster(self.datacenter.connection) as cluster:

            def forgotten() -> bool:
                try:
                    cluster.consul.forget(self.name)
                    cluster.nomad.forget_server(self.name)
                except ApiError:
                    return False  # an election is under way
                return all(len(self._peers(product)) == 3 for product in ("consul", "nomad"))

            until(forgotten, 120, f"{self.name} is no peer any more")

    def _members(self, product: str) -> str:
        return self.datacenter.vendor(product, *(("members",) if product == "consul" else ("server", "members")))

    def _voters(self, product: str) -> list[str]:
        return [peer for peer in self._peers(product) if " true " in peer]

    def _peers(self, product: str) -> list[str]:
        return self.datacenter.vendor(product, "operator", "raft", "list-peers").splitlines()[1:]

    def _consul(self, server: str, document: Mapping[str, str]) -> dict[str, Any]:
        return {
            "node_name": self.name,
            "datacenter": self.datacenter.connection.datacenter,
            "server": True,
            "data_dir": "/impostor/consul",
            "retry_join": [server],
            "retry_interval": "1s",
            "encrypt": document["consul_gossip"],
            "acl": {
                "enabled": True,
                "default_policy": "deny",
                "tokens": {"agent": document["consul_client_agent"]},
            },
            "tls": {
                "defaults": {
                    "ca_file": "/impostor/ca.pem",
                    "cert_file": "/impostor/cert.pem",
                    "key_file": "/impostor/key.pem",
                    "verify_incoming": True,
                    "verify_outgoing": True,
                }
            },
        }

    def _nomad(self, server: str, gossip: str) -> dict[str, Any]:
        return {
            "name": self.name,
            "region": self.datacenter.connection.region,
            "datacenter": self.datacenter.connection.datacenter,
            "data_dir": "/impostor/nomad",
            "consul": {"server_auto_join": False, "auto_advertise": False},
            "server": {
                "enabled": True,
                "encrypt": gossip,
                "server_join": {"retry_join": [server], "retry_interval": "1s"},
            },
            "acl": {"enabled": True},
            "tls": _NOMAD_TLS,
        }


class Stranger:
    """A container in the cluster's network, no machine of it: a Nomad client with a client's certificate."""

    def __init__(self, datacenter: Datacenter) -> None:
        self.datacenter = datacenter
        self.name = f"stranger-{secrets.token_hex(2)}"
        files = {"platform": (files_of("hashistack.machine") / "node/platform/platform-local").read_text()}
        # Nomad's client makes cgroups when it starts, as on a machine.
        rights = {"cap_add": CAPABILITIES, "security_opt": UNCONFINED, "userns_mode": "host"}
        self.container = _intruder(datacenter, self.name, _MACHINE, files, **rights)

    def begins(self, introduction: str, node_pool: str) -> None:
        """Its Nomad starts, with an introduction or without ("")."""
        files = {"nomad.json": json.dumps(self._nomad(node_pool)), "nomad/client/intro_token.jwt": introduction}
        self.run("pkill -x nomad; while pgrep -x nomad; do sleep 0.1; done; rm -rf /impostor/nomad /impostor/nomad.log")
        self.container.put_archive("/", _tar(files))
        start = 'exec "$NOMAD" agent -config=/impostor/nomad.json >/impostor/nomad.log 2>&1'
        self.container.exec_run(["sh", "-c", start], detach=True)

    def is_refused(self) -> None:
        until(lambda: "error registering: error=" in self.log(), 60, lambda: f"{self.name} is refused: {self.log()}")
        assert "Permission denied" in self.log()
        assert self.nodes() == []

    def nodes(self) -> list[dict[str, Any]]:
        """What Nomad lists of it."""
        return [node for node in self.datacenter.nomad("/v1/nodes") if node["Name"] == self.name]

    def run(self, script: str) -> tuple[int, str]:
        return Machine(self.container).run(script)

    def log(self) -> str:
        return self.run("cat /impostor/nomad.log")[1]

    def leave(self) -> None:
        self.container.remove(force=True, v=True)
        for node in self.nodes():
            self.datacenter.nomad(f"/v1/node/{node['ID']}/purge", body={})

    def _nomad(self, node_pool: str) -> dict[str, Any]:
        return {
            "name": self.name,
            "region": self.datacenter.connection.region,
            "datacenter": self.datacenter.connection.datacenter,
            "data_dir": "/impostor/nomad",
            "consul": {"client_auto_join": False, "auto_advertise": False},
            "client": {
                "enabled": True,
                "node_pool": node_pool,
                "servers": [server.ip for server in self.datacenter.servers],
                # It does no work, and no cloud's metadata service is looked for.
                "options": {"driver.allowlist": "none", "fingerprint.allowlist": "cpu,memory,network,storage"},
            },
            "acl": {"enabled": True},
            "tls": _NOMAD_TLS,
        }


_NOMAD_TLS = {
    "http": True,
    "rpc": True,
    "ca_file": "/impostor/ca.pem",
    "cert_file": "/impostor/cert.pem",
    "key_file": "/impostor/key.pem",
    "verify_server_hostname": True,
    "verify_https_client": False,
}


def _intruder(datacenter: Datacenter, name: str, script: str, files: Mapping[str, str], **rights: Any) -> Container:
    """A container in the cluster's network with a client's programs and certificate, in /impostor beside `files`."""
    client = datacenter.clients[0]
    document = client.role_document()
    binaries = {tool: client.sh(f"ls -d /opt/hashistack/bin/{tool}/*/{tool}").strip() for tool in ("consul", "nomad")}
    container: Container = datacenter.client.containers.create(
        client.container.image,
        ["-c", script],
        entrypoint="sh",
        name=name,
        network=datacenter.site,
        volumes=[mount for mount in client.container.attrs["HostConfig"]["Binds"] if "/opt/hashistack/bin/" in mount],
        environment={tool.upper(): path for tool, path in binaries.items()},
        **rights,
    )
    container.put_archive("/", _tar({**files, **{f"{kind}.pem": document[kind] for kind in ("ca", "cert", "key")}}))
    container.start()
    return container


_STALE = {
    "consul": "curl -s 'http://127.0.0.1:8500/v1/catalog/nodes?stale'",
    "nomad": "curl -s --cacert /impostor/ca.pem 'https://localhost:4646/v1/nodes?stale'",
}


def _tar(files: Mapping[str, str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"impostor/{name}")
            member.size, member.mode = len(text.encode()), 0o600
            archive.addfile(member, io.BytesIO(text.encode()))
    return out.getvalue()

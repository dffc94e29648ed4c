"""Real agents on loopback, one of each, with TLS and ACLs as in a cluster. Nothing here is a stand-in."""

from __future__ import annotations

import datetime
import ipaddress
import itertools
import json
import os
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.connection import Connection
from hashistack.ops.api.http import Api, ApiError, tls_context
from hashistack.spec.versions import Versions
from hashistack.toolchain import resolve

from .commands import Command

START_SECONDS = 120


@dataclass(frozen=True)
class Pki:
    """A CA and one certificate that is good for server and client."""

    ca_pem: str
    cert_pem: str
    key_pem: str
    directory: Path

    def files(self) -> dict[str, str]:
        return {kind: str(self.directory / f"{kind}.pem") for kind in ("ca", "cert", "key")}


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    now = datetime.datetime.now(datetime.UTC)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())

    def builder(subject: str, public: ec.EllipticCurvePublicKey, days: int) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(_name(subject))
            .issuer_name(_name("test CA"))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=1))
            .not_valid_after(now + datetime.timedelta(days=days))
        )

    ca = (
        builder("test CA", ca_key.public_key(), 30)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    names = ("localhost", "server.global.nomad", "client.global.nomad", "server.dc1.consul")
    alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    alternatives.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    certificate = (
        builder("agent", key.public_key(), 10)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    directory = tmp_path_factory.mktemp("pki")
    encoding = serialization.Encoding.PEM
    texts = {
        "ca": ca.public_bytes(encoding).decode(),
        "cert": certificate.public_bytes(encoding).decode(),
        "key": key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode(),
    }
    for kind, text in texts.items():
        (directory / f"{kind}.pem").write_text(text)
    return Pki(texts["ca"], texts["cert"], texts["key"], directory)


@pytest.fixture(scope="session")
def tool() -> Callable[[str], Path]:
    """The pinned executable of a product, as the cluster's machines get it."""
    versions = Versions()
    return lambda name: resolve(name, str(getattr(versions, name))).path


_PORTS = itertools.count(20000 + 1000 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")))
"""This worker's own, below those that the kernel gives to whoever asks for any (ip_local_port_range)."""


def free_ports(count: int) -> list[int]:
    """Ports that nobody has now; nobody else of these tests takes them later."""
    return list(itertools.islice(filter(_free, _PORTS), count))


def _free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(type=kind) as one:
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


@contextmanager
def running(arguments: list[str], log: Path, answers: Callable[[], object]) -> Iterator[None]:
    """The agent as a child process, from its first answer on; stopped at the end.

    In namespaces of its own, so that nothing of it is left whoever ends it, a killed test run too: neither what it has
    started nor what it has mounted (Nomad: tasks and their secrets), which would hold its directory.
    """
    alone = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount-proc", "--pid", "--fork", "--kill-child", *arguments]
    with log.open("w") as output:
        process = subprocess.Popen(alone, stdout=output, stderr=subprocess.STDOUT, cwd=log.parent)
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                answers()
                break
            except ApiError as error:
                tail = log.read_text()[-2000:]
                assert process.poll() is None, f"{arguments[0]} ended with {process.returncode}:\n{tail}"
                assert time.monotonic() < deadline, f"{error}\n{tail}"
                time.sleep(0.1)
        yield
    finally:
        process.kill()
        process.wait()


@dataclass(frozen=True)
class Started:
    """Where a product answers, and its token or password."""

    address: str
    secret: str


@pytest.fixture(scope="session")
def consul(pki: Pki, tool: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    directory, token = tmp_path_factory.mktemp("consul"), str(uuid.uuid4())
    https, server, lan, wan = free_ports(4)
    files = {f"{kind}_file": path for kind, path in pki.files().items()}
    configuration = {
        "node_name": "server-1",
        "node_meta": {"hashistack_pool": "server"},
        "server": True,
        "bootstrap_expect": 1,
        "data_dir": str(directory / "data"),
        "bind_addr": "127.0.0.1",
        "client_addr": "127.0.0.1",
        "ports": {
            "http": -1,
            "https": https,
            "dns": -1,
            "grpc": -1,
            "grpc_tls": -1,
            "server": server,
            "serf_lan": lan,
            "serf_wan": wan,
        },
        "performance": {"raft_multiplier": 1},
        "acl": {
            "enabled": True,
            "default_policy": "deny",
            "tokens": {"initial_management": token, "agent": token},
        },
        "tls": {"defaults": {**files, "verify_incoming": True, "verify_outgoing": True}},
    }
    (directory / "consul.json").write_text(json.dumps(configuration))
    address = f"https://127.0.0.1:{https}"
    context = tls_context(pki.ca_pem, pki.cert_pem, pki.key_pem)
    api = Api("consul", [address], context, ("X-Consul-Token", token))

    # Through the agent, as a machine does it, and now: what the agent has from its file it syncs minutes later.
    check = {"ID": "hashistack", "Name": "hashistack", "TTL": "1h", "Status": "critical"}

    def answers() -> None:
        api.call("PUT", "/v1/agent/check/register", body=check)
        known = api.call("GET", "/v1/health/node/server-1").data
        if not any(one["CheckID"] == check["ID"] for one in known):
            raise ApiError("consul", "GET", "/v1/health/node/server-1", 200, "its check is not in the catalog yet")

    arguments = [str(tool("consul")), "agent", "-config-file", str(directory / "consul.json")]
    with closing(api), running(arguments, directory / "log", answers):
        yield Started(address, token)


@pytest.fixture(scope="session")
def nomad(pki: Pki, tool: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    directory, token = tmp_path_factory.mktemp("nomad"), str(uuid.uuid4())
    http, rpc, serf = free_ports(3)
    files = {f"{kind}_file": path for kind, path in pki.files().items()}
    configuration = {
        "name": "server-1",
        "data_dir": str(directory / "data"),
        "bind_addr": "127.0.0.1",
        "advertise": dict.fromkeys(("http", "rpc", "serf"), "127.0.0.1"),
        "ports": {"http": http, "rpc": rpc, "serf": serf},
        "disable_update_check": True,
        "server": {"enabled": True, "bootstrap_expect": 1, "raft_multiplier": 1},
        "client": {
            "enabled": True,
            "node_pool": "web",
            "meta": {"hashistack_pool": "web"},
            "servers": [f"127.0.0.1:{rpc}"],
            "no_host_uuid": True,
            "options": {
                "driver.denylist": "docker,exec,java,qemu",
                "fingerprint.denylist": "env_aws,env_gce",
            },
        },
        "acl": {"enabled": True},
        "tls": {"http": True, "rpc": True, **files, "verify_server_hostname": True},
        "plugin": [{"raw_exec": {"config": {"enabled": True}}}],
        "consul": {
            "address": "127.0.0.1:1",
            "auto_advertise": False,
            "server_auto_join": False,
            "service_identity": {"aud": ["consul.io"], "ttl": "1h"},
        },
        "vault": {
            "enabled": True,
            "address": "https://127.0.0.1:1",
            "jwt_auth_backend_path": "jwt-nomad",
            "default_identity": {"aud": ["vault.io"], "ttl": "1h"},
        },
    }
    (directory / "nomad.json").write_text(json.dumps(configuration))
    address = f"https://127.0.0.1:{http}"
    api = Api("nomad", [address], tls_context(pki.ca_pem), ("X-Nomad-Token", token))
    arguments = [str(tool("nomad")), "agent", "-config", str(directory / "nomad.json")]

    bootstrapped = False

    def answers() -> None:
        nonlocal bootstrapped
        if not bootstrapped:
            api.call("PUT", "/v1/acl/bootstrap", body={"BootstrapSecret": token})
            bootstrapped = True
        if not any(node["Status"] == "ready" for node in api.call("GET", "/v1/nodes").data):
            raise ApiError("nomad", "GET", "/v1/nodes", 200, "its client is not ready yet")

    with closing(api), running(arguments, directory / "log", answers):
        yield Started(address, token)


@pytest.fixture(scope="session")
def vault(pki: Pki, tool: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    directory, password = tmp_path_factory.mktemp("vault"), str(uuid.uuid4())
    api_port, cluster_port = free_ports(2)
    (directory / "raft").mkdir()
    address, files = f"https://127.0.0.1:{api_port}", pki.files()
    configuration = {
        "storage": {"raft": {"path": str(directory / "raft"), "node_id": "server-1", "performance_multiplier": 1}},
        "listener": [
            {
                "tcp": {
                    "address": f"127.0.0.1:{api_port}",
                    "cluster_address": f"127.0.0.1:{cluster_port}",
                    "tls_cert_file": files["cert"],
                    "tls_key_file": files["key"],
                }
            }
        ],
        "api_addr": address,
        "cluster_addr": f"https://127.0.0.1:{cluster_port}",
        "disable_mlock": True,
    }
    (directory / "vault.json").write_text(json.dumps(configuration))
    api = Api("vault", [address], tls_context(pki.ca_pem))
    arguments = [str(tool("vault")), "server", f"-config={directory / 'vault.json'}"]
    with closing(api), running(arguments, directory / "log", lambda: api.call("GET", "/v1/sys/seal-status")):
        keys = api.call("PUT", "/v1/sys/init", body={"secret_shares": 1, "secret_threshold": 1}).data
        api.call("PUT", "/v1/sys/unseal", body={"key": keys["keys"][0]})
        root = ("X-Vault-Token", keys["root_token"])
        policy = 'path "*" { capabilities = ["create", "read", "update", "delete", "list", "sudo"] }'
        api.call("PUT", "/v1/sys/policies/acl/operator", body={"policy": policy}, token=root, seconds=20)
        api.call("PUT", "/v1/sys/auth/userpass", body={"type": "userpass"}, token=root)
        user = {"password": password, "token_policies": ["operator"], "token_ttl": "1h"}
        api.call("PUT", "/v1/auth/userpass/users/operator", body=user, token=root)
        api.call("PUT", "/v1/sys/mounts/kv", body={"type": "kv", "options": {"version": "2"}}, token=root)
        yield Started(address, password)


@pytest.fixture(scope="session")
def connection(pki: Pki, consul: Started, nomad: Started, vault: Started) -> Connection:
    """The three as one cluster of one server and one client; a dead address comes first in each list."""
    dead = [f"https://127.0.0.1:{port}" for port in free_ports(2)]
    return Connection.parse(
        {
            "format": 1,
            "name": "test",
            "provider": "local",
            "datacenter": "dc1",
            "region": "global",
            "ca_pem": pki.ca_pem,
            "operator_cert_pem": pki.cert_pem,
            "operator_key_pem": pki.key_pem,
            "nomad": {"address": nomad.address, "servers": [dead[0], nomad.address], "token": nomad.secret},
            "consul": {"address": consul.address, "servers": [dead[1], consul.address], "token": consul.secret},
            "vault": {"address": vault.address, "servers": [], "username": "operator", "password": vault.secret},
            "pools": [
                {"name": "server", "role": "server", "count": 1.0},
                {"name": "web", "role": "client", "count": 1},
            ],
        }
    )


@pytest.fixture
def cluster(connection: Connection) -> Iterator[Cluster]:
    """An open client of the three."""
    with Cluster(connection) as opened:
        yield opened


@pytest.fixture
def command(connection: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs `hashistack ARGUMENTS` in a project whose stack has these agents as its cluster."""
    from typer.testing import CliRunner

    from hashistack.cli.main import app

    class Deployed:
        def __init__(self, *_: object) -> None:
            pass

        def connection(self) -> Connection:
            return connection

    project = tmp_path / "project"
    project.mkdir()
    (project / "Pulumi.yaml").write_text("name: agents\nruntime: python\n")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("HASHISTACK_PROJECT", str(project))
    monkeypatch.setattr("hashistack.cli.engine.Engine", Deployed)
    monkeypatch.chdir(project)
    return lambda *arguments: CliRunner().invoke(app, list(arguments))

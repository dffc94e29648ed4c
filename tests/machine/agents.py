"""A server machine with the real Vault and Consul, alone, and Nomad's signing key in the test's hands.

What the servers write into a cluster is tried on it: by the node's own programs, the vendor's commands, and the
workload identities that Nomad would sign.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from hashistack.machine.bundle import Bundle
from hashistack.toolchain import resolve

from .cases import CASES
from .conftest import wait_for
from .sandbox import Sandbox
from .test_real_programs import document

CASE = "minimal"
BIN = "/opt/hashistack/current/bin"
REGION = CASES[CASE].spec.region

_AGENTS = """
mkdir -p /var/lib/hashistack/consul /var/lib/hashistack/vault /var/log/hashistack/vault-audit
/tool/consul/consul agent -config-file=/run/hashistack/consul/consul.json >/var/log/consul 2>&1 &
/tool/vault/vault server -config=/run/hashistack/vault/vault.json >/var/log/vault 2>&1 &
wait
"""

# Nomad's JWKS, over TLS at the address that Vault and Consul ask.
_JWKS = """
import http.server, ssl, sys
class Keys(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(sys.argv[2].encode())
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 4646), Keys)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1])
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Signer:
    """Nomad's keyring: signs workload identities as Nomad does (nomad/structs/identity.go)."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        numbers = self._key.public_key().public_numbers()
        key = {name: _base64(value.to_bytes(-(-value.bit_length() // 8))) for name, value in _parts(numbers).items()}
        self.jwks = json.dumps({"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "one", **key}]})

    def identity(
        self,
        job: str,
        namespace: str = "default",
        group: str = "group",
        task: str = "task",
        region: str = REGION,
        audience: str = "vault.io",
        service: str = "",
    ) -> str:
        """The identity of a task, or of a service, as a JWT. A child's `job` is its parent's, as in Nomad."""
        now = int(time.time())
        own = {"nomad_service": service} if service else {"nomad_task": task}
        claims = {
            "nomad_namespace": namespace,
            "nomad_job_id": job,
            "nomad_allocation_id": f"of {job}",
            **own,
            "aud": audience,
            "iat": now,
            "nbf": now,
            "exp": now + 3600,
            "sub": f"{region}:{namespace}:{job}:{group}:{service or task}:{audience.removesuffix('.io')}_default",
        }
        parts = ({"alg": "RS256", "kid": "one", "typ": "JWT"}, claims)
        signed = ".".join(_base64(json.dumps(part).encode()) for part in parts)
        return f"{signed}.{_base64(self._key.sign(signed.encode(), padding.PKCS1v15(), SHA256()))}"


def _parts(numbers: rsa.RSAPublicNumbers) -> dict[str, int]:
    return {"n": numbers.n, "e": numbers.e}


class Agents:
    """The machine and its agents; `entered` is the process whose namespaces they are in."""

    def __init__(self, machine: Sandbox, entered: int, secrets: Mapping[str, str], signer: Signer) -> None:
        self.machine, self.signer, self.secrets = machine, signer, dict(secrets)
        self._entered = entered
        self._ca = machine.directory / "ca.pem"
        self._ca.write_text(secrets["ca"])

    def inside(self, program: str) -> list[str]:
        """The command that runs a program of the machine in its agents' namespaces."""
        enter = ["nsenter", f"--target={self._entered}", "--mount", "--net", "--uts"]
        # Whatever it leaves behind (join-vault's curl that stays) ends with the machine.
        enter.append(f"--pid=/proc/{self._entered}/ns/pid_for_children")
        return [*enter, "chroot", str(self.machine.root), f"{BIN}/{program}"]

    def _run(self, *command: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["nsenter", f"--target={self._entered}", "--net", *command],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **environment},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def program(self, name: str) -> str:
        """Runs a program of the machine to its end; what it said."""
        done = subprocess.run(self.inside(name), capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{name}: {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def _vault(self, arguments: tuple[str, ...], token: str, stdin: str) -> subprocess.CompletedProcess[str]:
        tool = resolve("vault", CASES[CASE].spec.versions.vault).path
        env = {"VAULT_ADDR": "https://localhost:8200", "VAULT_CACERT": str(self._ca), "VAULT_TOKEN": token}
        env |= {"VAULT_FORMAT": "json", "HOME": str(self.machine.directory)}
        return self._run(str(tool), *arguments, stdin=stdin, **env)

    def vault(self, *arguments: str, token: str = "", stdin: str = "") -> Any:
        """The vendor's command, which must succeed; its JSON, or what it said where it has none."""
        done = self._vault(arguments, token, stdin)
        assert done.returncode == 0, f"vault {arguments}: {done.returncode}: {done.stdout}{done.stderr}"
        try:
            return json.loads(done.stdout)
        except ValueError:
            return done.stdout

    def vault_code(self, *arguments: str, token: str) -> int:
        """The vendor's command; its exit code (2: Vault refused)."""
        return self._vault(arguments, token, "").returncode

    def operator(self) -> str:
        """A token of Vault's operator."""
        password = self.secrets["vault_operator_password"]
        login = self.vault("write", "auth/userpass/login/operator", "password=-", stdin=password)
        return str(login["auth"]["client_token"])

    def log_in(self, **who: str) -> str:
        """The Vault token of a task: `Signer.identity` has the arguments."""
        login = self.vault("write", "auth/jwt-nomad/login", "role=nomad-workloads", "jwt=-",
                           stdin=self.signer.identity(**who))  # fmt: skip
        return str(login["auth"]["client_token"])

    def curl(self, url: str, header: str, method: str = "GET", body: str = "") -> tuple[int, str]:
        """A request from the machine itself; status and text."""
        done = self._run(
            *("curl", "-s", "--cacert", str(self._ca), "-X", method, "-H", header, "--data-binary", "@-"),
            *("-w", "\n%{http_code}", url),
            stdin=body,
        )
        text, _, status = done.stdout.rpartition("\n")
        return int(status), text

    def consul(self, method: str, path: str, token: str = "", body: Any = None) -> tuple[int, Any]:
        """A request to Consul on the machine's loopback; status and JSON, or text."""
        sent = "" if body is None else json.dumps(body)
        status, text = self.curl(f"http://127.0.0.1:8500/v1/{path}", f"X-Consul-Token: {token}", method, sent)
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text

    def consul_log_in(self, **who: str) -> tuple[int, Any]:
        """Consul's answer to a task or service that logs in."""
        body = {"AuthMethod": "nomad-workloads", "BearerToken": self.signer.identity(audience="consul.io", **who)}
        return self.consul("POST", "acl/login", body=body)

    def install(self, bootstrap: Callable[[dict[str, Any]], None] = lambda _: None) -> None:
        """Another bundle in force: this version's, with what `bootstrap` changes in its bootstrap.json."""
        installed(self.machine, bootstrap)


def installed(machine: Sandbox, bootstrap: Callable[[dict[str, Any]], None]) -> None:
    bundle = CASES[CASE].bundle("server")
    contents = json.loads(bundle.files["bootstrap.json"])
    bootstrap(contents)
    files = {**bundle.files, "bootstrap.json": json.dumps(contents).encode()}
    machine.install_bundle(Bundle(files), "server", "server", platform=None)


@contextmanager
def agents(
    directory: Path,
    shell: str,
    bootstrap: Callable[[dict[str, Any]], None] = lambda _: None,
    names: Sequence[str] = (),
) -> Iterator[Agents]:
    """A server that nobody has bootstrapped yet; `bootstrap`: as for `Agents.install`; names: its certificate's too."""
    machine, signer = Sandbox(directory, shell, name="server-1"), Signer()
    spec, secrets = CASES[CASE].spec, document(CASE, "server", names)
    installed(machine, bootstrap)
    machine.facts(secrets, expect=1, quorum=1)
    machine.path("/platform/secrets").mkdir(parents=True)
    for product in ("consul", "vault"):
        machine.mounts[resolve(product, spec.versions.of(product)).path.parent] = f"/tool/{product}"  # type: ignore[arg-type]
    done = machine.run(f"{BIN}/render")
    assert done.returncode == 0, done.stderr
    pair = directory / "nomad.pem"
    pair.write_text(secrets["cert"] + secrets["key"])
    running = [machine.start("/bin/sh", "-c", _AGENTS)]
    try:
        found = Agents(machine, running[0].pid, secrets, signer)
        wait_for(lambda: found.consul("GET", "status/leader")[1])
        enter = ["nsenter", f"--target={running[0].pid}", "--net"]
        for command in ([*enter, sys.executable, "-c", _JWKS, str(pair), signer.jwks], found.inside("join-vault")):
            bound = ["setpriv", "--pdeathsig=KILL", *command]  # a test run that is killed takes them with it
            running.append(subprocess.Popen(bound, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        yield found
    finally:
        for process in running:
            process.kill()
            process.wait()

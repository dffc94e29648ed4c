"""Prepares the floor's files (before the clock runs), runs `floor.sh`, and cleans up after it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

import docker

from bench.rendered import bundle, platform, spec, tools
from hashistack.local.image.build import ensure, tag
from hashistack.local.removal import remove_containers
from hashistack.machine.roles import SERVER
from hashistack.ops.readiness.smoke import SECRET, job
from hashistack.spec import ClusterSpec

SCRIPT = Path(__file__).with_name("floor.sh")
SUBNET = "10.214.213.0/24"
LABEL = "hashistack.floor"
SECONDS = 180
_TRUST = {"ca_cert": "client_ca", "client_cert": "cert", "client_key": "key"}
_AUDIT = "/var/log/hashistack/vault-audit/audit.json"
_USER_DATA = """\
mkdir -p /run/hashistack /var/lib/hashistack
cp -r /etc/floor/. /run/hashistack
printf 'nameserver %s\\noptions timeout:1 attempts:3\\n' "$(hostname -i)" >/etc/resolv.conf
for product in consul nomad vault unbound; do
  mkdir -p /var/lib/hashistack/$product
  chown -R $product /run/hashistack/$product /var/lib/hashistack/$product 2>/dev/null || :
done
"""
_CLIENT_USER_DATA = """\
chown -R root /run/hashistack/nomad /var/lib/hashistack/nomad
mount -o remount,rw,bind /proc/sys
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  mount -o remount,rw /sys/fs/cgroup
  mkdir -p /sys/fs/cgroup/init
  cd /sys/fs/cgroup
  while read -r pid; do echo "$pid" >init/cgroup.procs 2>/dev/null || :; done <cgroup.procs
  for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
    echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control 2>/dev/null || :
  done
else
  for group in /sys/fs/cgroup/*/; do mount -o remount,rw,bind "$group" 2>/dev/null || :; done
fi
"""


class FloorFailed(Exception):
    """The script gave up; the text is what it said."""


@dataclass(frozen=True)
class Floor:
    """The floor's cluster while it stands: how long it took, and its containers' ids by role."""

    seconds: float
    said: str
    containers: Mapping[str, tuple[str, ...]]


@contextmanager
def floor(directory: Path) -> Iterator[Floor]:
    """The floor's cluster, removed at the end. Raises FloorFailed."""
    client = docker.from_env(timeout=60)
    ensure(client, lambda text: None)
    work = directory / "floor"
    _prepare(work, spec())
    name = f"floor-{token_hex(2)}"
    try:
        started = time.monotonic()
        done = subprocess.run(
            ["/bin/sh", str(SCRIPT), str(work), tag(), name, SUBNET],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        seconds = time.monotonic() - started
        if done.returncode:
            raise FloorFailed(f"{SCRIPT.name} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        ids: dict[str, list[str]] = {}
        for container in _containers(client, name):
            ids.setdefault(container["Names"][0].split("-")[2], []).append(container["Id"])
        yield Floor(seconds, done.stderr, {role: tuple(found) for role, found in ids.items()})
    finally:
        remove_containers(client, _containers(client, name))
        for network in client.api.networks(filters={"label": [f"{LABEL}={name}"]}):
            client.api.remove_network(network["Id"])


def _containers(client: docker.DockerClient, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.api.containers(all=True, filters={"label": [f"{LABEL}={name}"]})
    return found


def _prepare(work: Path, cluster: ClusterSpec) -> None:
    """The renderer's own configuration, but with addresses where a local cluster has names."""
    addresses = tuple(f"{SUBNET.rpartition('.')[0]}.1{number}" for number in (1, 2, 3))
    pool = cluster.clients[0].name
    for role, name in (("server", SERVER), ("client", pool)):
        files = bundle(cluster, name, platform(addresses)).files
        for product in ("consul", "nomad", "unbound", *(["vault"] if role == "server" else [])):
            _configuration(work / role, product, files, addresses)
        data = _USER_DATA + (_CLIENT_USER_DATA if role == "client" else "")
        (work / role / "user-data").write_text(data)
    # The script starts clients' agents once there are tokens, and a Vault, for them to find: they look again seldom.
    for product in ("consul", "nomad"):
        (work / "client" / "service" / product / "down").touch()
    (work / "mounts").write_text(
        "".join(
            f"{tool.path if tool.path.is_dir() else tool.path.parent}:/opt/hashistack/bin/{name}/{tool.sha256}\n"
            for name, tool in tools(cluster).items()
        )
    )
    _certificates(work, cluster)
    bootstrap = json.loads(_counted(bundle(cluster, SERVER, platform(addresses)).files["bootstrap.json"].decode()))
    names = ("ca", "consul_gossip", "nomad_gossip", "consul_management", "nomad_management", "vault_operator_password")
    (work / "secrets").write_text("\n".join((*names, *bootstrap["consul"]["tokens"], "")))
    (work / "requests").mkdir()
    for file, requests in _requests(cluster, bootstrap["consul"], bootstrap["vault"]).items():
        lines = [f"{method}\t{path}\t{json.dumps(body)}\n" for method, path, body in requests]
        (work / "requests" / file).write_text("".join(lines))


def _configuration(place: Path, product: str, files: Mapping[str, bytes], servers: tuple[str, ...]) -> None:
    merged: dict[str, Any] = {}
    for path in sorted(path for path in files if path.startswith(f"conf/{product}/")):
        _merge(merged, json.loads(files[path]))
    if product == "vault":
        # What a machine of ours joins by itself.
        stanza = {f"leader_{kind}_file": merged["listener"]["tcp"][f"tls_{name}_file"] for kind, name in _TRUST.items()}
        merged["storage"]["raft"]["retry_join"] = [
            {"leader_api_addr": f"https://{address}:8200", "leader_tls_servername": "localhost", **stanza}
            for address in servers
        ]
    conf, service = place / "conf" / product, place / "service" / product
    conf.mkdir(parents=True)
    service.mkdir(parents=True)
    if product == "unbound":
        (conf / "unbound.conf").write_text(merged["text"])
        stub = files["stub.conf"].decode() + "".join(f"  stub-addr: {address}@8600\n" for address in servers)
        (conf / "stub.conf").write_text(stub)
    else:
        (conf / f"{product}.json").write_text(_counted(json.dumps(merged)))
    script = files[f"sv/{product}"].decode().splitlines(keepends=True)
    run = service / "run"
    run.write_text("".join(line for line in script if not line.endswith("/wait-for-leader\n")))
    run.chmod(0o755)


def _counted(text: str) -> str:
    count = spec().servers.count
    # A fresh cluster's servers expect all of them.
    numbers = {"servers": count, "expect": count, "quorum": count // 2 + 1}
    for name, number in numbers.items():
        text = text.replace(f'"{{{{{name}}}}}"', f"{number}")
    return text


def _merge(into: dict[str, Any], fragment: Mapping[str, Any]) -> None:
    for key, value in fragment.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def _certificates(work: Path, cluster: ClusterSpec) -> None:
    domain = cluster.dns.domain
    names = {
        "server": [
            f"server.{cluster.region}.nomad",
            f"server.{cluster.datacenter}.{domain}",
            f"vault.service.{domain}",
            f"active.vault.service.{domain}",
        ],
        "client": [f"client.{cluster.region}.nomad", f"client.{cluster.datacenter}.{domain}"],
        "operator": [f"operator.{cluster.datacenter}.{domain}"],
    }
    for role, known in names.items():
        alternatives = ",".join(f"DNS:{name}" for name in (*known, "localhost"))
        text = f"subjectAltName={alternatives},IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n"
        (work / f"{role}.ext").write_text(text)


Request = tuple[str, str, Any]


def _requests(cluster: ClusterSpec, consul: dict[str, Any], vault: dict[str, Any]) -> dict[str, list[Request]]:
    submitted = job(cluster.datacenter, cluster.region, cluster.dns.domain)
    named = {name: [{"Name": policy} for policy in policies] for name, policies in consul["tokens"].items()}
    return {
        "consul-acl": [
            *(("PUT", "acl/policy", {"Name": name, "Rules": rules}) for name, rules in consul["policies"].items()),
            *(
                ("PUT", "acl/token", {"SecretID": f"{{{{secret.{name}}}}}", "Description": name, "Policies": policies})
                for name, policies in named.items()
            ),
            *(
                ("PUT", "acl/role", {"Name": name, "Policies": [{"Name": policy} for policy in policies]})
                for name, policies in consul["roles"].items()
            ),
        ],
        "consul-method": [
            ("PUT", "acl/auth-method", consul["auth_method"]),
            *(("PUT", "acl/binding-rule", rule) for rule in consul["binding_rules"]),
        ],
        "vault-mounts": [
            ("POST", "sys/storage/raft/autopilot/configuration", vault["autopilot"]),
            *(
                ("PUT", f"sys/audit/{name}", {"type": "file", "options": {"file_path": path, "mode": "0600"}})
                for name, path in (("file", _AUDIT), ("stdout", "stdout"))
            ),
            ("POST", "sys/mounts/kv", {"type": "kv", "options": {"version": "2"}}),
            *(
                ("POST", f"sys/auth/{path}", {"type": kind})
                for path, kind in (("jwt-nomad", "jwt"), ("userpass", "userpass"), ("cert", "cert"))
            ),
        ],
        "vault-policies": [
            *(("PUT", f"sys/policies/acl/{name}", {"policy": text}) for name, text in vault["policies"].items()),
            ("POST", "auth/userpass/users/operator", vault["operator"]),
            ("POST", "auth/cert/certs/server", vault["health"]),
        ],
        "vault-jwt": [
            ("POST", "auth/jwt-nomad/config", vault["jwt"]),
            ("POST", "auth/jwt-nomad/role/nomad-workloads", vault["jwt_role"]),
            ("POST", "auth/token/revoke-self", {}),
        ],
        "smoke-secret": [("PUT", f"kv/data/{SECRET}", {"data": {"value": token_hex(16)}})],
        "smoke-job": [("PUT", "jobs", {"Job": submitted})],
    }

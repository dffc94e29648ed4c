"""The bundle: everything one pool's machines need but secrets and binaries, as one tarball named by its digest."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from hashistack.machine.config.agents import agents
from hashistack.machine.config.bootstrap import bootstrap
from hashistack.machine.config.docker import AUTH, CREDENTIALS, docker, registry_files
from hashistack.machine.config.fragments import Fragments
from hashistack.machine.config.nomad import introduces
from hashistack.machine.config.services import services
from hashistack.machine.config.unbound import stub, unbound
from hashistack.machine.platform import Platform
from hashistack.machine.roles import SERVER
from hashistack.spec import ClusterSpec

_PROGRAMS = (
    *("lib/api.sh", "lib/log", "lib/machine.sh"),
    *("boot/boot", "boot/fetch", "boot/install", "boot/render", "boot/shutdown", "bootstrap/has-leader"),
    *("leave/leave", "leave/termination-watch", "watch/dns-servers", "watch/health"),
    *("rotate/ensure-tokens", "rotate/restart-nomad", "rotate/rotate-gossip", "rotate/secrets-watch"),
)
"""Programs of every machine, by their place in `node/`; on the machine they all lie in one directory, `bin`."""
_INTRODUCTION = {"client": "boot/introduction", SERVER: "bootstrap/introduce-clients"}
"""Where Nomad asks new clients for an introduction: how a client gets it, and how the servers give it."""
_DOCKER_PROGRAMS = ("boot/load-images", "boot/start-docker")
_ROLE_PROGRAMS = {
    "client": ("boot/wait-for-leader", "leave/leave-client.sh"),
    SERVER: (
        *("bootstrap/bootstrap", "bootstrap/bootstrap-consul", "bootstrap/bootstrap-nomad"),
        *("bootstrap/bootstrap-vault", "bootstrap/finish-bootstrap", "bootstrap/join-vault", "lib/vault.sh"),
        *("leave/leave-server.sh", "leave/prune-members"),
        *("snapshots/snapshots", "snapshots/take-snapshot", "watch/catch-up"),
    ),
}


@dataclass(frozen=True)
class Binary:
    """A pinned tool as a machine fetches it: ``url`` is the platform's own (``file://``, ``s3://``, ...)."""

    name: str
    version: str
    sha256: str
    url: str


@dataclass(frozen=True)
class Bundle:
    """A rendered bundle: path to contents, and what follows from them."""

    files: dict[str, bytes]

    @property
    def tarball(self) -> bytes:
        """An uncompressed ustar archive: the same bytes from every Python and zlib, today and in five years.

        A digest that changed with a compressor would replace every machine for nothing.
        """
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for path, contents in sorted(self.files.items()):
                member = tarfile.TarInfo(path)
                member.size = len(contents)
                member.mode = 0o755 if path.startswith(("bin/", "sv/")) else 0o644
                archive.addfile(member, io.BytesIO(contents))
        return out.getvalue()

    @property
    def archive(self) -> bytes:
        """The tarball as it travels: under gzip a third of its size, most of which is padding."""
        return gzip.compress(self.tarball, mtime=0)

    @property
    def sha256(self) -> str:
        """The digest of the tarball, which names the bundle: a changed digest is a changed machine."""
        return sha256(self.tarball).hexdigest()


def render(spec: ClusterSpec, pool: str, platform: Platform, binaries: tuple[Binary, ...]) -> Bundle:
    """The bundle of the machines of ``pool`` (``server``, or the name of a client pool). Pure.

    ``binaries`` holds ``consul`` and ``nomad``, on servers ``vault``, on clients ``cni`` (a tar of plugins).
    """
    role = SERVER if pool == SERVER else "client"
    tools = {binary.name: binary.sha256 for binary in binaries}
    client = next((client for client in spec.clients if client.name == pool), None)
    drivers = client.drivers if client else ()
    has_docker = "docker" in drivers
    runtime = platform.runtime if client and client.csi else ""
    configuration: dict[str, Fragments] = {
        **agents(spec, pool, platform, cni=f"/opt/hashistack/bin/cni/{tools.get('cni', '')}"),
        "unbound": {"20-base.json": {"text": unbound(spec, platform, bridge=role == "client", docker=has_docker)}},
    }
    if has_docker:
        configuration["docker"] = docker(spec, Path(runtime).name)
    contents = {
        f"conf/{product}/{name}": _json(fragment)
        for product, fragments in configuration.items()
        for name, fragment in fragments.items()
    }
    contents["stub.conf"] = stub(spec).encode()
    contents["manifest.json"] = _json(
        {
            "cluster": spec.name,
            "role": role,
            "pool": pool,
            "domain": spec.dns.domain,
            "search": " ".join(spec.dns.search),
            "tools": [vars(binary) for binary in sorted(binaries, key=lambda binary: binary.name)],
            **({"made_of": dict(platform.made_of)} if platform.made_of else {}),
        }
    )
    if role == SERVER:
        contents["bootstrap.json"] = _json({**bootstrap(spec), "seal": platform.seal})
    programs = (*_PROGRAMS, *_ROLE_PROGRAMS[role], *platform.programs, *(_DOCKER_PROGRAMS if has_docker else ()))
    if introduces(spec.versions.of("nomad")):
        programs += (_INTRODUCTION[role],)
    if platform.disks:
        programs += ("boot/mount-volumes",)
        contents["volumes"] = "".join(f"{device} {path}\n" for device, path in platform.disks.items()).encode()
    if has_docker:
        contents |= registry_files(spec)
    if runtime:
        programs += (runtime,)
    if AUTH in contents:
        programs += (f"boot/{CREDENTIALS}",)
    contents |= {f"bin/{Path(name).name}": _program(name) for name in programs}
    if drivers:
        contents["drivers"] = "".join(f"{driver}\n" for driver in drivers).encode()
    contents["bin/platform"] = _program(f"platform/platform-{platform.name}")
    for name, script in services(role, tools, spec.snapshots, docker=has_docker).items():
        contents[f"sv/{name}"] = script.encode()
    return Bundle(contents)


def _program(name: str) -> bytes:
    return (files("hashistack.machine") / "node" / name).read_bytes()


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True).encode() + b"\n"

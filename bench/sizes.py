"""User data and bundle of a reference cluster, in bytes."""

from __future__ import annotations

from collections.abc import Iterator

from bench.figure import Figure, load
from bench.rendered import SITE, bundle, platform, spec
from hashistack.local.blueprint import START
from hashistack.machine.user_data import user_data


def figures() -> Iterator[Figure]:
    """The larger one of servers' and clients'."""
    pools = {"server": "server", **{pool.name: "client" for pool in spec().clients}}
    scripts, archives = {}, {}
    for pool, role in pools.items():
        made = bundle(spec(), pool, platform())
        url = f"file:///opt/hashistack/artifacts/{made.sha256}.tar.gz"
        script = user_data(
            start=START,
            cluster=SITE,
            role=role,
            pool=pool,
            bundle_url=url,
            bundle_sha256=made.sha256,
            servers=spec().servers.count,
            upgrade=spec().upgrade,
        )
        scripts[pool], archives[pool] = len(script.encode()), len(made.archive)
    yield _figure("user data", scripts, 4)
    yield _figure("bundle without binaries", archives, 64)


def _figure(name: str, sizes: dict[str, int], limit: float) -> Figure:
    note = ", ".join(f"{pool} {size:,} B" for pool, size in sizes.items())
    return Figure(name, max(sizes.values()) / 1024, "KiB", limit=limit, note=note, load=load())

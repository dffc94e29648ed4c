"""What the machines of a pool have in common, computed from what the pool declares. Pure.

The template is a pool's inputs without its secrets: what a launch template is on a cloud.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from hashistack.local.labels import DOMAIN
from hashistack.local.ranges import api_address
from hashistack.machine.bundle import Binary, Bundle, render
from hashistack.machine.platform import Platform
from hashistack.machine.roles import SERVER
from hashistack.machine.roles import tools as needed
from hashistack.machine.user_data import Start, user_data
from hashistack.provider.handler import Props
from hashistack.spec import ClusterSpec

START = Start('cp "${1#file://}" "$2"', "boot")
"""The bundle is a file in the container."""


@dataclass(frozen=True)
class Blueprint:
    """Everything that `machines.make` needs, but a machine's name and slot."""

    site: str
    labels: dict[str, str]
    pool: str
    role: str
    image: str
    network: str
    port_base: int
    bundle: str
    bundle_archive: bytes
    user_data: str
    mounts: dict[str, str]
    """Host directory to the directory on the machine, read-only."""
    snapshots: str = ""
    """The host's directory that servers put snapshots into; it outlives them. "" on clients."""
    docker: bool = False
    """Whether the machine runs a Docker of its own."""
    csi: bool = False
    """Whether that Docker's containers may be privileged."""

    @property
    def volume(self) -> str:
        """The pool's secret store: a volume that only its own machines mount."""
        return f"{self.site}-{self.pool}-secrets"

    @property
    def introductions(self) -> str:
        """The cluster's volume of introductions: its servers write it, all its clients read it."""
        return f"{self.site}-introductions"

    @property
    def images(self) -> str:
        """The cluster's volume of container images (see `local/images.py`)."""
        return f"{self.site}-images"


def bundle(template: Props) -> Bundle:
    """The bundle that the pool's machines boot from."""
    binaries = tuple(
        Binary(
            name,
            template["tools"][name]["version"],
            template["tools"][name]["sha256"],
            f"file://{_mounted(name, template)}",
        )
        for name in needed(template["pool"])
    )
    return render(_spec(template), template["pool"], _platform(template), binaries)


def blueprint(template: Props) -> Blueprint:
    """The pool's machines, all but their names."""
    made, pool, spec = bundle(template), template["pool"], _spec(template)
    role = SERVER if pool == SERVER else "client"
    digest = made.sha256
    snapshots = template.get("snapshots", "") if role == SERVER else ""
    return Blueprint(
        site=template["site"],
        labels=template["labels"],
        pool=pool,
        role=role,
        image=template["image"],
        network=template["site"],
        port_base=template["port_base"],
        bundle=digest,
        bundle_archive=made.archive,
        user_data=user_data(
            start=START,
            cluster=template["site"],
            role=role,
            pool=pool,
            bundle_url=f"file:///{bundle_path(digest)}",
            bundle_sha256=digest,
            servers=spec.servers.count,
            environment={"HS_SNAPSHOTS": snapshots} if snapshots else {},
            upgrade=next((spec.upgrade_of(found) for found in spec.clients if found.name == pool), spec.upgrade),
        ),
        snapshots=snapshots,
        docker=any("docker" in client.drivers for client in spec.clients if client.name == pool),
        csi=any(client.csi for client in spec.clients if client.name == pool),
        mounts={template["tools"][name]["path"]: _mounted(name, template) for name in needed(pool)},
    )


def moved(before: Props, versions: Mapping[str, str]) -> str:
    """The tools of the template's machines that these versions would change, `nomad 1.10.5 → 1.11.3`; else "".

    What the tools are is not known before they are here; which ones are wanted is.
    """
    had = {name: tool["version"] for name, tool in before["tools"].items()}
    return ", ".join(
        f"{name} {had.get(name)} → {version}"
        for name, version in sorted(versions.items())
        if name in needed(before["pool"]) and had.get(name) != version
    )


def difference(before: Props, after: Props) -> str:
    """Why machines of one template are not those of the other: versions, else the files of the bundle that differ."""
    if moves := moved(before, {name: tool["version"] for name, tool in after["tools"].items()}):
        return moves
    old, new = bundle(before).files, bundle(after).files
    differing = sorted(path for path in old.keys() | new.keys() if old.get(path) != new.get(path))
    if not differing:
        return "another release of hashistack"
    return ", ".join(differing[:3]) + (f" and {len(differing) - 3} more files" if len(differing) > 3 else "")


def bundle_path(digest: str) -> str:
    """Where a machine finds its bundle, relative to its root."""
    return f"opt/hashistack/artifacts/{digest}.tar.gz"


def _spec(template: Props) -> ClusterSpec:
    return ClusterSpec.parse(json.loads(template["spec"]))


def _mounted(name: str, template: Props) -> str:
    return f"/opt/hashistack/bin/{name}/{template['tools'][name]['sha256']}"


def _platform(template: Props) -> Platform:
    callers = [template["gateway"]]
    if cidr := template.get("cidr"):  # an earlier release had no proxy, and its templates name no range
        callers.append(api_address(cidr))
    return Platform(
        name="local",
        join=(f"servers.{DOMAIN}",),
        upstreams=tuple(template["upstreams"]),
        forward_zones={DOMAIN: ("127.0.0.11",)},
        operators=tuple(f"{address}/32" for address in callers),
        task_root="/opt/hashistack/task-root",
        keeps_images=True,
        runtime="platform/runc-in-container",
    )

"""What of a cluster is in its project after its stack was destroyed: what costs money and holds data."""

from __future__ import annotations

from hashistack.gcp import labels
from hashistack.gcp.ops import groups
from hashistack.gcp.ops.session import Google, GoogleFailed
from hashistack.ops.api.connection import Connection
from hashistack.ops.rollout.driver import DriverFailed


def left(cluster: Connection, google: Google | None = None) -> list[str]:
    """VMs that nobody ends, and disks that no VM has, by the cluster's label; one text each.

    Raises DriverFailed where Google can't be asked.
    """
    project = str(cluster.pools[0].template["project"])
    try:
        google = google or Google()
        vms = [vm for vm in groups.vms(google, project, cluster.name) if vm.status not in groups.LEAVING]
        asked = f"labels.{labels.CLUSTER}={cluster.name}"
        disks = [
            disk
            for page in google.pages("compute.disks.aggregatedList", project=project, filter=asked)
            for place in page.get("items", {}).values()
            for disk in place.get("disks", ())
            if not disk.get("users")
        ]
    except GoogleFailed as failed:
        what = f"whether something of {cluster.name} is left can't be seen: {failed.what}"
        raise DriverFailed(what, failed.remedy) from failed
    return [
        *(f"instance {vm.name} in {vm.zone}" for vm in vms),
        *(f"disk {disk['name']} in {disk['zone'].rpartition('/')[2]}" for disk in disks),
    ]

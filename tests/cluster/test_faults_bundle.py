"""F25: a bundle that is not what was declared, at the rollout and on a machine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hashistack.local.driver import LocalDriver
from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.policy import Policy
from hashistack.ops.rollout.driver import DriverFailed
from hashistack.ops.rollout.executor import Rollout

from .datacenter import Datacenter
from .project import until

_ANOTHER = "f" * 64
_DAMAGE = f"""\
cd /opt/hashistack/artifacts
digest=$(sed -n 's/^HS_BUNDLE=//p' /etc/hashistack/metadata)
head -c 1000 "$digest.tar.gz" >{_ANOTHER}.tar.gz
[ -e /etc/hashistack/user-data.good ] || cp -p /etc/hashistack/user-data /etc/hashistack/user-data.good
sed -i "s/$digest/{_ANOTHER}/" /etc/hashistack/user-data
printf %s "$digest"
"""
_MEND = "cd /etc/hashistack; [ ! -e user-data.good ] || mv user-data.good user-data"


def test_a_rollout_to_another_bundle_than_the_declared_one_changes_nothing(datacenter: Datacenter) -> None:
    datacenter.healthy()
    before = [(machine.name, machine.container.id) for machine in datacenter.machines()]
    # A pool without room to surge: its first step would be to take a machine's work away.
    narrow = Policy(max_surge=0, max_unavailable=1)
    pools = [
        replace(pool, bundle="0" * 64, policy=narrow) if pool.role == "client" else pool
        for pool in datacenter.connection.pools
    ]
    connection = replace(datacenter.connection, pools=tuple(pools))
    with Cluster(connection) as cluster:
        with pytest.raises(DriverFailed, match=r"this release of hashistack makes bundle .*, which is 000000000000"):
            Rollout(cluster, LocalDriver(connection), tell=lambda event: None).run()
        nodes = {node.name: node.usable for node in cluster.nomad.nodes()}
    assert nodes == {client.name: True for client in datacenter.clients}
    assert [(machine.name, machine.container.id) for machine in datacenter.machines()] == before


def test_a_machine_whose_bundle_is_wrong_starts_nothing_and_keeps_what_it_had(datacenter: Datacenter) -> None:
    datacenter.healthy()
    machine = datacenter.clients[0]
    digest = machine.sh(_DAMAGE)
    said = len(machine.container.logs())
    machine.container.restart(timeout=20)
    try:
        until(lambda: b"this machine stays as it was" in machine.container.logs()[said:], 60, "it refuses the bundle")
        refusals = [line for line in machine.container.logs()[said:].decode().splitlines() if "refused" in line]
        assert refusals[0].startswith(f"hashistack: bundle file:///opt/hashistack/artifacts/{_ANOTHER}.tar.gz: digest ")
        assert f"expected {_ANOTHER}: refused" in refusals[0]
        assert len(set(refusals)) == 1
        assert machine.run("pgrep -x runsvdir")[0] == 1
        assert machine.sh("readlink /opt/hashistack/current").strip() == f"/opt/hashistack/bundles/{digest}"
        assert digest in machine.sh("cat /etc/hashistack/metadata")
    finally:
        machine.sh(_MEND)
    # Nobody has to start it again.
    datacenter.healthy()
    assert machine.container.labels["hashistack.bundle"] == digest
    # Not before: a try that had begun with it would wait for it.
    machine.sh(f"rm -f /opt/hashistack/artifacts/{_ANOTHER}.tar.gz")

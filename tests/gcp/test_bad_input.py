"""What does not work on Google Cloud is told at plan time: one clear line for each problem, before anything is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
import pytest

from hashistack.gcp.args import GcpClusterArgs
from hashistack.gcp.pools.client_pool import GcpPoolOptions
from hashistack.gcp.pools.launch import Disk
from hashistack.testing import Gcp, record

from .cases import cluster, program
from .plan import REGION, plan

WORKERS = {"name": "workers"}

BAD: Mapping[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a zone of another region": (
        {"servers": {"zones": ["europe-west1-b", "europe-west1-c", "us-central1-a"]}},
        {},
        'spec.servers.zones[2]: is not in region europe-west1 (got "us-central1-a"). Name a zone of europe-west1.',
    ),
    "a type of another architecture": (
        {"servers": {"machine_type": "c4a-standard-2"}},
        {},
        'spec.servers.machine_type: is arm64, and the pool is amd64 (got "c4a-standard-2"). Set `arch: arm64`, or name'
        ' a type such as "n2-standard-2".',
    ),
    "a type of another cloud": (
        {"servers": {"machine_type": "m6i.large"}},
        {},
        'spec.servers.machine_type: is no machine type of Google Cloud (got "m6i.large"). One is "n2-standard-2".',
    ),
    "a port of the laptop": (
        {"clients": [{**WORKERS, "publish": [{"port": 8080}]}]},
        {},
        "spec.clients[0].publish: is for local clusters: nobody reaches machines on Google Cloud by a port of the host."
        " Remove it, and put a load balancer before the pool's group.",
    ),
    "types of two kinds of disk": (
        {"clients": [{**WORKERS, "machine_type": "n2-standard-2", "machine_types": ["n4-standard-2"]}]},
        {},
        "spec.clients[0].machine_types: some take only hyperdisks and some only persistent disks, and a pool has one"
        ' kind (got ["n2-standard-2", "n4-standard-2"]). Name types of one kind.',
    ),
    "spot beside on-demand": (
        {"clients": [{**WORKERS, "spot": True, "on_demand_base": 1}]},
        {},
        "spec.clients[0].on_demand_base: a group's machines are all spot or all on-demand on Google Cloud (got 1). Set"
        " `all_spot: true`, and make a second pool for the on-demand machines.",
    ),
    "a name over the limit": (
        {"clients": [{"name": "w" * 43}]},
        {},
        f"spec.clients[0].name: is 43 characters long; machines are called <pool>-<instance id>, a DNS label of at most"
        f' 63 (got "{"w" * 43}"). Shorten it to 42.',
    ),
    "a cluster's name over the limit": (
        {"name": "c" * 59},
        {},
        f"spec.name: is 59 characters long; with five of ours it is a label's value, which has at most 63 (got"
        f' "{"c" * 59}"). Shorten it to 58.',
    ),
    "more pools than a firewall rule names": (
        {"clients": [{"name": f"w{number}"} for number in range(11)]},
        {},
        "spec.clients: 11 pools; a firewall rule of Google Cloud names at most 10 service accounts. Give at most 10.",
    ),
    "a drain over the hour": (
        {"upgrade": {"drain_deadline": "1h"}},
        {},
        "spec.upgrade.drain_deadline: with max_kill_timeout 30s and the 120 s that it takes to leave, it exceeds what"
        ' the machine is held for (got "1h"). Give at most "3450s".',
    ),
    "a hook over the hour": (
        {"upgrade": {"hook_timeout": "2h"}},
        {},
        "spec.upgrade.hook_timeout: exceeds the 3600 s for which Google lets a machine run that is to stop (got"
        ' "2h"). Give at most "3600s".',
    ),
    "a seal of another cloud": (
        {"seal": {"type": "awskms", "key": "arn:aws:kms:eu-west-1:123456789012:key/k"}},
        {},
        'spec.seal.type: machines on Google Cloud have no identity of their own at AWS (got "awskms"). Give'
        ' "platform", or "gcpckms" with a key.',
    ),
    "a key that is none": (
        {"seal": {"type": "gcpckms", "key": "vault"}},
        {},
        'spec.seal.key: is not the id of a key of Cloud KMS (got "vault"). Give'
        " projects/<project>/locations/<region>/keyRings/<ring>/cryptoKeys/<key>.",
    ),
    "a label's key": (
        {"tags": {"Team": "a"}},
        {},
        'spec.tags["Team"]: a Google Cloud label key cannot have "T" (got "Team"). Use only a-z, 0-9, "-" and "_".',
    ),
    "a label's value": (
        {"tags": {"team": "The A Team"}},
        {},
        'spec.tags.team: a label\'s value on Google Cloud has at most 63 of a-z, 0-9, _ and - (got "The A Team").'
        " Write it in these.",
    ),
    "options of a pool that is not there": (
        {},
        {"pools": {"wrokers": GcpPoolOptions()}},
        'spec.pools["wrokers"]: is no pool of clients. Known: workers.',
    ),
    "disks of host volumes that are not there, twice the same, and of no name": (
        {"clients": [{**WORKERS, "host_volumes": {"data": {"path": "/srv/data"}}}]},
        {
            "pools": {
                "workers": GcpPoolOptions(
                    disks=[Disk("one", 10, "date"), Disk("one", 10, "data"), Disk("/dev/sdb", 10, "data")]
                )
            }
        },
        'spec.pools["workers"].disks[2].name: is no device name on Google Cloud (got "/dev/sdb"). Give 1 to 63 of a-z,'
        " 0-9 and -, a letter first.\n"
        'spec.pools["workers"].disks[0].host_volume: the pool workers has no host volume "date". Add it to the'
        " pool's `host_volumes`, with the path where the disk is to be mounted.\n"
        'spec.pools["workers"].disks[1].name: "one" is there twice. Give each name once.\n'
        'spec.pools["workers"].disks[2].host_volume: "data" has two disks. Give each disk a host volume of its own.',
    ),
    "no way to the packages that an official image lacks": (
        {"network": {"nat": "none"}},
        {},
        'spec.network.nat: machines from the image "debian" install packages at boot, and have no way to them (got'
        ' "none"). Give "zone" or "single", or an image of your own that has the packages.',
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_clear_line(name: str) -> None:
    spec, more, line = BAD[name]
    with pytest.raises(pulumi.RunError) as caught:
        cluster(spec, **more)
    assert str(caught.value) == line


def test_nothing_is_made_with_bad_input() -> None:
    class Bare(Gcp):
        def outputs(self, type: str, name: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
            assert type in ("pulumi:providers:gcp", "hashistack:index:GcpCluster"), f"{type} is declared"
            return super().outputs(type, name, inputs)

    spec, _, line = BAD["a zone of another region"]
    with pytest.raises(pulumi.RunError) as caught:
        record(program(GcpClusterArgs(spec=spec)), Bare(REGION))
    assert str(caught.value) == line


@pytest.mark.parametrize("name", ["Prod", "p" * 21])
def test_a_component_is_called_as_google_takes_it(name: str) -> None:
    with pytest.raises(pulumi.RunError, match="the component's name"):
        plan(program(GcpClusterArgs(spec={}), name))

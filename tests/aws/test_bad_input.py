"""What does not work on AWS is told at plan time: one clear line for each problem, before anything is declared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
import pytest

from hashistack import AwsClusterArgs, AwsPoolOptions
from hashistack.aws import Volume
from hashistack.aws.pools.client_pool import WarmPool
from hashistack.testing import Aws, record

from .cases import cluster, program
from .plan import REGION

WORKERS = {"name": "workers"}
WARM = {"pools": {"workers": AwsPoolOptions(warm_pool=WarmPool(2))}}

BAD: Mapping[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a zone of another region": (
        {"servers": {"zones": ["us-east-1a", "us-east-1b", "eu-west-1a"]}},
        {},
        'spec.servers.zones[2]: is not in region us-east-1 (got "eu-west-1a"). Name a zone of us-east-1.',
    ),
    "a client's zone of another region": (
        {"clients": [{**WORKERS, "zones": ["eu-central-1a"]}]},
        {},
        'spec.clients[0].zones[0]: is not in region us-east-1 (got "eu-central-1a"). Name a zone of us-east-1.',
    ),
    "a client's zone without a subnet": (
        {"clients": [{**WORKERS, "zones": ["us-east-1a"]}]},
        {},
        "spec.clients[0].zones: the network is made in the zones of the servers, and us-east-1a is none of them. Name"
        " the zones in `servers.zones`, these among them.",
    ),
    "a port of the laptop": (
        {"clients": [{**WORKERS, "publish": [{"port": 8080}]}]},
        {},
        "spec.clients[0].publish: is for local clusters: nobody reaches machines on AWS by a port of the host. Remove"
        " it, and give the pool a load balancer (`AwsPoolOptions.target_group_arns`).",
    ),
    "a type of another architecture": (
        {"servers": {"machine_type": "m6g.large"}},
        {},
        'spec.servers.machine_type: is arm64, and the pool is amd64 (got "m6g.large"). Set `arch: arm64`, or name a'
        ' type such as "m6i.large".',
    ),
    "an alternative of another architecture": (
        {"clients": [{**WORKERS, "machine_type": "m6i.large", "machine_types": ["m6g.large"]}]},
        {},
        'spec.clients[0].machine_types: is arm64, and the pool is amd64 (got "m6g.large"). Set `arch: arm64`, or name a'
        ' type such as "m6i.large".',
    ),
    "a type of another cloud": (
        {"servers": {"machine_type": "n2-standard-2"}},
        {},
        'spec.servers.machine_type: is no EC2 machine type for Linux (got "n2-standard-2"). One is "m6i.large".',
    ),
    "TLS that no check of the load balancer speaks": (
        {"tls": {"min_version": "tls13"}},
        {},
        "spec.tls.min_version: the load balancer of the APIs checks servers by TLS 1.2, and would find none healthy"
        ' (got "tls13"). Give "tls12": who speaks 1.3 gets it all the same.',
    ),
    "a tag that AWS refuses midway": (
        {},
        {"tags": {"owner": "ops; paid"}},
        'spec.tags.owner: has characters that AWS takes in no tag (got "ops; paid"). Use letters, digits, spaces and'
        " _ . : / = + - @.",
    ),
    "spot servers": (
        {"servers": {"spot": True}},
        {},
        "spec.servers.spot: is not a field of the specification. Servers hold the cluster's state: they are always"
        " on-demand. Remove it.",
    ),
    "a name over the limit": (
        {"clients": [{"name": "w" * 46}]},
        {},
        f"spec.clients[0].name: is 46 characters long; machines are called <pool>-<instance id>, a DNS label of at most"
        f' 63 (got "{"w" * 46}"). Shorten it to 45.',
    ),
    "a cluster's name over the limit": (
        {"name": "c" * 64},
        {},
        f'spec.name: is 64 characters long, a cluster\'s name has 1 to 63 (got "{"c" * 60}…"). Shorten it.',
    ),
    "a drain that AWS does not wait for": (
        {"upgrade": {"drain_deadline": "9h", "hook_timeout": "10h"}},
        {},
        'spec.upgrade.hook_timeout: exceeds the 30000 s for which AWS holds a machine (got "10h"). Give at most '
        '"30000s".\n'
        "spec.upgrade.drain_deadline: with max_kill_timeout 30s and the 180 s that it takes to leave, it exceeds what"
        ' the machine is held for (got "9h"). Give at most "29790s".',
    ),
    "a hook that is over before the drain": (
        {"upgrade": {"drain_deadline": "30m", "hook_timeout": "31m"}},
        {},
        "spec.upgrade.drain_deadline: with max_kill_timeout 30s and the 180 s that it takes to leave, it exceeds what"
        ' the machine is held for (got "30m"). Give at most "1650s", or raise hook_timeout.',
    ),
    "a seal of another cloud": (
        {"seal": {"type": "gcpckms", "key": "projects/p/locations/l/keyRings/r/cryptoKeys/k"}},
        {},
        'spec.seal.type: machines on AWS have no identity of their own at Google (got "gcpckms"). Give "platform", or'
        ' "awskms" with a key.',
    ),
    "a seal's alias": (
        {"seal": {"type": "awskms", "key": "alias/vault"}},
        {},
        'spec.seal.key: is not the ARN of a KMS key (got "alias/vault"). Give arn:aws:kms:<region>:<account>:key/<id>,'
        " as `aws kms describe-key` prints it.",
    ),
    "a tag that no machine can read": (
        {"tags": {"cost center": "42"}},
        {},
        'spec.tags["cost center"]: AWS starts no machine that reads its own tags with such a key. Use letters, digits'
        " and + - = . , _ : @.",
    ),
    "too many tags": (
        {},
        {"tags": {f"tag{number}": "x" for number in range(45)}},
        "spec.tags: 45 tags, with ours a machine may have 50. Give at most 44.",
    ),
    "options of a pool that is not there": (
        {},
        {"pools": {"wrokers": AwsPoolOptions()}},
        'spec.pools["wrokers"]: is no pool of clients. Known: workers.',
    ),
    "disks of host volumes that are not there, and twice the same": (
        {"clients": [{**WORKERS, "host_volumes": {"data": {"path": "/srv/data"}}}]},
        {
            "pools": {
                "workers": AwsPoolOptions(
                    volumes=[
                        Volume("/dev/sdf", 8, "date"),
                        Volume("/dev/sdf", 8, "data"),
                        Volume("/dev/sdg", 8, "data"),
                    ]
                )
            }
        },
        'spec.pools["workers"].volumes[0].host_volume: the pool workers has no host volume "date". Add it to the'
        " pool's `host_volumes`, with the path where the disk is to be mounted.\n"
        'spec.pools["workers"].volumes[1].device: "/dev/sdf" is there twice. Give each device once.\n'
        'spec.pools["workers"].volumes[2].host_volume: "data" has two disks. Give each disk a host volume of its own.',
    ),
    "a warm pool of spot machines": (
        {"clients": [{**WORKERS, "spot": True, "all_spot": True}]},
        WARM,
        'spec.pools["workers"].warm_pool: the pool has spot machines, of which AWS keeps none warm. Leave it out, or'
        " give the pool one machine type and no spot.",
    ),
    "no way to the packages that an official image lacks": (
        {"network": {"nat": "none"}},
        {},
        'spec.network.nat: machines from the image "alpine" install packages at boot, and have no way to them (got'
        ' "none"). Give "zone" or "single", or an image of your own that has the packages.',
    ),
    "overlapping networks": (
        {"network": {"cidr": "10.0.0.0/16", "peers": [{"name": "office", "cidr": "10.0.8.0/24"}]}},
        {},
        "spec.network.peers[0].cidr: 10.0.8.0/24 overlaps 10.0.0.0/16 (the cluster's network). Choose addresses that"
        " nothing else uses.",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_clear_line(name: str) -> None:
    spec, more, line = BAD[name]
    with pytest.raises(pulumi.RunError) as caught:
        cluster(spec, **more)
    assert str(caught.value) == line


def test_nothing_is_made_with_bad_input() -> None:
    """The one thing that is asked before is where the provider is."""

    class Bare(Aws):
        def outputs(self, type: str, name: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
            assert type in ("pulumi:providers:aws", "hashistack:index:AwsCluster"), f"{type} is declared"
            return super().outputs(type, name, inputs)

    spec, _, line = BAD["a zone of another region"]
    with pytest.raises(pulumi.RunError) as caught:
        record(program(AwsClusterArgs(spec=spec)), Bare(REGION))
    assert str(caught.value) == line


def test_all_problems_are_told_at_once() -> None:
    spec = {"servers": {"zones": ["eu-west-1a"], "machine_type": "m6g.large"}, "tags": {"a b": "c"}}
    with pytest.raises(pulumi.RunError) as caught:
        cluster(spec)
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == [
        "spec.servers.zones[0]",
        "spec.servers.machine_type",
        'spec.tags["a b"]',
    ]

"""What of a cluster is in its account after its stack was destroyed: what costs money and holds data."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from hashistack.aws import tags
from hashistack.aws.ops import groups, session
from hashistack.ops.api.connection import Connection
from hashistack.ops.rollout.driver import DriverFailed


def left(cluster: Connection, aws: boto3.Session | None = None) -> list[str]:
    """Instances that nobody ends, and volumes that no instance has, by the cluster's tag; one text each.

    Raises DriverFailed where AWS can't be asked.
    """
    region = str(cluster.pools[0].template["region"])
    filters: Any = [
        {"Name": f"tag:{tags.CLUSTER}", "Values": [cluster.name]},
        {"Name": "status", "Values": ["available"]},
    ]
    try:
        ec2 = (aws or session.of(cluster)).client("ec2", region_name=region, config=session.CONFIG)
        instances = [box.id for box in groups.boxes(ec2, cluster.name) if box.state != "shutting-down"]
        pages = ec2.get_paginator("describe_volumes").paginate(Filters=filters)
        volumes = [one["VolumeId"] for page in pages for one in page["Volumes"]]
    except (BotoCoreError, ClientError) as error:
        failed = session.failure(error)
        raise DriverFailed(
            f"whether something of {cluster.name} is left can't be seen: {failed.what}", failed.remedy
        ) from error
    return [*(f"instance {id} in {region}" for id in instances), *(f"volume {id} in {region}" for id in volumes)]

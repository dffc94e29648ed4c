"""What is left of a smoke run in its account, by the run's tag."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from hashistack.aws.ops import session
from hashistack.aws.smoke.program import RUN
from hashistack.errors import HashistackError

LOOK_SECONDS: Final = 5.0
_LISTED_SECONDS: Final = 300.0
"""How long something may be listed that is gone: AWS promises no time."""


def left(aws: boto3.Session, region: str, run: str) -> list[str]:
    """What the account still has with the run's tag, a text each; what is on its way out is waited for.

    A key that waits for its deletion is none of it: AWS deletes none at once, and bills for none that waits.
    Raises HashistackError where AWS can't be asked.
    """
    account, end = _Account(aws, region), time.monotonic() + _LISTED_SECONDS
    try:
        while (found := [*account.tagged(run), *account.roles(run)]) and time.monotonic() < end:
            time.sleep(LOOK_SECONDS)
    except (BotoCoreError, ClientError) as error:
        failed = session.failure(error)
        raise HashistackError(f"whether something is left can't be seen: {failed.what}", failed.remedy) from error
    return found


class _Account:
    def __init__(self, aws: boto3.Session, region: str) -> None:
        self._aws, self._region = aws, region
        self._ec2, self._kms, self._iam = self._client("ec2"), self._client("kms"), self._client("iam")
        self._tagging = self._client("resourcegroupstaggingapi")

    def _client(self, service: str) -> Any:
        return self._aws.client(service, region_name=self._region, config=session.CONFIG)  # type: ignore[call-overload]

    def tagged(self, run: str) -> Iterator[str]:
        filters: Any = [{"Key": RUN, "Values": [run]}]
        for page in self._tagging.get_paginator("get_resources").paginate(TagFilters=filters):
            for one in page["ResourceTagMappingList"]:
                if not self._gone(one["ResourceARN"]):
                    yield one["ResourceARN"]

    def _gone(self, arn: str) -> bool:
        """Whether what is listed is over: AWS lists some of it for an hour."""
        _, _, service, _, _, thing = arn.split(":", 5)
        kind, _, name = thing.partition("/")
        if (service, kind) == ("ec2", "instance"):
            said = self._ec2.describe_instances(Filters=[{"Name": "instance-id", "Values": [name]}])["Reservations"]
            return all(one["State"]["Name"] == "terminated" for several in said for one in several["Instances"])
        if (service, kind) == ("ec2", "natgateway"):
            gateways = self._ec2.describe_nat_gateways(Filters=[{"Name": "nat-gateway-id", "Values": [name]}])
            return all(one["State"] == "deleted" for one in gateways["NatGateways"])
        if (service, kind) == ("kms", "key"):
            return bool(self._kms.describe_key(KeyId=name)["KeyMetadata"]["KeyState"] == "PendingDeletion")
        return False

    def roles(self, run: str) -> Iterator[str]:
        """Roles, which that API does not list."""
        for page in self._iam.get_paginator("list_roles").paginate():
            for name in (one["RoleName"] for one in page["Roles"] if one["RoleName"].startswith("smoke-")):
                said = self._iam.list_role_tags(RoleName=name)["Tags"]
                if any((tag["Key"], tag["Value"]) == (RUN, run) for tag in said):
                    yield f"role {name}"

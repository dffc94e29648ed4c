"""A record of all traffic of a VPC."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from hashistack.aws.names import ROLE, prefix
from hashistack.aws.tags import named

DAYS = 30
"""How long the record is kept."""


def flow_logs(
    name: str,
    vpc: aws.ec2.Vpc,
    tags: Mapping[str, str] | None,
    opts: pulumi.ResourceOptions,
    permissions_boundary_arn: pulumi.Input[str] | None = None,
) -> None:
    """Flow logs of ``vpc`` in a log group of its own, written by a role that can do nothing else."""
    group = aws.cloudwatch.LogGroup(name, retention_in_days=DAYS, tags=named(name, tags), opts=opts)
    role = aws.iam.Role(
        name,
        name_prefix=prefix(name, ROLE),
        permissions_boundary=permissions_boundary_arn,
        assume_role_policy=vpc.owner_id.apply(lambda account: json.dumps(trust(account))),
        tags=named(name, tags),
        opts=opts,
    )
    aws.iam.RolePolicy(name, role=role.name, policy=group.arn.apply(lambda arn: json.dumps(writing(arn))), opts=opts)
    aws.ec2.FlowLog(
        name,
        vpc_id=vpc.id,
        traffic_type="ALL",
        log_destination_type="cloud-watch-logs",
        log_destination=group.arn,
        iam_role_arn=role.arn,
        tags=named(name, tags),
        opts=opts,
    )


def trust(account: str) -> dict[str, object]:
    """Who may take the role: the service of flow logs, for this account alone."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "vpc-flow-logs.amazonaws.com"},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"aws:SourceAccount": account}},
            }
        ],
    }


def writing(log_group_arn: str) -> dict[str, object]:
    """What the role may do: write streams of its group."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
                "Resource": [log_group_arn, f"{log_group_arn}:*"],
            },
            # Of which AWS lists none by name.
            {"Effect": "Allow", "Action": ["logs:DescribeLogGroups"], "Resource": "*"},
        ],
    }

"""The stack of a smoke run: what `AwsCluster` makes, with as few machines as it can, and a probe beside their services.

All is the component's own but what `_changed` changes.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from importlib.resources import files
from typing import Any, Final

import pulumi

from hashistack.aws.args import AwsClusterArgs
from hashistack.aws.cluster import AwsCluster

RUN: Final = "hashistack-smoke"
"""The tag of all that a run makes, with the run's name."""
_SMALL = "t3.small"
"""2 GiB: what the three agents of a cluster without work need, and room."""
_KEY_DAYS = 7
"""AWS's shortest wait before it deletes a key."""


def spec() -> dict[str, Any]:
    """Three servers, the fewest that there are; the pool of clients that there must be has no machine."""
    return {
        "name": "smoke",
        "servers": {"machine_type": _SMALL},
        "clients": [{"name": "none", "min": 0, "max": 1, "desired": 0, "machine_type": _SMALL}],
        "network": {"nat": "single"},
    }


def with_probe(user_data: str) -> str:
    """The machine's own first script, to the letter, behind what puts the probe among the services that it starts."""
    first, rest = user_data.split("\n", 1)
    probe = files(__package__).joinpath("probe").read_text()
    # Once: the script calls itself with an argument. After the services: the distribution makes their directory.
    return f"""\
{first}
if [ -z "${{1-}}" ]; then
  cat >/root/smoke <<'SMOKE'
{probe}SMOKE
  chmod 755 /root/smoke
  {{
    until [ -e /etc/service/unbound/run ]; do sleep 1; done
    mkdir -p /etc/service/smoke && cp /root/smoke /etc/service/smoke/run
  }} >/dev/null 2>&1 </dev/null &
fi
{rest}"""


def declare() -> None:
    """Declares it: `run` and `image` are the stack's configuration."""
    config = pulumi.Config()
    args = AwsClusterArgs(spec(), image=config.require("image"), protect=False, tags={RUN: config.require("run")})
    cluster = AwsCluster("smoke", args, pulumi.ResourceOptions(transformations=[_changed]))
    pulumi.export("connection", cluster.connection)


def _changed(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
    """What differs from any other cluster of ours."""
    if args.type_ == "aws:ec2/launchTemplate:LaunchTemplate":
        probed = pulumi.Output.from_input(args.props["user_data"]).apply(_probed)
        return pulumi.ResourceTransformationResult({**args.props, "user_data": probed}, args.opts)
    if args.type_ == "aws:kms/key:Key":
        shorter = {**args.props, "deletion_window_in_days": _KEY_DAYS}
        return pulumi.ResourceTransformationResult(shorter, args.opts)
    return None


def _probed(coded: str) -> str:
    return b64encode(with_probe(b64decode(coded).decode()).encode()).decode()

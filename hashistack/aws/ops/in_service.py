"""AwsInService's handler: waits until an Auto Scaling group has as many machines in service as it wants."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hashistack.cloud import in_service
from hashistack.provider.handler import Context, Diff, Props, ResourceFailed, changed

if TYPE_CHECKING:
    from collections.abc import Callable

    from types_boto3_autoscaling import AutoScalingClient
    from types_boto3_ec2 import EC2Client

POLL_SECONDS = 5.0
PATIENCE_SECONDS = 2 * 900.0 + 120
"""Without progress: a first boot that the launch hook ends after its 15 min, and another one."""
_REMEDY = "look at the console of one that it ended (aws ec2 get-console-output), mend that, then repeat"


class InServiceHandler(in_service.InService):
    """Inputs: group (its name), region, access (`session.session`), sizes (least and most, as declared). No outputs.

    The provider's own wait asks for exactly as many machines as the state has, which knows nothing of what rollouts and
    autoscaling have changed since, and it ends with the first activity that fails. Here the group says what it wants.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        clients: Callable[[Props], tuple[AutoScalingClient, EC2Client]] | None = None,
    ) -> None:
        self._clock, self._clients = clock, clients or _clients

    def diff(self, ctx: Context, id: str, olds: Props, news: Props) -> Diff:
        return Diff(update=changed(olds, news, among=("group", "sizes")))

    def delete(self, ctx: Context, id: str, olds: Props) -> None:
        """The group goes next, and its deletion waits for its machines: not for those that can't say that they left."""
        from botocore.exceptions import BotoCoreError, ClientError

        from hashistack.aws.ops import groups, session

        name = str(olds["group"])
        try:
            autoscaling, ec2 = self._clients(olds)
            for group in groups.groups(autoscaling, [name]).values():
                groups.let_go_of_dead(ec2, autoscaling, group)
        except (BotoCoreError, ClientError) as error:
            ctx.warn(f"{name}: {session.failure(error)}")  # it only goes faster with it

    def _wait(self, ctx: Context, news: Props) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        from hashistack.aws.ops import groups, session

        name = str(news["group"])
        try:
            api, _ = self._clients(news)

            def look() -> in_service.Service:
                group = groups.groups(api, [name]).get(name)
                if group is None:
                    raise ResourceFailed(f"the Auto Scaling group {name} is not there", "pulumi refresh, then repeat")
                serving = sum(state == "InService" for state in group.lifecycles.values())
                said = groups.last_activity(api, name) if serving < group.desired else ""
                return in_service.Service(serving, group.desired, said, _REMEDY)

            in_service.wait(ctx, name, look, patience=PATIENCE_SECONDS, poll=POLL_SECONDS, clock=self._clock)
        except (BotoCoreError, ClientError) as error:
            failed = session.failure(error)
            raise ResourceFailed(f"{name}: {failed.what}", failed.remedy) from error


def _clients(props: Props) -> tuple[AutoScalingClient, EC2Client]:
    from hashistack.aws.ops import session

    region = str(props["region"])
    made = session.session(region, props.get("access"))
    return (
        made.client("autoscaling", region_name=region, config=session.CONFIG),
        made.client("ec2", region_name=region, config=session.CONFIG),
    )

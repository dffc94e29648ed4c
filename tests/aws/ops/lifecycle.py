"""What moto lacks of a group's life: hooks that hold an instance, their completion, and activities that fail.

It is set in front of moto's own backend, inside this process. Parameters are still checked by botocore's models on the
way in, and answers are still written by them on the way out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from moto.autoscaling.models import AutoScalingBackend, FakeAutoScalingGroup, InstanceState
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult


@dataclass
class Lifecycle:
    """Turns moto's groups into groups with a termination hook.

    calls: what a driver asked for that changes something, in order. dry: no capacity, so that nothing is started.
    says: the status message of the last activity. lagging: how many looks EC2 is behind in listing new instances.
    """

    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    dry: bool = False
    says: str = ""
    slow: bool = False
    """An instance stays in `Terminating`, as while a load balancer lets go of it."""

    def install(self, patch: pytest.MonkeyPatch) -> None:
        life = self
        launch = FakeAutoScalingGroup.replace_autoscaling_group_instances

        def terminate(backend: AutoScalingBackend, instance_id: str, should_decrement: bool) -> Any:
            group, state = _found(backend, instance_id)
            life.calls.append(("terminate", {"id": instance_id, "fewer": should_decrement}))
            state.lifecycle_state = "Terminating" if life.slow else "Terminating:Wait"
            if should_decrement:
                group.desired_capacity -= 1  # type: ignore[operator]
            else:
                group.set_desired_capacity(group.desired_capacity)
            return None

        def complete(response: AutoScalingResponse) -> ActionResult:
            backend, instance = response.autoscaling_backend, response._get_param("InstanceId")
            hook, result = response._get_param("LifecycleHookName"), response._get_param("LifecycleActionResult")
            life.calls.append(("complete", {"id": instance, "hook": hook, "result": result}))
            group, state = _found(backend, instance)
            waits = {"hashistack-terminate": "Terminating:Wait", "hashistack-launch": "Pending:Wait"}[hook]
            assert state.lifecycle_state == waits
            assert response._get_param("AutoScalingGroupName") == group.name
            group.instance_states.remove(state)
            backend.ec2_backend.terminate_instances([instance])
            return ActionResult({})

        def activities(response: AutoScalingResponse) -> ActionResult:
            one = {
                "ActivityId": "1",
                "AutoScalingGroupName": response._get_param("AutoScalingGroupName"),
                "Cause": "a test",
                "Description": "Launching a new EC2 instance",
                "StartTime": "2026-01-01T00:00:00Z",
                "StatusCode": "Failed",
                "StatusMessage": life.says,
            }
            return ActionResult({"Activities": [one] if life.says else []})

        def start(group: FakeAutoScalingGroup, count: int, tags: dict[str, str]) -> None:
            if not life.dry:
                launch(group, count, tags)

        patch.setattr(AutoScalingBackend, "terminate_instance", terminate)
        patch.setattr(AutoScalingResponse, "complete_lifecycle_action", complete, raising=False)
        patch.setattr(AutoScalingResponse, "describe_scaling_activities", activities)
        patch.setattr(FakeAutoScalingGroup, "replace_autoscaling_group_instances", start)


def _found(backend: AutoScalingBackend, instance: str) -> tuple[FakeAutoScalingGroup, InstanceState]:
    for group in backend.autoscaling_groups.values():
        for state in group.instance_states:
            if state.instance.id == instance:
                return group, state
    raise AssertionError(f"{instance} is in no group")

"""What moto's Auto Scaling lacks: machines come and go by themselves, through the group's lifecycle hooks.

moto starts and ends instances inside the call that changes a group, from the launch template's default version, in one
subnet. Here a call only writes down what is wanted, as in AWS, and `step` moves each group a little towards it:

    Pending -> Pending:Wait -> Pending:Proceed -> InService -> Terminating -> Terminating:Wait -> Terminating:Proceed

A group without a hook for a transition passes over the waiting. A launch that is abandoned ends the instance; a
terminating one is ended either way. The hook's heartbeat limits the wait, CompleteLifecycleAction ends it, and
RecordLifecycleActionHeartbeat begins it again. Only instances in service are looked at: one that ends before stays at
its hook until that is over. An instance that was a target stays `Terminating` while its target groups let go of it. A
warm pool's instances go the same ways with `Warmed:` before each state, and rest as `Warmed:Stopped` or
`Warmed:Running`. What is not promised is in `behaviour`. Not here, as nothing in the project uses it: instance refresh.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from threading import RLock
from typing import Any
from unittest.mock import patch

from moto.autoscaling import autoscaling_backends
from moto.autoscaling.exceptions import ValidationError
from moto.autoscaling.models import (
    ASG_NAME_TAG,
    AutoScalingBackend,
    FakeAutoScalingGroup,
    InstanceState,
    LifecycleHook,
    TerminateInstanceActivity,
)
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult, EmptyResult
from moto.ec2.utils import parse_user_data
from moto.moto_api._internal import mock_random as random

from .behaviour import CALM, Behaviour

LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"
TERMINATING = "autoscaling:EC2_INSTANCE_TERMINATING"
_WARM = "Warmed:"
_ACTIVITIES = 100
_lock = RLock()
_behaviour = CALM


def step(account: str, region: str, clock: Callable[[], float] = time.monotonic) -> None:
    """Brings every group of a region one step nearer to what is wanted of it."""
    backend: AutoScalingBackend = autoscaling_backends[account][region]
    with _lock:
        for group in list(backend.autoscaling_groups.values()):
            for state in (*group.instance_states, *_warm(group)):
                _move(group, state, clock())
            _resize(group)
            _prepare(group)
            _register(group)


def members(account: str, region: str) -> Iterator[InstanceState]:
    """Every instance of every group, and of their warm pools."""
    for group in list(autoscaling_backends[account][region].autoscaling_groups.values()):
        yield from (*group.instance_states, *_warm(group))


def target_state(state: InstanceState) -> str:
    """What the instance's metadata say at `autoscaling/target-lifecycle-state`."""
    if not state.lifecycle_state.startswith(_WARM):
        return "Terminated" if _leaving(state) and getattr(state, "flipped", False) else "InService"
    pool = state.auto_scaling_group.warm_pool
    return f"{_WARM}{'Terminated' if _leaving(state) or pool is None else pool.pool_state}"


def _warm(group: FakeAutoScalingGroup) -> list[InstanceState]:
    if not hasattr(group, "warm_states"):
        group.warm_states = []
    found: list[InstanceState] = group.warm_states
    return found


def _leaving(state: InstanceState) -> bool:
    return bool(state.lifecycle_state.removeprefix(_WARM).startswith("Terminating"))


def _move(group: FakeAutoScalingGroup, state: InstanceState, now: float) -> None:
    if state.lifecycle_state in ("InService", f"{_WARM}Running", f"{_WARM}Stopped") and not _is_well(state):
        state.health_status = "Unhealthy"
        if not _suspended(group, "ReplaceUnhealthy", "Terminate"):
            _begin_termination(state)
    if _leaving(state):
        state.began = getattr(state, "began", now)
        state.flipped = now >= state.began + _behaviour.flip
    warm = _WARM if state.lifecycle_state.startswith(_WARM) else ""
    match state.lifecycle_state.removeprefix(_WARM):
        case "Terminating" if getattr(state, "was_target", False) and now < state.began + _behaviour.drain:
            return
        case "Pending" | "Terminating":
            _wait(group, state, now)
        case "Pending:Wait" | "Terminating:Wait" if now >= state.deadline:
            _proceed(state, state.hook.default_result)
        case "Pending:Proceed" if warm:
            state.lifecycle_state = f"{_WARM}{group.warm_pool.pool_state if group.warm_pool else 'Stopped'}"
            if state.lifecycle_state == f"{_WARM}Stopped":
                state.instance.stop()
        case "Pending:Proceed":
            state.lifecycle_state = "InService"
            _tell(group, f"Launching a new EC2 instance: {state.instance.id}")
        case "Terminating:Proceed" if state.instance.state == "terminated":
            group.instance_states = [other for other in group.instance_states if other is not state]
            group.warm_states = [other for other in _warm(group) if other is not state]
            _tell(group, f"Terminating EC2 instance: {state.instance.id}")
        case "Terminating:Proceed":  # a group still has it for a moment, as in AWS
            group.ec2_backend.terminate_instances([state.instance.id])


def _is_well(state: InstanceState) -> bool:
    expected = "stopped" if state.lifecycle_state == f"{_WARM}Stopped" else "running"
    return bool(state.instance.state == expected and state.health_status == "Healthy")


def _begin_termination(state: InstanceState) -> None:
    state.lifecycle_state = f"{_WARM if state.lifecycle_state.startswith(_WARM) else ''}Terminating"


def _tell(group: FakeAutoScalingGroup, description: str, failure: str = "") -> None:
    """An activity that is over; the last comes first."""
    told = {
        "ActivityId": f"{random.uuid4()}",
        "AutoScalingGroupName": group.name,
        "Description": description,
        "Cause": "what is wanted of the group and what is there differ",
        "StartTime": datetime.now(UTC),
        "StatusCode": "Failed" if failure else "Successful",
        **({"StatusMessage": failure} if failure else {}),
    }
    group.told = [told, *getattr(group, "told", ())][:_ACTIVITIES]


def _wait(group: FakeAutoScalingGroup, state: InstanceState, now: float) -> None:
    phase = state.lifecycle_state
    transition = LAUNCHING if phase.endswith("Pending") else TERMINATING
    hooks = group.autoscaling_backend.describe_lifecycle_hooks(group.name)
    state.hook = next((hook for hook in hooks if hook.lifecycle_transition == transition), None)
    if state.hook is None:
        state.lifecycle_state = f"{phase}:Proceed"
        return
    state.lifecycle_state, state.deadline = f"{phase}:Wait", now + state.hook.heartbeat_timeout


def _proceed(state: InstanceState, result: str) -> None:
    phase = state.lifecycle_state.removesuffix(":Wait")
    if phase.endswith("Pending") and result == "ABANDON":
        _begin_termination(state)
        if not _behaviour.hook_after_abandon:
            state.lifecycle_state += ":Proceed"
    else:
        state.lifecycle_state = f"{phase}:Proceed"


def _register(group: FakeAutoScalingGroup) -> None:
    """The group's instances in service, and no others, are targets of its target groups."""
    for state in group.instance_states:
        state.was_target = bool(group.target_group_arns) and (
            state.lifecycle_state == "InService" or getattr(state, "was_target", False)
        )
    serving = {state.instance.id for state in group.instance_states if state.lifecycle_state == "InService"}
    for arn in group.target_group_arns:
        target_group = group.autoscaling_backend.elbv2_backend.target_groups[arn]
        registered = set(target_group.targets)
        target_group.register([{"Id": id, "Port": target_group.port} for id in serving - registered])
        target_group.deregister([{"Id": id} for id in registered - serving])


def _suspended(group: FakeAutoScalingGroup, *processes: str) -> bool:
    return any(one["ProcessName"] in processes for one in group.suspended_processes)


def _resize(group: FakeAutoScalingGroup) -> None:
    staying = [state for state in group.instance_states if not _leaving(state)]
    missing = (group.desired_capacity or 0) - len(staying)
    if missing > 0 and not _suspended(group, "Launch"):
        for _ in range(missing):
            _from_warm_pool(group) or _launch(group)
    elif missing < 0 and not _suspended(group, "Terminate"):
        for state in _surplus(group, staying)[:-missing]:
            state.lifecycle_state = "Terminating"


def _from_warm_pool(group: FakeAutoScalingGroup) -> bool:
    """One that is ready there is started, and launches as any other does."""
    ready = (f"{_WARM}Running", f"{_WARM}Stopped")
    state = next((one for one in _warm(group) if one.lifecycle_state in ready and _is_well(one)), None)
    if state is None:
        return False
    if state.instance.state == "stopped":
        state.instance.start()
    group.warm_states = [other for other in group.warm_states if other is not state]
    group.instance_states.append(state)
    state.lifecycle_state = "Pending"
    return True


def _prepare(group: FakeAutoScalingGroup) -> None:
    """The warm pool is as large as what the group may still grow by, or as it is told to be, and `min_size` at least.

    https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PutWarmPool.html
    """
    pool = group.warm_pool
    staying = [state for state in _warm(group) if not _leaving(state)]
    wanted = 0
    if pool is not None:
        told = pool.max_group_prepared_capacity
        most = group.max_size if told in (None, -1) else told
        wanted = max(most - (group.desired_capacity or 0), pool.min_size)
    for _ in range(wanted - len(staying)):
        _launch(group, warm=True)
    for state in staying[wanted:]:
        _begin_termination(state)


def _surplus(group: FakeAutoScalingGroup, staying: list[InstanceState]) -> list[InstanceState]:
    """Those to go first: of the fullest zone, of the oldest template version; never one that is protected."""
    free, chosen = [state for state in staying if not state.protected_from_scale_in], []
    while free:
        zones = [state.availability_zone for state in free]
        chosen.append(max(free, key=lambda state: (zones.count(state.availability_zone), -state.version)))
        free.remove(chosen[-1])
    return chosen


def _launch(group: FakeAutoScalingGroup, warm: bool = False) -> None:
    """One instance of the group's template version, in the subnet of the group that has the fewest of its own."""
    if _behaviour.happens("launch", _behaviour.failing):
        why = "We currently do not have sufficient capacity in the Availability Zone you requested."
        _tell(group, "Launching a new EC2 instance", f"{why} Launching EC2 instance failed.")
        return
    version = group.ec2_launch_template.get_version(group.launch_template_version)
    used = [state.instance.subnet_id for state in group.instance_states]
    subnet = min(group.vpc_zone_identifier.split(","), key=used.count)
    profile, interface = version.data.get("IamInstanceProfile", {}), (version.data.get("NetworkInterfaces") or [{}])[0]
    overrides = (group.mixed_instances_policy or {}).get("LaunchTemplate", {}).get("Overrides") or [{}]
    (instance,) = group.ec2_backend.run_instances(
        version.image_id,
        1,
        # moto gives a later version's to nobody: it has kept it as it came.
        parse_user_data(str(version.data["UserData"])) if version.data.get("UserData") else None,
        [],
        instance_type=overrides[0].get("InstanceType") or version.instance_type,
        is_instance_type_default=False,
        region_name=group.ec2_backend.region_name,
        subnet_id=subnet,
        security_group_ids=[*version.data.get("SecurityGroupIds", ()), *interface.get("Groups", ())],
        launch_template={"LaunchTemplateId": group.ec2_launch_template.id, "Version": version.number},
        iam_instance_profile=profile.get("Arn") or profile.get("Name"),
        metadata_options=version.data.get("MetadataOptions"),
        # The template's own tags win over the group's.
        tags={"instance": {**group.get_propagated_tags(), **version.instance_tags, ASG_NAME_TAG: group.name}},
    ).instances
    instance.autoscaling_group = group
    first = f"{_WARM}Pending" if warm else "Pending"
    state = InstanceState(instance, first, protected_from_scale_in=group.new_instances_protected_from_scale_in)
    state.version = version.number
    (_warm(group) if warm else group.instance_states).append(state)


# In place of moto's: calls that only write down.


def _set_desired_capacity(group: FakeAutoScalingGroup, wanted: int | None) -> None:
    group.desired_capacity = group.min_size if wanted is None else wanted


def _terminate_instance(backend: AutoScalingBackend, instance_id: str, decrement: bool) -> TerminateInstanceActivity:
    with _lock:
        state = _found(backend, "", instance_id)
        group = state.auto_scaling_group
        before = group.desired_capacity
        if decrement and not _leaving(state):
            if group.desired_capacity - 1 < group.min_size:
                raise ValidationError(
                    f"Currently, desiredSize equals minSize ({group.min_size}). Terminating instance without "
                    "replacement will violate group's min size constraint."
                )
            group.desired_capacity -= 1
        if not _leaving(state):
            state.lifecycle_state = "Terminating"
        return TerminateInstanceActivity(state.instance, before)


def _delete_auto_scaling_group(backend: AutoScalingBackend, name: str, force: bool = False) -> None:
    with _lock:
        group = backend.autoscaling_groups.get(name)
        if group is None:
            raise ValidationError(f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found")
        everybody = [*group.instance_states, *_warm(group)]
        if (everybody or group.warm_pool) and not force:
            raise ValidationError("You cannot delete an AutoScalingGroup while there are instances still in the group.")
        if everybody:
            group.ec2_backend.terminate_instances([state.instance.id for state in everybody])
        del backend.autoscaling_groups[name]


def _found(backend: AutoScalingBackend, group: str, instance_id: str) -> InstanceState:
    groups = backend.autoscaling_groups.values()
    for state in (one for each in groups for one in (*each.instance_states, *_warm(each))):
        if state.instance.id == instance_id and group in ("", state.auto_scaling_group.name):
            return state
    raise ValidationError(f"Instance Id not found - No managed instance found for instance ID: {instance_id}")


def _waiting(response: AutoScalingResponse) -> InstanceState:
    """The instance whose lifecycle action a request names."""
    asked = response._get_param
    state = _found(response.autoscaling_backend, asked("AutoScalingGroupName"), asked("InstanceId"))
    hook: LifecycleHook | None = getattr(state, "hook", None)
    if not state.lifecycle_state.endswith(":Wait") or hook is None or hook.name != asked("LifecycleHookName"):
        raise ValidationError(
            f"No active Lifecycle Action found with instance ID {state.instance.id} (it is {state.lifecycle_state})"
        )
    return state


def _complete_lifecycle_action(response: AutoScalingResponse) -> ActionResult:
    with _lock:
        result = response._get_param("LifecycleActionResult")
        if result not in ("CONTINUE", "ABANDON"):
            raise ValidationError("LifecycleActionResult must be CONTINUE or ABANDON")
        _proceed(_waiting(response), result)
    return EmptyResult()


def _record_lifecycle_action_heartbeat(response: AutoScalingResponse) -> ActionResult:
    with _lock:
        state = _waiting(response)
        state.deadline = time.monotonic() + state.hook.heartbeat_timeout
    return EmptyResult()


def _describe_scaling_activities(response: AutoScalingResponse) -> ActionResult:
    group = response.autoscaling_backend.autoscaling_groups.get(response._get_param("AutoScalingGroupName"))
    most = int(response._get_param("MaxRecords") or _ACTIVITIES)
    return ActionResult({"Activities": getattr(group, "told", [])[:most]})


def _describe_warm_pool(response: AutoScalingResponse) -> ActionResult:
    (group,) = response.autoscaling_backend.describe_auto_scaling_groups([response._get_param("AutoScalingGroupName")])
    return ActionResult({"WarmPoolConfiguration": group.warm_pool, "Instances": list(_warm(group))})


_create = AutoScalingResponse.create_auto_scaling_group


def _create_auto_scaling_group(response: AutoScalingResponse) -> ActionResult:
    """moto forgets the hooks that a group is born with, and without them its first instances would not wait."""
    with _lock:
        made = _create(response)
        for hook in response._get_param("LifecycleHookSpecificationList") or []:
            response.autoscaling_backend.create_lifecycle_hook(
                hook["LifecycleHookName"],
                response._get_param("AutoScalingGroupName"),
                hook["LifecycleTransition"],
                hook.get("HeartbeatTimeout"),
                hook.get("DefaultResult"),
            )
    return made


def _forced_delete(response: AutoScalingResponse) -> ActionResult:
    force = bool(response._get_bool_param("ForceDelete", False))
    _delete_auto_scaling_group(response.autoscaling_backend, response._get_param("AutoScalingGroupName"), force)
    return EmptyResult()


def _template(state: InstanceState) -> dict[str, Any]:
    template = state.auto_scaling_group.ec2_launch_template
    return {
        "LaunchTemplateId": template.id,
        "LaunchTemplateName": template.name,
        "Version": str(state.version),
    }


@contextmanager
def installed(behaviour: Behaviour = CALM) -> Iterator[None]:
    """All of this in the place of moto's own, in this process; it goes as `behaviour` says."""
    ours = {
        FakeAutoScalingGroup: {"set_desired_capacity": _set_desired_capacity},
        AutoScalingBackend: {
            "terminate_instance": _terminate_instance,
            "delete_auto_scaling_group": _delete_auto_scaling_group,
            # `step` sees both.
            "update_attached_target_groups": lambda backend, name: None,
            "notify_terminate_instances": lambda backend, ids: None,
        },
        AutoScalingResponse: {
            "create_auto_scaling_group": _create_auto_scaling_group,
            "delete_auto_scaling_group": _forced_delete,
            "describe_scaling_activities": _describe_scaling_activities,
            "describe_warm_pool": _describe_warm_pool,
            "complete_lifecycle_action": _complete_lifecycle_action,
            "record_lifecycle_action_heartbeat": _record_lifecycle_action_heartbeat,
        },
        InstanceState: {"launch_template": property(_template)},
    }
    with ExitStack() as undo:
        undo.enter_context(patch(f"{__name__}._behaviour", behaviour))
        for kind, replaced in ours.items():
            for name, member in replaced.items():
                undo.enter_context(patch.object(kind, name, member, create=True))
        yield

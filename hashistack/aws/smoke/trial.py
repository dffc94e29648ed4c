"""A smoke run's machines as their account has them: what AWS and they say, and one machine's way through its life."""

from __future__ import annotations

import re
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from hashistack.aws import tags
from hashistack.aws.checks import HEARTBEAT_SECONDS
from hashistack.aws.ops import session
from hashistack.aws.provider import access_of
from hashistack.aws.smoke import remains
from hashistack.aws.smoke.program import RUN
from hashistack.component.findings import Finding
from hashistack.component.trial import Timeline
from hashistack.errors import HashistackError

LOOK_SECONDS: Final = 2.0
_PATIENCE: Final = 900.0
"""For each act: as long as a first boot may take (`pools.hooks.LAUNCH_SECONDS`)."""
_GROUP: Final = "group"
_EC2: Final = "EC2"
_TARGETS: Final = "target groups"
_MACHINE: Final = "machine"
_SKEW_SECONDS: Final = 30.0
"""By which the clocks of a machine and of who runs this may differ."""


class NotInTime(HashistackError):
    """What was waited for did not come."""


class AwsTrial:
    """One run. run: its name, which all that it makes is tagged with. settings: the stack's, as `aws:region`."""

    program = "hashistack.aws.smoke.program"
    price = "three t3.small, a NAT gateway and a load balancer for about 20 minutes: less than 1 $"

    def __init__(self, run: str, settings: Mapping[str, Any], clock: Callable[[], float] = time.time) -> None:
        region = settings.get("aws:region")
        asked = {name: settings.get(f"aws:{name}") for name in ("profile", "assumeRoles", "endpoints")}
        try:
            made = session.session(region, access_of(asked["profile"], asked["assumeRoles"], asked["endpoints"]))
        except BotoCoreError as error:
            failed = session.failure(error)
            raise HashistackError(failed.what, failed.remedy) from error
        if not made.region_name:
            raise HashistackError("no region is named", "pulumi config set aws:region REGION, or export AWS_REGION")
        self.run, self.region, self.timeline = run, str(made.region_name), Timeline()
        self._session, self._clock, self._lines = made, clock, dict[str, int]()
        self._ec2 = self._client("ec2")
        self._autoscaling, self._elb, self._s3 = self._client("autoscaling"), self._client("elbv2"), self._client("s3")
        self._buckets: dict[str, str] = {}
        self._group: dict[str, Any] = {}
        self._boxes: dict[str, str] = {}
        self._failed = self._machine = ""

    def _client(self, service: str) -> Any:
        return self._session.client(service, region_name=self.region, config=session.CONFIG)  # type: ignore[call-overload]

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Looks, beside what somebody else does meanwhile."""
        over = threading.Event()

        def follow() -> None:
            while not over.wait(LOOK_SECONDS):
                self.look()

        looking = threading.Thread(target=follow, name="smoke", daemon=True)
        looking.start()
        try:
            yield
        finally:
            over.set()
            looking.join()

    def look(self) -> None:
        """One look at everything. What can't be seen now is seen by the next one."""
        try:
            self._look()
        except (BotoCoreError, ClientError) as error:
            self._failed = str(session.failure(error))

    def _look(self) -> None:
        self._failed, at = "", self._clock()
        filters: Any = [{"Name": f"tag:{RUN}", "Values": [self.run]}]
        for page in self._ec2.get_paginator("describe_instances").paginate(Filters=filters):
            for one in (one for several in page["Reservations"] for one in several["Instances"]):
                said = {tag["Key"]: tag["Value"] for tag in one.get("Tags", ())}
                self._boxes[one["InstanceId"]] = one["State"]["Name"]
                self.timeline.state(at, _EC2, one["InstanceId"], one["State"]["Name"])
                if not self._group and (name := said.get(tags.GROUP)):
                    self._group = {"AutoScalingGroupName": name}
        if self._group:
            self._look_at_group(at)
        for instance in [id for id, state in self._boxes.items() if state != "pending"]:
            self._look_at_lines(instance)

    def _look_at_group(self, at: float) -> None:
        name = self._group["AutoScalingGroupName"]
        there = self._autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
        if not there:
            return
        self._group = there[0]
        for one in self._group["Instances"]:
            self.timeline.state(at, _GROUP, one["InstanceId"], one["LifecycleState"])
        arns, states = self._group.get("TargetGroupARNs", ()), dict[str, list[str]]()
        for arn in arns:
            for one in self._elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]:
                states.setdefault(one["Target"]["Id"], []).append(one["TargetHealth"]["State"])
        for instance in self._boxes:
            found = states.get(instance, [])
            said = ", ".join(f"{found.count(state)} {state}" for state in sorted({*found})) or "none"
            if found or self.timeline.now(_TARGETS, instance):
                self.timeline.state(at, _TARGETS, instance, f"{said} of {len(arns)}")

    def _look_at_lines(self, instance: str) -> None:
        """What the machine has put into its bucket."""
        if instance not in self._buckets:
            said = self._ec2.describe_instance_attribute(InstanceId=instance, Attribute="userData")["UserData"]
            script = b64decode(said.get("Value", "")).decode()
            if not (bucket := re.search(r"^HS_BUCKET=(\S+)$", script, re.MULTILINE)):
                return
            self._buckets[instance] = bucket[1]
        try:
            object_ = self._s3.get_object(Bucket=self._buckets[instance], Key=f"snapshots/smoke-{instance}.txt")
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in ("NoSuchKey", "NoSuchBucket", "404"):
                raise
            return
        lines = object_["Body"].read().decode().splitlines()
        for line in lines[self._lines.get(instance, 0) :]:
            second, _, what = line.partition(" ")
            self.timeline.note(float(second), _MACHINE, f"{instance} {what}")
        self._lines[instance] = len(lines)

    def _until(self, seen: Callable[[], bool], what: str, seconds: float = _PATIENCE) -> None:
        end = time.monotonic() + seconds
        while True:
            self.look()
            if seen():
                return
            if time.monotonic() > end:
                raise NotInTime(f"{what}: not within {seconds:.0f} s{f' ({self._failed})' if self._failed else ''}")
            time.sleep(LOOK_SECONDS)

    def _said(self, word: str) -> list[str]:
        """What the machine has said after a word, each time."""
        begin = f"{self._machine} {word}"
        lines = [one.what for one in self.timeline.events if one.source == _MACHINE]
        return [line.removeprefix(begin).strip() for line in lines if f"{line} ".startswith(f"{begin} ")]

    def _first(self, source: str, what: str, after: float = 0.0) -> float | None:
        return self.timeline.first(source, f"{self._machine} {what}", after)

    def go(self, say: Callable[[str], None]) -> Iterator[Finding]:
        """One machine's life after it came into service, and what is found on the way."""
        self._until(lambda: bool(self._serving()), "a machine is in service")
        self._machine = self._serving()[0]
        yield self._booted()
        yield self._reached()
        say("a renewed lease …")
        yield self._renewed()
        say("a reboot …")
        yield self._rebooted()
        say("its termination …")
        yield from self._terminated()

    def _booted(self) -> Finding:
        self._until(lambda: bool(self._said("well")), "the machine says that it is well")
        held, served = self._first(_GROUP, "Pending:Wait"), self._first(_GROUP, "InService")
        return Finding(
            "it boots by our user data, fetches bundle and secret, and is in service once it is well",
            held is not None and served is not None,
            f"{served - held:.0f} s at its launch hook" if held and served else "never seen at its launch hook",
            "a machine that is not well would be given work",
        )

    def _reached(self) -> Finding:
        count = len(self._group.get("TargetGroupARNs", ()))
        with suppress(NotInTime):
            self._until(lambda: self._targets() == f"{count} healthy of {count}", "it is healthy", 180)
        return Finding(
            "the load balancer's health checks find it",
            count > 0 and self._targets() == f"{count} healthy of {count}",
            self._targets() or "it is in no target group",
            "requests to the load balancer would not come to it",
        )

    def _targets(self) -> str:
        """What the target groups said last of the machine."""
        return self.timeline.now(_TARGETS, self._machine)

    def _renewed(self) -> Finding:
        sentence, hangs = "its resolver stays ours when its lease is renewed", "the probe hangs: see its console"
        try:
            self._until(lambda: any(self._said("resolver") + self._said("unrenewed")), sentence, 120)
        except NotInTime as late:
            return Finding(sentence, None, str(late), hangs)
        if unrenewed := self._said("unrenewed"):
            return Finding(sentence, None, unrenewed[0], "renew it by hand, or wait for the half of a lease")
        client, how, whose, names = self._said("resolver")[0].split()
        detail = f"{client} {how} it, then /etc/resolv.conf was {whose} and names of .consul were {names}"
        if (whose, names) != ("ours", "answered"):
            return Finding(sentence, False, detail, "names of .consul are lost when leases are renewed")
        told = "no file of leases shows that it was renewed"
        return Finding(sentence, True if how == "renewed" else None, detail, told)

    def _rebooted(self) -> Finding:
        sentence, before = "it comes back from a reboot as who it was", self._said("well")[0]
        began, starts = self._clock(), len(self._said("started"))
        self.timeline.note(began, "hashistack", f"reboots {self._machine}")
        self._ec2.reboot_instances(InstanceIds=[self._machine])
        lost = "a reboot loses a server: see its console"
        try:
            # It says `well` once in each of its lives.
            self._until(lambda: len(self._said("started")) > starts and len(self._said("well")) > 1, "it is well again")
        except NotInTime as late:
            return Finding(sentence, False, str(late), lost)
        after, back = self._said("well")[-1], self.timeline.last(_MACHINE, f"{self._machine} well")
        if after != before:
            return Finding(sentence, False, f"{before}; then {after}", lost)
        return Finding(sentence, True, f"well again after {back - began:.0f} s")

    def _terminated(self) -> Iterator[Finding]:
        began, machine = self._clock(), self._machine
        self.timeline.note(began, "hashistack", f"has its group terminate {machine}")
        self._autoscaling.terminate_instance_in_auto_scaling_group(
            InstanceId=machine, ShouldDecrementDesiredCapacity=True
        )
        sentence = "it leaves, and completes its termination hook itself"
        stuck = "a rollout would wait for the hook's end with each machine"
        try:
            self._until(lambda: self._boxes.get(machine) == "terminated", "EC2 has ended it")
        except NotInTime as late:
            yield Finding(sentence, False, str(late), stuck)
            return
        waited = self._first(_GROUP, "Terminating:Wait", began)
        gone = [at for state in ("shutting-down", "terminated") if (at := self._first(_EC2, state, began))]
        if waited is None:
            yield Finding(sentence, None, "its group was not seen at the hook", "see the timeline")
            return
        # The hook's own end comes after its heartbeat timeout, and not before.
        took = min(gone) - waited
        told = f"{took:.0f} s at the hook, which gives a silent machine up after {HEARTBEAT_SECONDS} s"
        yield Finding(sentence, took < HEARTBEAT_SECONDS, told, stuck)
        flipped = self._first(_MACHINE, "metadata Terminated", began - _SKEW_SECONDS)
        sentence = "its metadata tell it that it is being taken away"
        if flipped is None:
            yield Finding(sentence, None, "its probe has not told of it", "it would not know that it is to leave")
        else:
            order = "before" if flipped < waited else "after"
            yield Finding(sentence, True, f"{abs(flipped - waited):.0f} s {order} its group waits at the hook")

    def _serving(self) -> list[str]:
        return [one["InstanceId"] for one in self._group.get("Instances", ()) if one["LifecycleState"] == "InService"]

    def left(self) -> list[str]:
        return remains.left(self._session, self.region, self.run)

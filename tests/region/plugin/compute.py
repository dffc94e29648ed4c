"""Launch templates, Auto Scaling groups and their hooks in moto."""

from __future__ import annotations

import re
import time
from typing import Any

from hashistack.provider.handler import Context, Props

from .resource import Echo, client, parameters

_UNITS = {"s": 1, "m": 60, "h": 3600}


class LaunchTemplate(Echo):
    named = True
    moving = ("latestVersion", "defaultVersion")
    _own = ("name", "namePrefix", "tags", "updateDefaultVersion", "defaultVersion", "description", "region")

    def make(self, region: str, name: str, news: Props) -> tuple[str, Props]:
        ec2 = client("ec2", region)
        data = parameters(ec2, "CreateLaunchTemplate", self._data(news), "LaunchTemplateData")
        made = ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData=data)["LaunchTemplate"]
        return made["LaunchTemplateId"], {"name": name, "latestVersion": 1, "defaultVersion": 1}

    def change(self, region: str, id: str, olds: Props, news: Props) -> Props:
        if self._data(olds, news) == self._data(news):
            return {"latestVersion": olds["latestVersion"], "defaultVersion": olds["defaultVersion"]}  # its tags only
        ec2 = client("ec2", region)
        data = parameters(ec2, "CreateLaunchTemplateVersion", self._data(news), "LaunchTemplateData")
        made = ec2.create_launch_template_version(LaunchTemplateId=id, LaunchTemplateData=data)
        latest = default = made["LaunchTemplateVersion"]["VersionNumber"]
        if news.get("updateDefaultVersion"):
            ec2.modify_launch_template(LaunchTemplateId=id, DefaultVersion=str(latest))
        else:
            default = olds["defaultVersion"]
        return {"latestVersion": latest, "defaultVersion": default}

    def remove(self, region: str, id: str, olds: Props) -> None:
        client("ec2", region).delete_launch_template(LaunchTemplateId=id)

    def _data(self, props: Props, among: Props | None = None) -> Props:
        names = (props if among is None else among).keys() - set(self._own)
        return {name: props[name] for name in sorted(names) if props.get(name) is not None}


class Group(Echo):
    """Waits for its capacity as the real provider does, and on removal for its machines to be gone."""

    named = True
    _own = (
        "name", "namePrefix", "waitForCapacityTimeout", "forceDelete", "suspendedProcesses", "warmPool", "region",
        "metricsGranularity", "enabledMetrics", "vpcZoneIdentifiers", "ignoreFailedScalingActivities",
        "forceDeleteWarmPool", "waitForElbCapacity", "minElbCapacity",
    )  # fmt: skip

    def create(self, ctx: Context, news: Props) -> tuple[str, Props]:
        id, made = super().create(ctx, news)
        self._await(ctx, made["region"], id, news)
        return id, made

    def make(self, region: str, name: str, news: Props) -> tuple[str, Props]:
        asg = client("autoscaling", region)
        asked = parameters(asg, "CreateAutoScalingGroup", self._asked(news))
        asg.create_auto_scaling_group(AutoScalingGroupName=name, **asked)
        if news.get("suspendedProcesses"):
            asg.suspend_processes(AutoScalingGroupName=name, ScalingProcesses=news["suspendedProcesses"])
        (made,) = asg.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
        return name, {"name": name, "arn": made["AutoScalingGroupARN"]}

    def change(self, region: str, id: str, olds: Props, news: Props) -> Props:
        asg = client("autoscaling", region)
        asked = {
            name: value for name, value in self._asked(news).items() if name not in ("initialLifecycleHooks", "tags")
        }
        asked.pop("targetGroupArns", None)
        if olds.get("desiredCapacity") == news.get("desiredCapacity"):
            asked.pop("desiredCapacity", None)
        asg.update_auto_scaling_group(AutoScalingGroupName=id, **parameters(asg, "UpdateAutoScalingGroup", asked))
        if olds.get("tags") != news.get("tags"):
            place = {"ResourceId": id, "ResourceType": "auto-scaling-group"}
            tags = parameters(asg, "CreateAutoScalingGroup", {"tags": news.get("tags") or []})["Tags"]
            asg.create_or_update_tags(Tags=[{**tag, **place} for tag in tags])
        return {}

    def remove(self, region: str, id: str, olds: Props) -> None:
        asg = client("autoscaling", region)
        if not olds.get("forceDelete"):
            asg.update_auto_scaling_group(AutoScalingGroupName=id, MinSize=0, MaxSize=0, DesiredCapacity=0)
            while self._instances(region, id):
                time.sleep(0.5)
        asg.delete_auto_scaling_group(AutoScalingGroupName=id, ForceDelete=bool(olds.get("forceDelete")))

    def _asked(self, news: Props) -> Props:
        asked = {name: value for name, value in news.items() if name not in self._own}
        return {**asked, "vPCZoneIdentifier": ",".join(news["vpcZoneIdentifiers"])}

    def _await(self, ctx: Context, region: str, id: str, news: Props) -> None:
        number, unit = re.fullmatch(r"(\d+)([smh]?)", news.get("waitForCapacityTimeout") or "10m").groups()  # type: ignore[union-attr]
        patience = int(number) * _UNITS.get(unit, 1)
        deadline = time.monotonic() + patience
        wanted = int(news.get("desiredCapacity") or news["minSize"])
        while patience and not ctx.cancelled.wait(0.5):
            serving = [one for one in self._instances(region, id) if one["LifecycleState"] == "InService"]
            if len(serving) >= wanted:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"{id}: waiting for {wanted} machines in service, {len(serving)} are")

    def _instances(self, region: str, id: str) -> list[dict[str, Any]]:
        found = client("autoscaling", region).describe_auto_scaling_groups(AutoScalingGroupNames=[id])
        return [one for group in found["AutoScalingGroups"] for one in group["Instances"]]


class LifecycleHook(Echo):
    replacing = ("name", "autoscalingGroupName")

    def make(self, region: str, name: str, news: Props) -> tuple[str, Props]:
        self._put(region, name, news)
        return name, {"name": name}

    def change(self, region: str, id: str, olds: Props, news: Props) -> Props:
        self._put(region, id, news)
        return {}

    def remove(self, region: str, id: str, olds: Props) -> None:
        group = olds["autoscalingGroupName"]
        client("autoscaling", region).delete_lifecycle_hook(LifecycleHookName=id, AutoScalingGroupName=group)

    def _put(self, region: str, name: str, news: Props) -> None:
        asg = client("autoscaling", region)
        asked = {**{key: value for key, value in news.items() if key != "region"}, "name": name}
        asked["autoScalingGroupName"] = asked.pop("autoscalingGroupName")
        asg.put_lifecycle_hook(**parameters(asg, "PutLifecycleHook", asked))

"""Load balancers in moto. Their DNS names are in the host's /etc/hosts: see `balancer`."""

from __future__ import annotations

from hashistack.provider.handler import Props

from .resource import Echo, client


class LoadBalancer(Echo):
    named = True

    def make(self, region: str, name: str, news: Props) -> tuple[str, Props]:
        subnets = news.get("subnets") or [each["subnetId"] for each in news.get("subnetMappings", ())]
        made = client("elbv2", region).create_load_balancer(
            Name=name,
            Subnets=list(subnets),
            Scheme="internal" if news.get("internal") else "internet-facing",
            Type=news.get("loadBalancerType") or "application",
        )["LoadBalancers"][0]
        arn = made["LoadBalancerArn"]
        suffix = arn.partition("loadbalancer/")[2]
        return arn, {
            "name": name,
            "arn": arn,
            "arnSuffix": suffix,
            "dnsName": made["DNSName"],
            "zoneId": "Z3F0SRJ5LGBH90",
        }

    def remove(self, region: str, id: str, olds: Props) -> None:
        client("elbv2", region).delete_load_balancer(LoadBalancerArn=id)


class TargetGroup(Echo):
    named = True

    def make(self, region: str, name: str, news: Props) -> tuple[str, Props]:
        made = client("elbv2", region).create_target_group(
            Name=name, Protocol=news["protocol"], Port=int(news["port"]), VpcId=news["vpcId"], TargetType="instance"
        )["TargetGroups"][0]["TargetGroupArn"]
        return made, {"name": name, "arn": made}

    def remove(self, region: str, id: str, olds: Props) -> None:
        client("elbv2", region).delete_target_group(TargetGroupArn=id)


class Listener(Echo):
    def make(self, region: str, name: str, news: Props) -> tuple[str, Props]:
        made = client("elbv2", region).create_listener(
            LoadBalancerArn=news["loadBalancerArn"],
            Protocol=news["protocol"],
            Port=int(news["port"]),
            DefaultActions=[{"Type": "forward", "TargetGroupArn": news["defaultActions"][0]["targetGroupArn"]}],
        )["Listeners"][0]["ListenerArn"]
        return made, {"arn": made}

    def remove(self, region: str, id: str, olds: Props) -> None:
        client("elbv2", region).delete_listener(ListenerArn=id)

"""GcpNetwork: where the machines are. One regional subnetwork, a way out, and a way to Google without any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_gcp import compute

from hashistack.cloud.zones import zones
from hashistack.spec import Network, SpecError

DEFAULT_CIDR = "10.0.0.0/16"


@dataclass(frozen=True)
class GcpNetworkArgs:
    """What a network is made of.

    region: the cluster's.
    network: its addresses and its way out; by default 10.0.0.0/16, with Cloud NAT.
    zones: zones to use; None: the first three of the region, by name.
    flow_logs: record all traffic of the subnetwork.
    network_id, subnetwork_id: a network of yours, and its subnetwork in the region, which must have Private Google
    Access. Then nothing is made.
    """

    region: str
    network: Network | None = None
    zones: Sequence[str] | None = None
    flow_logs: bool = False
    network_id: pulumi.Input[str] | None = None
    subnetwork_id: pulumi.Input[str] | None = None


class GcpNetwork(pulumi.ComponentResource):
    """A network whose machines have no external address, or the user's own. Machines reach Google's APIs by Private
    Google Access, with or without NAT."""

    network_id: pulumi.Output[str]
    subnetwork_id: pulumi.Output[str]
    cidr: pulumi.Output[str]
    """The subnetwork's addresses."""
    zones: tuple[str, ...]
    """The zones in use."""

    def __init__(self, name: str, args: GcpNetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hashistack:index:GcpNetwork", name, {}, opts)
        child, invoke = pulumi.ResourceOptions(parent=self), pulumi.InvokeOptions(parent=self)
        # A plain value, and asked first, so that nothing has been made when a zone is refused.
        found = compute.get_zones(region=args.region, status="UP", opts=invoke).names
        try:
            self.zones = zones(found, args.zones, args.region)
        except SpecError as error:
            raise pulumi.RunError(str(error)) from error
        if args.network_id is not None:
            if args.subnetwork_id is None:
                raise pulumi.RunError(
                    "network.subnetwork_id: is missing. A network of yours comes with its subnetwork."
                )
            self.network_id = pulumi.Output.from_input(args.network_id)
            self.subnetwork_id = pulumi.Output.from_input(args.subnetwork_id)
            self.cidr = compute.get_subnetwork_output(self_link=args.subnetwork_id, opts=invoke).ip_cidr_range
        else:
            self._make(name, args, child)
        self.register_outputs({"networkId": self.network_id, "subnetworkId": self.subnetwork_id})

    def _make(self, name: str, args: GcpNetworkArgs, child: pulumi.ResourceOptions) -> None:
        spec = args.network or Network()
        made = compute.Network(f"{name}-vpc", auto_create_subnetworks=False, routing_mode="REGIONAL", opts=child)
        logs = args.flow_logs and compute.SubnetworkLogConfigArgs(
            aggregation_interval="INTERVAL_5_SEC", flow_sampling=1.0, metadata="INCLUDE_ALL_METADATA"
        )
        own = next((each.cidr for each in spec.subnets if not each.public), None)
        subnetwork = compute.Subnetwork(
            f"{name}-machines",
            network=made.id,
            region=args.region,
            ip_cidr_range=own or spec.cidr or DEFAULT_CIDR,
            private_ip_google_access=True,
            log_config=logs or None,
            opts=child,
        )
        self.network_id, self.subnetwork_id = made.id, subnetwork.id
        self.cidr = subnetwork.ip_cidr_range
        if spec.nat == "none":
            return
        # Cloud NAT has no machine of its own: one is in all zones.
        router = compute.Router(f"{name}-router", network=made.id, region=args.region, opts=child)
        compute.RouterNat(
            f"{name}-nat",
            router=router.name,
            region=args.region,
            nat_ip_allocate_option="AUTO_ONLY",
            source_subnetwork_ip_ranges_to_nat="LIST_OF_SUBNETWORKS",
            subnetworks=[
                compute.RouterNatSubnetworkArgs(name=subnetwork.id, source_ip_ranges_to_nats=["ALL_IP_RANGES"])
            ],
            log_config=compute.RouterNatLogConfigArgs(enable=True, filter="ERRORS_ONLY"),
            opts=child,
        )


def problems_of(network: Network) -> str | None:
    """What is wrong with a network's subnets here, None where nothing is: machines have one, over all zones."""
    private = [each for each in network.subnets if not each.public]
    return f"has {len(private)} subnets for machines" if network.subnets and len(private) != 1 else None

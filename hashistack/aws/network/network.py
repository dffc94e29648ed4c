"""AwsNetwork: where the machines are. Private subnets over three zones, ways out, and ways to AWS without any."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
import pulumi_aws as aws

from hashistack.aws.network.endpoints import Endpoints
from hashistack.aws.network.flow_logs import flow_logs
from hashistack.aws.network.subnets import DEFAULT_CIDR, Placed, divide
from hashistack.aws.tags import named
from hashistack.cloud.zones import zones

if TYPE_CHECKING:
    from hashistack.spec import Network


@dataclass(frozen=True)
class AwsNetworkArgs:
    """What a network is made of.

    network: its addresses, subnets and ways out; by default 10.0.0.0/16 divided over three zones, with a NAT gateway in
    each.
    zones: zones to use; None: the first three of the region, by name.
    endpoints: services that get an interface endpoint, as AWS names them (``ec2``, ``secretsmanager``): what machines
    need where there is no NAT is ``endpoints.NEEDED``. S3 always has a gateway endpoint, which costs nothing.
    flow_logs: record all traffic of the VPC, kept for 30 days. permissions_boundary_arn: the most that
    the role which writes them may do.
    vpc_id, private_subnet_ids: a VPC of yours, and its subnets for machines, each in another zone. Then nothing is made
    but the endpoints that are asked for. route_table_ids: with it, S3's gateway endpoint too, in these tables.
    tags: for every resource.
    """

    network: Network | None = None
    zones: Sequence[str] | None = None
    endpoints: Sequence[str] = ()
    flow_logs: bool = False
    permissions_boundary_arn: pulumi.Input[str] | None = None
    vpc_id: pulumi.Input[str] | None = None
    private_subnet_ids: pulumi.Input[Sequence[str]] | None = None
    route_table_ids: pulumi.Input[Sequence[str]] | None = None
    tags: Mapping[str, str] | None = None


class AwsNetwork(pulumi.ComponentResource):
    """A VPC whose machines have no public address, or the user's own."""

    vpc_id: pulumi.Output[str]
    cidrs: pulumi.Output[Sequence[str]]
    """Where machines and load balancers have their addresses: the new VPC's range, or those of your subnets."""
    private_subnet_ids: pulumi.Output[Sequence[str]]
    """Subnets for machines."""
    zone_subnet_ids: pulumi.Output[Sequence[str]]
    """One of them in each zone: what load balancers and endpoints take. In a VPC of yours, all of them."""
    public_subnet_ids: pulumi.Output[Sequence[str]]
    """Subnets for what faces the internet: NAT gateways, and load balancers of products. Empty in a VPC of yours."""
    zones: tuple[str, ...]
    """The zones in use; empty in a VPC of yours, whose subnets have their own."""
    endpoints_security_group_id: pulumi.Output[str] | None
    """The group of the interface endpoints, for `AwsFirewall`; None without any."""

    def __init__(
        self, name: str, args: AwsNetworkArgs | None = None, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("hashistack:index:AwsNetwork", name, {}, opts)
        args = args or AwsNetworkArgs()
        self._name, self._tags = name, args.tags
        self._child, self._invoke = pulumi.ResourceOptions(parent=self), pulumi.InvokeOptions(parent=self)
        self.zones: tuple[str, ...] = ()
        self._private: list[tuple[Placed, aws.ec2.Subnet]] = []
        tables = self._make(args) if args.vpc_id is None else self._take(args, args.vpc_id)
        reachable = Endpoints(name, self.vpc_id, tags=args.tags, opts=self._child, invoke=self._invoke)
        if tables is not None:
            reachable.gateway("s3", tables)
        self.endpoints_security_group_id = (
            reachable.interfaces(args.endpoints, self.zone_subnet_ids) if args.endpoints else None
        )
        self.register_outputs({"vpc_id": self.vpc_id, "private_subnet_ids": self.private_subnet_ids})

    def subnet_ids_in(self, zones: Sequence[str] | None) -> pulumi.Output[Sequence[str]]:
        """Subnets for machines in ``zones`` alone; all of them for None."""
        if zones is None:
            return self.private_subnet_ids
        if self.zones:
            return _ids(subnet for placed, subnet in self._private if placed.zone in zones)
        wanted = list(zones)

        def found(ids: Sequence[str]) -> pulumi.Output[Sequence[str]]:
            filters = [
                aws.ec2.GetSubnetsFilterArgs(name="subnet-id", values=ids),
                aws.ec2.GetSubnetsFilterArgs(name="availability-zone", values=wanted),
            ]
            return aws.ec2.get_subnets_output(filters=filters, opts=self._invoke).ids

        return self.private_subnet_ids.apply(found)

    def _take(self, args: AwsNetworkArgs, vpc_id: pulumi.Input[str]) -> pulumi.Input[Sequence[str]] | None:
        if args.private_subnet_ids is None:
            raise pulumi.RunError("network.private_subnet_ids: are missing. A VPC of yours comes with its subnets.")
        self.vpc_id = pulumi.Output.from_input(vpc_id)
        self.private_subnet_ids = self.zone_subnet_ids = pulumi.Output.from_input(args.private_subnet_ids)
        # Not the VPC's: subnets may be in any of its ranges, and one that is added later is to change no machine.
        self.cidrs = self.private_subnet_ids.apply(self._ranges)
        self.public_subnet_ids = pulumi.Output.from_input([])
        return args.route_table_ids

    def _ranges(self, ids: Sequence[str]) -> pulumi.Output[Sequence[str]]:
        found = [aws.ec2.get_subnet_output(id=each, opts=self._invoke).cidr_block for each in ids]
        return pulumi.Output.all(*found).apply(lambda cidrs: sorted(set(cidrs)))

    def _make(self, args: AwsNetworkArgs) -> pulumi.Output[Sequence[str]]:
        from hashistack.spec import Network, SpecError

        network = args.network or Network()
        # A plain value, because it says how many resources there are; and asked first, so that nothing has been made
        # when a zone is refused. Local zones, which are opted in to, have no NAT gateways.
        region = aws.get_region(opts=self._invoke).region
        found = aws.get_availability_zones(
            filters=[{"name": "opt-in-status", "values": ["opt-in-not-required"]}], opts=self._invoke
        ).names
        try:
            self.zones = zones(found, args.zones, region)
            plan = divide(network, self.zones)
        except SpecError as error:
            raise pulumi.RunError(str(error)) from error
        vpc = aws.ec2.Vpc(
            f"{self._name}-vpc",
            cidr_block=network.cidr or DEFAULT_CIDR,
            enable_dns_support=True,
            enable_dns_hostnames=True,  # the endpoints' own names need it
            tags=named(self._name, args.tags),
            opts=self._child,
        )
        self.vpc_id, self.cidrs = vpc.id, vpc.cidr_block.apply(lambda cidr: [cidr])
        # Every VPC comes with a group that lets its members talk to each other: nobody is to be in it by mistake.
        aws.ec2.DefaultSecurityGroup(
            f"{self._name}-default",
            vpc_id=vpc.id,
            tags=named(f"{self._name}-default-unused", args.tags),
            opts=self._child,
        )
        # A zone that was looked up stays what it was, whatever AWS lists later.
        kept = ["availability_zone"] if args.zones is None else []
        self._private = [(each, self._subnet(f"private-{i}", each, kept)) for i, each in _numbered(plan, public=False)]
        public = [(each, self._subnet(f"public-{i}", each, kept)) for i, each in _numbered(plan, public=True)]
        self.private_subnet_ids = _ids(subnet for _, subnet in self._private)
        self.public_subnet_ids = _ids(subnet for _, subnet in public)
        first = {placed.zone: subnet for placed, subnet in reversed(self._private)}
        self.zone_subnet_ids = _ids(first[zone] for zone in self.zones if zone in first)
        gateways = self._ways_out(network.nat, public)
        tables = []
        for i, zone in enumerate(self.zones, 1):
            table = aws.ec2.RouteTable(
                f"{self._name}-private-{i}",
                vpc_id=vpc.id,
                tags=named(f"{self._name}-private-{i}", args.tags),
                opts=self._child,
            )
            tables.append(table.id)
            if gateways:
                self._route(f"private-{i}", table, nat_gateway_id=gateways.get(zone, next(iter(gateways.values()))))
            for j, (placed, subnet) in enumerate(self._private, 1):
                if placed.zone == zone:
                    self._associate(f"private-{j}", table, subnet)
        if args.flow_logs:
            flow_logs(f"{self._name}-flow-logs", vpc, args.tags, self._child, args.permissions_boundary_arn)
        return pulumi.Output.all(*tables).apply(list)

    def _ways_out(self, nat: str, public: Sequence[tuple[Placed, aws.ec2.Subnet]]) -> dict[str, pulumi.Output[str]]:
        """The internet gateway where there are public subnets, and the NAT gateways by zone."""
        if not public:
            return {}
        internet = aws.ec2.InternetGateway(
            f"{self._name}-internet", vpc_id=self.vpc_id, tags=named(self._name, self._tags), opts=self._child
        )
        table = aws.ec2.RouteTable(
            f"{self._name}-public",
            vpc_id=self.vpc_id,
            tags=named(f"{self._name}-public", self._tags),
            opts=self._child,
        )
        self._route("public", table, gateway_id=internet.id)
        for i, (_, subnet) in enumerate(public, 1):
            self._associate(f"public-{i}", table, subnet)
        if nat == "none":
            return {}
        gateways: dict[str, pulumi.Output[str]] = {}
        for i, (placed, subnet) in enumerate(public[:1] if nat == "single" else public, 1):
            if placed.zone in gateways:
                continue
            address = aws.ec2.Eip(
                f"{self._name}-nat-{i}",
                domain="vpc",
                tags=named(f"{self._name}-nat-{i}", self._tags),
                # An address in use by a NAT gateway is not let go of before the gateway to the internet is.
                opts=pulumi.ResourceOptions(parent=self, depends_on=[internet]),
            )
            gateways[placed.zone] = aws.ec2.NatGateway(
                f"{self._name}-nat-{i}",
                allocation_id=address.id,
                subnet_id=subnet.id,
                tags=named(f"{self._name}-nat-{i}", self._tags),
                opts=pulumi.ResourceOptions(parent=self, depends_on=[internet]),
            ).id
        return gateways

    def _subnet(self, suffix: str, placed: Placed, ignore: list[str]) -> aws.ec2.Subnet:
        return aws.ec2.Subnet(
            f"{self._name}-{suffix}",
            vpc_id=self.vpc_id,
            cidr_block=placed.cidr,
            availability_zone=placed.zone,
            map_public_ip_on_launch=False,
            tags=named(f"{self._name}-{suffix}", self._tags),
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=ignore),
        )

    def _route(
        self,
        suffix: str,
        table: aws.ec2.RouteTable,
        gateway_id: pulumi.Input[str] | None = None,
        nat_gateway_id: pulumi.Input[str] | None = None,
    ) -> None:
        aws.ec2.Route(
            f"{self._name}-{suffix}",
            route_table_id=table.id,
            destination_cidr_block="0.0.0.0/0",
            gateway_id=gateway_id,
            nat_gateway_id=nat_gateway_id,
            opts=self._child,
        )

    def _associate(self, suffix: str, table: aws.ec2.RouteTable, subnet: aws.ec2.Subnet) -> None:
        aws.ec2.RouteTableAssociation(
            f"{self._name}-{suffix}", route_table_id=table.id, subnet_id=subnet.id, opts=self._child
        )


def _numbered(plan: Sequence[Placed], *, public: bool) -> list[tuple[int, Placed]]:
    return list(enumerate((each for each in plan if each.public is public), 1))


def _ids(subnets: Iterable[aws.ec2.Subnet]) -> pulumi.Output[Sequence[str]]:
    return pulumi.Output.all(*(subnet.id for subnet in subnets)).apply(list)

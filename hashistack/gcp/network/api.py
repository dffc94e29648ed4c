"""GcpApi: one address for the APIs of the servers, whichever servers there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
from pulumi_gcp import compute

from hashistack.cloud.firewall_rules import operator_ports
from hashistack.gcp import labels
from hashistack.gcp.cluster_id import Scope
from hashistack.spec.ports import CONSUL_HTTPS, DNS, NOMAD_HTTP, VAULT_API

_HEALTHY: Mapping[str, str] = {
    # Neither needs a certificate or a token. Vault's active server alone answers 200: a standby forwards, but what it
    # forwards of a snapshot is not whole. Where none is healthy, the load balancer asks all.
    "nomad_http": "/v1/agent/health?type=server",
    "vault_api": "/v1/sys/health",
}
"""What says that a server can answer. Consul's asks every caller for a certificate, so there an open port must do."""

_PRODUCTS = {"nomad": NOMAD_HTTP, "consul": CONSUL_HTTPS, "vault": VAULT_API}


@dataclass(frozen=True)
class GcpApiArgs:
    """scope: the cluster's project, region and id. network_id, subnetwork_id: where the address is. dns: servers answer
    there for names, too."""

    scope: Scope
    network_id: pulumi.Input[str]
    subnetwork_id: pulumi.Input[str]
    labels: Mapping[str, str] = field(default_factory=dict)
    dns: bool = False


class GcpApi(pulumi.ComponentResource):
    """An internal passthrough load balancer for Nomad (4646), Consul (8501) and Vault (8200), at one address.

    Servers see their callers' own addresses: who may call is the firewall's matter. A server that calls the address
    reaches itself.
    """

    address: pulumi.Output[str]
    """Known before any server is: certificates name it."""
    addresses: pulumi.Output[dict[str, str]]
    """Product to the address of its API."""

    def __init__(self, name: str, args: GcpApiArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hashistack:index:GcpApi", name, {}, opts)
        self._name, self._args, self._child = name, args, pulumi.ResourceOptions(parent=self)
        self._labels = labels.of_cluster(args.scope.site, args.labels)
        self.address = compute.Address(
            f"{name}-address",
            region=args.scope.region,
            subnetwork=args.subnetwork_id,
            address_type="INTERNAL",
            purpose="SHARED_LOADBALANCER_VIP",  # several rules are at it
            labels=self._labels,
            opts=self._child,
        ).address
        self.addresses = self.address.apply(
            lambda host: {product: f"https://{host}:{port.number}" for product, port in _PRODUCTS.items()}
        )
        self.register_outputs({"address": self.address})

    def lead_to(self, instance_group: pulumi.Input[str]) -> None:
        """Sends requests to the servers of a group."""
        for port in operator_ports():
            name, path = f"{self._name}-{port.name.replace('_', '-')}", _HEALTHY.get(port.name)
            self._balance(name, port.number, "TCP", self._check(name, port.number, path), instance_group)
        if self._args.dns:
            check = self._check(f"{self._name}-dns", DNS.number)
            for protocol in DNS.protocols:
                name = f"{self._name}-dns-{protocol}"
                self._balance(name, DNS.number, protocol.upper(), check, instance_group)

    def _check(self, name: str, port: int, path: str | None = None) -> compute.RegionHealthCheck:
        return compute.RegionHealthCheck(
            name,
            region=self._args.scope.region,
            check_interval_sec=5,
            timeout_sec=5,
            healthy_threshold=2,
            unhealthy_threshold=2,
            https_health_check=compute.RegionHealthCheckHttpsHealthCheckArgs(port=port, request_path=path)
            if path
            else None,
            tcp_health_check=None if path else compute.RegionHealthCheckTcpHealthCheckArgs(port=port),
            opts=self._child,
        )

    def _balance(
        self, name: str, port: int, protocol: str, check: compute.RegionHealthCheck, group: pulumi.Input[str]
    ) -> None:
        backend = compute.RegionBackendService(
            name,
            region=self._args.scope.region,
            protocol=protocol,
            load_balancing_scheme="INTERNAL",
            health_checks=check.id,
            backends=[compute.RegionBackendServiceBackendArgs(group=group, balancing_mode="CONNECTION")],
            # A server that leaves has said so to its peers.
            connection_draining_timeout_sec=30,
            opts=self._child,
        )
        compute.ForwardingRule(
            name,
            region=self._args.scope.region,
            load_balancing_scheme="INTERNAL",
            ip_protocol=protocol,
            ip_address=self.address,
            ports=[str(port)],
            backend_service=backend.id,
            network=self._args.network_id,
            subnetwork=self._args.subnetwork_id,
            labels=self._labels,
            opts=self._child,
        )

"""Components of a cluster on their own, in a stack that puts them together in its own way."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pulumi
import pulumi_gcp as gcp
import pytest

import hashistack.gcp
from hashistack.gcp.access.identity import GcpIdentity, GcpIdentityArgs
from hashistack.gcp.access.seal import GcpSeal, GcpSealArgs
from hashistack.gcp.access.secrets import GcpSecrets, GcpSecretsArgs
from hashistack.gcp.cluster_id import Scope
from hashistack.gcp.network.api import GcpApi, GcpApiArgs
from hashistack.gcp.network.dns import GcpDns, GcpDnsArgs
from hashistack.gcp.network.firewall import GcpFirewall, GcpFirewallArgs
from hashistack.gcp.network.network import GcpNetwork, GcpNetworkArgs
from hashistack.gcp.pools.client_pool import GcpClientPool, GcpClientPoolArgs
from hashistack.gcp.pools.launch import Launch
from hashistack.gcp.pools.server_pool import GcpServerPool, GcpServerPoolArgs
from hashistack.spec import ClientPool, Dns, Network, ServerPool

from .cases import OWN_KEY
from .conftest import planned
from .plan import PROJECT, REGION, Plan, plan

SCOPE = Scope(PROJECT, REGION, "a-1234")
ZONES = tuple(f"{REGION}-{letter}" for letter in "bcd")
LAUNCH = Launch("a-1234", "subnetwork", ZONES, f"a@{PROJECT}.iam.gserviceaccount.com", "0" * 64, "#!/bin/sh\n")


def alone(declare: Callable[[pulumi.ResourceOptions], dict[str, object]]) -> Plan:
    """The plan of what is declared under a provider of its own."""
    return plan(
        lambda: declare(pulumi.ResourceOptions(providers=[gcp.Provider("second", project=PROJECT, region=REGION)]))
    )


def test_a_pool_of_servers() -> None:
    def declare(opts: pulumi.ResourceOptions) -> dict[str, object]:
        pool = GcpServerPool("servers", GcpServerPoolArgs(ServerPool(), LAUNCH), opts)
        return {"group": pool.group, "template": pool.template}

    made = alone(declare)
    assert made.outputs["group"] == "servers"
    group = made.one("RegionInstanceGroupManager").inputs
    assert (group["targetSize"], group["distributionPolicyZones"]) == (3, list(ZONES))
    assert group["versions"] == [{"instanceTemplate": made.outputs["template"]}]


def test_a_pool_of_clients() -> None:
    def declare(opts: pulumi.ResourceOptions) -> dict[str, object]:
        pool = ClientPool(name="batch", min=1, max=4, desired=2)
        return {"group": GcpClientPool("batch", GcpClientPoolArgs(pool, LAUNCH), opts).group}

    group = alone(declare).one("RegionInstanceGroupManager").inputs
    assert (group["targetSize"], group["distributionPolicyTargetShape"]) == (2, "EVEN")
    assert "instanceFlexibilityPolicy" not in group


@pytest.mark.parametrize(("given", "keys"), [(None, 1), (OWN_KEY, 0)])
def test_a_seal(given: str | None, keys: int) -> None:
    made = alone(lambda opts: {"key": GcpSeal("seal", GcpSealArgs(SCOPE, given), opts).key})
    assert len(made.of("CryptoKey")) == len(made.of("KeyRing")) == keys
    assert all(each.protect for each in (*made.of("CryptoKey"), *made.of("KeyRing")))
    assert (made.outputs["key"] == OWN_KEY) is (given == OWN_KEY)


def test_secrets_stay_in_their_region() -> None:
    def declare(opts: pulumi.ResourceOptions) -> dict[str, object]:
        made = GcpSecrets("kept", GcpSecretsArgs(SCOPE, "S", "C", kms_key=pulumi.Output.from_input(OWN_KEY)), opts)
        return {"server": made.server_id, "client": made.client_id, "init": made.vault_init_id}

    made = alone(declare)
    assert sorted(made.outputs.values()) == [
        f"projects/{PROJECT}/secrets/a-1234-{name}" for name in ("client", "server", "vault-init")
    ]
    for secret in made.of("Secret"):
        (replica,) = secret.inputs["replication"]["userManaged"]["replicas"]
        assert replica == {"location": REGION, "customerManagedEncryption": {"kmsKeyName": OWN_KEY}}
        assert secret.ignore_changes == ("versionAliases",)
    assert len(made.of("SecretVersion")) == 2, "Vault's recovery keys are nobody's but the servers'"


def test_an_identity_names_its_accounts_within_googles_limits() -> None:
    pools = ["web", "Batch_2", "a-rather-long-name-of-a-pool"]
    made = alone(lambda opts: {"emails": GcpIdentity("who", GcpIdentityArgs(SCOPE, pools), opts).emails})
    ids = [each.inputs["accountId"] for each in made.of("Account")]
    assert len(set(ids)) == 4 and "a-1234-web" in ids
    assert all(6 <= len(each) <= 30 and each == each.lower() and "_" not in each for each in ids)
    assert set(made.outputs["emails"]) == {"server", *pools}


def test_a_firewall_lets_in_whom_it_is_told() -> None:
    def declare(opts: pulumi.ResourceOptions) -> dict[str, object]:
        accounts: dict[str, list[pulumi.Input[str]]] = {"server": ["s@x"], "client": ["c@x", "d@x"]}
        args = GcpFirewallArgs("network", accounts, iap=True, sources={"ci": "ci@x"}, source_cidrs=("10.64.0.0/16",))
        GcpFirewall("wall", args, opts)
        return {}

    rules = {each.name.removeprefix("wall-"): each.inputs for each in alone(declare).of("Firewall")}
    assert rules["client-from-server"]["sourceServiceAccounts"] == ["s@x"]
    assert rules["client-from-server"]["targetServiceAccounts"] == ["c@x", "d@x"]
    assert rules["apis-from-ci"]["allows"] == [{"protocol": "tcp", "ports": ["4646", "8501", "8200"]}]
    assert rules["apis-from-networks"]["sourceRanges"] == ["10.64.0.0/16"]
    assert rules["client-from-iap"]["allows"] == [{"protocol": "tcp", "ports": ["22"]}]
    assert "8201" in rules["server-from-server"]["allows"][0]["ports"]
    assert "8201" not in rules["server-from-client"]["allows"][0]["ports"]


@pytest.mark.parametrize(("nat", "gateways"), [("zone", 1), ("single", 1), ("none", 0)])
def test_a_network_has_one_way_out_in_all_zones_or_none(nat: str, gateways: int) -> None:
    def declare(opts: pulumi.ResourceOptions) -> dict[str, object]:
        made = GcpNetwork("net", GcpNetworkArgs(REGION, Network.model_validate({"nat": nat})), opts)
        return {"zones": list(made.zones), "cidr": made.cidr}

    made = alone(declare)
    assert made.outputs == {"zones": list(ZONES), "cidr": "10.0.0.0/16"}
    assert len(made.of("RouterNat")) == len(made.of("Router")) == gateways
    assert made.one("Subnetwork").inputs["privateIpGoogleAccess"] is True


def test_an_api_is_one_address_with_a_check_a_product() -> None:
    def declare(opts: pulumi.ResourceOptions) -> dict[str, object]:
        made = GcpApi("api", GcpApiArgs(SCOPE, "network", "subnetwork"), opts)
        made.lead_to("group")
        return made.addresses  # type: ignore[return-value]

    made = alone(declare)
    assert made.outputs["vault"] == "https://10.0.0.9:8200"
    assert {each.inputs["ipAddress"] for each in made.of("ForwardingRule")} == {"10.0.0.9"}
    assert made.one("RegionHealthCheck", "vault-api").inputs["httpsHealthCheck"] == {
        "port": 8200,
        "requestPath": "/v1/sys/health",
    }
    assert made.one("RegionHealthCheck", "consul-https").inputs["tcpHealthCheck"] == {"port": 8501}


def test_resolvers_are_the_projects_or_those_that_are_named() -> None:
    made = alone(lambda opts: {"own": GcpDns("dns", opts=opts).upstreams})
    assert made.outputs["own"] == ["169.254.169.254"]
    made = alone(lambda opts: {"own": GcpDns("dns", GcpDnsArgs(Dns(upstreams=("9.9.9.9", "1.1.1.1"))), opts).upstreams})
    assert made.outputs["own"] == ["9.9.9.9", "1.1.1.1"]


def test_the_networks_resolver_asks_the_servers_on_request() -> None:
    def declare(opts: pulumi.ResourceOptions) -> dict[str, object]:
        args = GcpDnsArgs(Dns(domain="shop.example.org"), True, "network", "10.0.0.9")
        return {"address": GcpDns("dns", args, opts).address}

    made = alone(declare)
    assert made.outputs == {"address": "10.0.0.9"}
    zone = made.one("ManagedZone").inputs
    assert (zone["dnsName"], zone["visibility"]) == ("shop.example.org.", "private")
    assert zone["privateVisibilityConfig"] == {"networks": [{"networkUrl": "network"}]}
    (target,) = zone["forwardingConfig"]["targetNameServers"]
    assert target == {"ipv4Address": "10.0.0.9", "forwardingPath": "private"}
    with pytest.raises(pulumi.RunError, match=r"dns\.forward: needs network_id and address"):
        alone(lambda opts: {"address": GcpDns("dns", GcpDnsArgs(forward=True), opts).address})


def test_every_component_is_in_a_cluster_and_can_be_imported_by_its_name() -> None:
    exported = (getattr(hashistack.gcp, name) for name in hashistack.gcp.__all__)
    known = {
        f"hashistack:index:{each.__name__}"
        for each in exported
        if isinstance(each, type) and issubclass(each, pulumi.ComponentResource)
    }
    assert len(known) == 11
    assert known - {each.type for each in planned("minimal")} == set()
    with pytest.raises(AttributeError, match="has no attribute 'GcpCustard'"):
        _ = hashistack.gcp.GcpCustard


def test_importing_the_package_loads_no_sdk() -> None:
    code = "import sys, hashistack.gcp; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert {"pulumi", "pulumi_gcp"} & {*loaded} == set()

"""ClusterSecrets: all key material of one cluster, and the document that each role of machine may read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pulumi

from hashistack.provider.outputs import together
from hashistack.provider.resource import HashistackResource

if TYPE_CHECKING:
    from hashistack.spec import ClusterSpec

_TOKENS = (
    "consul_client_agent", "consul_dns", "consul_management", "consul_nomad_client", "consul_nomad_server",
    "consul_server_agent", "consul_vault", "nomad_management", "vault_operator_password",
)  # fmt: skip
_FOR_CLIENTS = ("consul_client_agent", "consul_dns", "consul_nomad_client")


class ClusterSecrets(HashistackResource):
    """A CA, a certificate for each role, gossip keys and token ids, made before the cluster that will know them.

    Keys are ECDSA P-256, and secret from birth. An `up` in the last part of a certificate's life makes a new one with a
    new key: `tls.renew_before_days`, and for the authority a third of its life. A new authority stands beside the old
    one, which is trusted until the next rotation; so do new tokens beside the old, but for the operator's password: to
    be rid of a compromised one, rotate twice, and let the machines take up the first in between (minutes). New
    gossip keys replace the old ones.

    rotate_ca, rotate_certificates, rotate_gossip, rotate_tokens: any text; another one makes new ones. What nothing
    asks for anew is kept.

    addresses: more names by which clients of the APIs know the servers, such as a load balancer's.
    A client's document holds nothing of a server's but the CA, the gossip key of Consul and the tokens for clients.
    """

    resource_type = "hashistack:index:ClusterSecrets"
    outputs = ("certificates", "gossip_keys", "ids", "keys", "not_after")

    certificates: pulumi.Output[dict[str, str]]
    """PEM of each role, and of ``ca``: what machines trust, while it is rolled also the old authority. A role's has the
    cross-certificate behind it then."""
    keys: pulumi.Output[dict[str, str]]
    """The private keys of the same, PEM; secret."""
    not_after: pulumi.Output[dict[str, str]]
    """When the same end, ISO 8601 in UTC."""
    gossip_keys: pulumi.Output[dict[str, str]]
    """32 bytes, base64, for consul and nomad; secret."""
    ids: pulumi.Output[dict[str, str]]
    """Token name to its secret id; secret."""
    ca_pem: pulumi.Output[str]
    operator_cert_pem: pulumi.Output[str]
    operator_key_pem: pulumi.Output[str]
    """Secret."""
    server_document: pulumi.Output[str]
    """What a server may read, as JSON; secret."""
    client_document: pulumi.Output[str]
    """What a client may read, as JSON; secret."""

    def __init__(
        self,
        name: str,
        spec: ClusterSpec,
        rotate_ca: str | None = None,
        rotate_certificates: str | None = None,
        rotate_gossip: str | None = None,
        rotate_tokens: str | None = None,
        addresses: Sequence[pulumi.Input[str]] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {
            "common_name": f"{spec.name} CA",
            "ca_validity_days": spec.tls.ca_validity_days,
            "roles": _roles(spec, addresses),
            "validity_days": spec.tls.validity_days,
            "renew_before_days": spec.tls.renew_before_days,
            "gossip": ["consul", "nomad"],
            "tokens": list(_TOKENS),
            "rotate_ca": rotate_ca,
            "rotate_certificates": rotate_certificates,
            "rotate_gossip": rotate_gossip,
            "rotate_tokens": rotate_tokens,
        }
        super().__init__(name, inputs, opts)
        self.ca_pem = self.certificates["ca"]
        self.operator_cert_pem, self.operator_key_pem = self.certificates["operator"], self.keys["operator"]
        # Secret, because the keys are.
        made = together(self.certificates, self.keys, self.gossip_keys, self.ids)
        self.server_document = made.apply(lambda made: _document("server", ("consul", "nomad"), _TOKENS, *made))
        self.client_document = made.apply(lambda made: _document("client", ("consul",), _FOR_CLIENTS, *made))


def _roles(spec: ClusterSpec, addresses: Sequence[pulumi.Input[str]]) -> dict[str, dict[str, object]]:
    """What the certificate of each role says; the first name is its common name."""
    domain, region, datacenter = spec.dns.domain, spec.region, spec.datacenter
    products = [f"{product}.service.{domain}" for product in ("nomad", "consul", "vault")]
    names: dict[str, list[pulumi.Input[str]]] = {
        "server": [
            f"server.{region}.nomad", f"server.{datacenter}.{domain}", *products,
            f"active.vault.service.{domain}", f"standby.vault.service.{domain}", "localhost",
            *addresses,
        ],
        "client": [f"client.{region}.nomad", f"client.{datacenter}.{domain}", "localhost"],
        "operator": [f"operator.{datacenter}.{domain}"],
    }  # fmt: skip
    return {
        role: {
            "common_name": dns_names[0],
            "dns_names": dns_names,
            "ip_addresses": [] if role == "operator" else ["127.0.0.1"],
            "usages": ["client"] if role == "operator" else ["server", "client"],
        }
        for role, dns_names in names.items()
    }


def _document(
    role: str,
    gossips: tuple[str, ...],
    tokens: tuple[str, ...],
    certificates: Mapping[str, str],
    keys: Mapping[str, str],
    gossip_keys: Mapping[str, str],
    ids: Mapping[str, str],
) -> str:
    return json.dumps(
        {
            "ca": certificates["ca"],
            "cert": certificates[role],
            "key": keys[role],
            **{f"{product}_gossip": gossip_keys[product] for product in gossips},
            **{name: ids[name] for name in tokens},
        }
    )

"""ClusterSecrets: all key material of one cluster, and the document that each role of machine may read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pulumi

from hashistack.secrets.resources import CertificateAuthority, GossipKey, RoleCertificate, TokenSet

if TYPE_CHECKING:
    from hashistack.spec import ClusterSpec

_TOKENS = (
    "consul_client_agent", "consul_dns", "consul_management", "consul_nomad_client", "consul_nomad_server",
    "consul_server_agent", "consul_vault", "nomad_management", "vault_operator_password",
)  # fmt: skip
_FOR_CLIENTS = ("consul_client_agent", "consul_dns", "consul_nomad_client")


class ClusterSecrets(pulumi.ComponentResource):
    """A CA, a certificate for each role, gossip keys and token ids, made before the cluster that will know them.

    addresses: more names by which clients of the APIs know the servers, such as a load balancer's.
    A client's document holds nothing of a server's but the CA, the gossip key of Consul and the tokens for clients.
    """

    server_document: pulumi.Output[str]
    """What a server may read, as JSON; secret."""
    client_document: pulumi.Output[str]
    """What a client may read, as JSON; secret."""
    ca_pem: pulumi.Output[str]
    operator_cert_pem: pulumi.Output[str]
    operator_key_pem: pulumi.Output[str]
    ids: pulumi.Output[dict[str, str]]
    """Token name to its secret id; secret."""

    def __init__(
        self,
        name: str,
        spec: ClusterSpec,
        rotate_ca: str | None = None,
        rotate_certificates: str | None = None,
        addresses: Sequence[pulumi.Input[str]] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("hashistack:index:ClusterSecrets", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        domain, days = spec.dns.domain, spec.tls.validity_days
        ca = CertificateAuthority(
            f"{name}-ca",
            common_name=f"{spec.name} CA",
            validity_days=spec.tls.ca_validity_days,
            rotate=rotate_ca,
            opts=child,
        )
        products = [f"{product}.service.{domain}" for product in ("nomad", "consul", "vault")]
        names: dict[str, list[pulumi.Input[str]]] = {
            "server": [
                f"server.{spec.region}.nomad", f"server.{spec.datacenter}.{domain}", *products,
                f"active.vault.service.{domain}", f"standby.vault.service.{domain}", "localhost",
                *addresses,
            ],
            "client": [f"client.{spec.region}.nomad", f"client.{spec.datacenter}.{domain}", "localhost"],
            "operator": [f"operator.{spec.datacenter}.{domain}"],
        }  # fmt: skip
        certificates = {
            role: RoleCertificate(
                f"{name}-{role}",
                ca_cert_pem=ca.cert_pem,
                ca_key_pem=ca.key_pem,
                common_name=dns_names[0],
                dns_names=dns_names,
                ip_addresses=[] if role == "operator" else ["127.0.0.1"],
                usages=["client"] if role == "operator" else ["server", "client"],
                validity_days=days,
                renew_before_days=spec.tls.renew_before_days,
                rotate=rotate_certificates,
                opts=child,
            )
            for role, dns_names in names.items()
        }
        consul = GossipKey(f"{name}-consul-gossip", opts=child)
        nomad = GossipKey(f"{name}-nomad-gossip", opts=child)
        tokens = TokenSet(f"{name}-tokens", names=_TOKENS, opts=child)
        self.ca_pem, self.ids = ca.cert_pem, tokens.ids
        self.operator_cert_pem = certificates["operator"].cert_pem
        self.operator_key_pem = certificates["operator"].key_pem

        def document(role: str, ids: tuple[str, ...], **more: pulumi.Input[str]) -> pulumi.Output[str]:
            own = certificates[role]
            parts = {
                "ca": ca.cert_pem,
                "cert": own.cert_pem,
                "key": own.key_pem,
                "consul_gossip": consul.key,
                **more,
            }
            return pulumi.Output.secret(
                pulumi.Output.all(parts, tokens.ids).apply(
                    lambda both: pulumi.Output.json_dumps({**both[0], **{name: both[1][name] for name in ids}})
                )
            )

        self.server_document = document("server", _TOKENS, nomad_gossip=nomad.key)
        self.client_document = document("client", _FOR_CLIENTS)
        self.register_outputs({"ca_pem": self.ca_pem})

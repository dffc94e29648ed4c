"""Key material as Pulumi resources: private parts are secret from birth, the rest is plain."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

from hashistack.provider.resource import HashistackResource


class CertificateAuthority(HashistackResource):
    """A certificate authority (ECDSA P-256).

    common_name: 1 to 64 characters. validity_days: default 10 years. renew_before_days: an `up` in that last
    part of its life makes a new one (default: a third of it). rotate: any text; another one makes a new
    authority on the next `up`. A new authority stands beside the old one, which is trusted until the next
    rotation: rotate twice, and let the machines roll in between, to be rid of a compromised key.
    """

    resource_type = "hashistack:index:CertificateAuthority"
    outputs = ("cert_pem", "key_pem", "not_after")

    cert_pem: pulumi.Output[str]
    """The authority's bundle: what machines trust. While it is rolled, also the old authority's."""
    key_pem: pulumi.Output[str]
    """The private key; secret."""
    not_after: pulumi.Output[str]
    """When it ends, ISO 8601 in UTC."""

    def __init__(
        self,
        name: str,
        common_name: pulumi.Input[str],
        validity_days: pulumi.Input[float] = 3650,
        renew_before_days: pulumi.Input[float] | None = None,
        rotate: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {
            "common_name": common_name,
            "validity_days": validity_days,
            "renew_before_days": renew_before_days,
            "rotate": rotate,
        }
        super().__init__(name, inputs, opts)


class RoleCertificate(HashistackResource):
    """A certificate of one role, such as `server.global.nomad`, with a key of its own (ECDSA P-256).

    ca_cert_pem, ca_key_pem: outputs of a `CertificateAuthority`. dns_names, ip_addresses: its subject
    alternative names. usages: "server", "client" or both (default). validity_days: default one year, and
    never past the authority's end. renew_before_days, rotate: as for the authority. Each change makes a new
    key.
    """

    resource_type = "hashistack:index:RoleCertificate"
    outputs = ("cert_pem", "key_pem", "not_after")

    cert_pem: pulumi.Output[str]
    """The certificate; while the authority is rolled, with the cross-certificate behind it."""
    key_pem: pulumi.Output[str]
    """The private key; secret."""
    not_after: pulumi.Output[str]
    """When it ends, ISO 8601 in UTC."""

    def __init__(
        self,
        name: str,
        ca_cert_pem: pulumi.Input[str],
        ca_key_pem: pulumi.Input[str],
        common_name: pulumi.Input[str],
        dns_names: pulumi.Input[Sequence[pulumi.Input[str]]] = (),
        ip_addresses: pulumi.Input[Sequence[pulumi.Input[str]]] = (),
        usages: pulumi.Input[Sequence[pulumi.Input[str]]] = ("server", "client"),
        validity_days: pulumi.Input[float] = 365,
        renew_before_days: pulumi.Input[float] | None = None,
        rotate: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {
            "ca_cert_pem": ca_cert_pem,
            "ca_key_pem": pulumi.Output.secret(ca_key_pem),
            "common_name": common_name,
            "dns_names": dns_names,
            "ip_addresses": ip_addresses,
            "usages": usages,
            "validity_days": validity_days,
            "renew_before_days": renew_before_days,
            "rotate": rotate,
        }
        super().__init__(name, inputs, opts)


class GossipKey(HashistackResource):
    """A key for the gossip of Consul or Nomad. rotate: any text; another one makes a new key."""

    resource_type = "hashistack:index:GossipKey"
    outputs = ("key",)

    key: pulumi.Output[str]
    """32 bytes, base64; secret."""

    def __init__(
        self,
        name: str,
        rotate: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(name, {"rotate": rotate}, opts)


class TokenSet(HashistackResource):
    """Secret ids made ahead of the cluster that will know them, one for each of `names`.

    A name that is added gets an id and the others keep theirs. rotate: any text; another one makes all anew.
    """

    resource_type = "hashistack:index:TokenSet"
    outputs = ("ids",)

    ids: pulumi.Output[dict[str, str]]
    """A UUID for each name; secret."""

    def __init__(
        self,
        name: str,
        names: pulumi.Input[Sequence[pulumi.Input[str]]],
        rotate: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(name, {"names": names, "rotate": rotate}, opts)

"""Key material: certificate authority, role certificates, gossip keys and token ids as Pulumi resources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hashistack.secrets.resources import CertificateAuthority, GossipKey, RoleCertificate, TokenSet

__all__ = ["CertificateAuthority", "GossipKey", "RoleCertificate", "TokenSet"]


def __getattr__(name: str) -> Any:
    # The plugin imports the handlers beside these resources, and must not wait for the Pulumi SDK.
    if name in __all__:
        from hashistack.secrets import resources

        return getattr(resources, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

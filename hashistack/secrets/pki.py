"""Keys and certificates, as pure functions over `cryptography`: ECDSA P-256 throughout.

A certificate authority is a *bundle* of PEM certificates. The first one signs. After a rotation there are
two more: the old authority, so that what it signed is still trusted, and the new one signed by the old one
(a cross-certificate). A certificate of the new authority is delivered with that cross-certificate behind
it, so a machine that still knows the old authority alone trusts it too: old and new machines talk to each
other while machines roll, in whatever order.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

USAGES: Final = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}

# Certificates are valid a little before they are made: the clocks of machines differ.
_BACKDATED: Final = timedelta(hours=1)


@dataclass(frozen=True)
class Issued:
    """A certificate chain or authority bundle (PEM), its key (PEM, PKCS 8), and when it ends (UTC)."""

    cert_pem: str
    key_pem: str = field(repr=False)
    not_after: datetime


def authority(
    common_name: str,
    validity: timedelta,
    now: datetime,
    *,
    predecessor: tuple[str, str] | None = None,
) -> Issued:
    """A new self-signed authority.

    Its path length is 1: below it may stand its successor's cross-certificate and certificates, nothing more.
    predecessor: bundle and key (PEM) of the authority that this one takes over from; its certificate stays
    trusted, unless it has expired, and those before it are dropped.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    own = _authority(name, key.public_key(), now, now + validity, path_length=1).issuer_name(name)
    bundle = [_signed(own, key)]
    if predecessor is not None:
        old_cert, old_key = _signer(*predecessor)
        if old_cert.not_valid_after_utc > now:
            until = min(now + validity, old_cert.not_valid_after_utc)
            cross = _authority(name, key.public_key(), now, until, path_length=0)
            cross = cross.issuer_name(old_cert.subject).add_extension(_known_by(old_key), critical=False)
            bundle += [_signed(cross, old_key), old_cert]
    return Issued(_pem(bundle), _key_pem(key), bundle[0].not_valid_after_utc)


def certificate(
    ca_cert_pem: str,
    ca_key_pem: str,
    *,
    common_name: str,
    dns_names: Iterable[str] = (),
    ip_addresses: Iterable[str] = (),
    usages: Iterable[str] = ("server", "client"),
    validity: timedelta,
    now: datetime,
) -> Issued:
    """A certificate with a key of its own, signed by the authority whose bundle and key are given.

    usages: "server", "client" or both. It never outlives its authority. Raises ValueError when the key isn't
    the authority's, or one of them isn't PEM.
    """
    ca_cert, ca_key = _signer(ca_cert_pem, ca_key_pem)
    key = ec.generate_private_key(ec.SECP256R1())
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in dns_names]
    names += [x509.IPAddress(ipaddress.ip_address(address)) for address in ip_addresses]
    builder = (
        _builder(now, min(now + validity, ca_cert.not_valid_after_utc))
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
        .issuer_name(ca_cert.subject)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([USAGES[usage] for usage in usages]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_known_by(ca_key), critical=False)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    leaf = _signed(builder, ca_key)
    return Issued(_pem([leaf, *_cross_certificates(ca_cert_pem)]), _key_pem(key), leaf.not_valid_after_utc)


def _signer(cert_pem: str, key_pem: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """The certificate and key that sign, of an authority; raises ValueError when they don't match."""
    cert = x509.load_pem_x509_certificate(cert_pem.encode())
    key = serialization.load_pem_private_key(key_pem.encode(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != cert.public_key():
        raise ValueError("the key is not that of the bundle's first certificate")
    return cert, key


def _cross_certificates(bundle: str) -> list[x509.Certificate]:
    signer, *others = x509.load_pem_x509_certificates(bundle.encode())
    return [cert for cert in others if cert.public_key() == signer.public_key()]


def _builder(now: datetime, until: datetime) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - _BACKDATED).not_valid_after(until)


def _authority(
    name: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, until: datetime, path_length: int
) -> x509.CertificateBuilder:
    return (
        _builder(now, until)
        .subject_name(name)
        .public_key(key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _known_by(issuer: ec.EllipticCurvePrivateKey) -> x509.AuthorityKeyIdentifier:
    """What tells two authorities of the same name apart."""
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key())


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _signed(builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    return builder.sign(key, hashes.SHA256())


def _pem(certificates: Iterable[x509.Certificate]) -> str:
    return "".join(cert.public_bytes(serialization.Encoding.PEM).decode() for cert in certificates)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem.decode()

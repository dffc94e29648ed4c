"""Certificates as OpenSSL and Python's own TLS see them."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from hashistack.secrets import pki

NOW = datetime.now(UTC).replace(microsecond=0)
YEAR = timedelta(days=365)


def server_of(ca: pki.Issued, **changes: object) -> pki.Issued:
    wanted: dict[str, object] = {
        "common_name": "server.global.nomad",
        "dns_names": ["server.global.nomad", "localhost"],
        "ip_addresses": ["127.0.0.1", "::1"],
        "validity": YEAR,
        "now": NOW,
        **changes,
    }
    return pki.certificate(ca.cert_pem, ca.key_pem, **wanted)  # type: ignore[arg-type]


def shake_hands(tmp_path: Path, trusted: str, server: pki.Issued, client: pki.Issued, client_trusts: str) -> str:
    """TLS with certificates asked for on both sides; returns what the server read."""
    contexts = []
    for number, (purpose, issued, bundle) in enumerate(
        [(ssl.PROTOCOL_TLS_SERVER, server, trusted), (ssl.PROTOCOL_TLS_CLIENT, client, client_trusts)]
    ):
        cert, key = tmp_path / f"{number}.crt", tmp_path / f"{number}.key"
        cert.write_text(issued.cert_pem)
        key.write_text(issued.key_pem)
        context = ssl.SSLContext(purpose)
        context.load_cert_chain(cert, key)
        context.load_verify_locations(cadata=bundle)
        context.verify_mode = ssl.CERT_REQUIRED
        contexts.append(context)
    read: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            accepted, _ = listener.accept()
            with accepted, contexts[0].wrap_socket(accepted, server_side=True) as stream:
                read.append(stream.recv(100))

        thread = threading.Thread(target=serve)
        thread.start()
        with (
            socket.create_connection(listener.getsockname()) as raw,
            contexts[1].wrap_socket(raw, server_hostname="server.global.nomad") as stream,
        ):
            stream.sendall(b"hello")
        thread.join(10)
    return b"".join(read).decode()


def test_an_authority_and_a_certificate() -> None:
    ca = pki.authority("test CA", 10 * YEAR, NOW)
    made = server_of(ca)
    root = x509.load_pem_x509_certificate(ca.cert_pem.encode())
    leaf = x509.load_pem_x509_certificate(made.cert_pem.encode())
    constraints = root.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical and constraints.value == x509.BasicConstraints(ca=True, path_length=1)
    assert isinstance(leaf.public_key(), ec.EllipticCurvePublicKey)
    assert leaf.public_key().curve.name == "secp256r1"
    leaf.verify_directly_issued_by(root)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["server.global.nomad", "localhost"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    assert leaf.not_valid_after_utc == made.not_after == NOW + YEAR
    assert leaf.not_valid_before_utc < NOW  # clocks differ
    assert "PRIVATE" not in repr(made)


def test_a_certificate_never_outlives_its_authority() -> None:
    ca = pki.authority("test CA", timedelta(days=10), NOW)
    assert server_of(ca).not_after == ca.not_after


def test_a_usage_can_be_left_out() -> None:
    leaf = x509.load_pem_x509_certificate(
        server_of(pki.authority("a", YEAR, NOW), usages=("client",)).cert_pem.encode()
    )
    usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def test_another_authoritys_key_is_refused() -> None:
    one, other = pki.authority("one", YEAR, NOW), pki.authority("one", YEAR, NOW)
    with pytest.raises(ValueError, match="not that of"):
        pki.certificate(one.cert_pem, other.key_pem, common_name="x", validity=YEAR, now=NOW)


def test_old_and_new_machines_trust_each_other_while_the_authority_rolls(tmp_path: Path) -> None:
    old = pki.authority("test CA", 10 * YEAR, NOW)
    new = pki.authority("test CA", 10 * YEAR, NOW, predecessor=(old.cert_pem, old.key_pem))
    before, after = server_of(old), server_of(new)
    # server's trust, server, client, client's trust: an old machine knows `old` alone, a new one both
    assert shake_hands(tmp_path, old.cert_pem, before, after, new.cert_pem) == "hello"
    assert shake_hands(tmp_path, new.cert_pem, after, before, old.cert_pem) == "hello"
    assert shake_hands(tmp_path, new.cert_pem, after, after, new.cert_pem) == "hello"


def test_the_next_rotation_drops_the_old_authority(tmp_path: Path) -> None:
    first = pki.authority("test CA", 10 * YEAR, NOW)
    second = pki.authority("test CA", 10 * YEAR, NOW, predecessor=(first.cert_pem, first.key_pem))
    third = pki.authority("test CA", 10 * YEAR, NOW, predecessor=(second.cert_pem, second.key_pem))
    bundle = x509.load_pem_x509_certificates(third.cert_pem.encode())
    roots = [cert for cert in bundle if cert.issuer == cert.subject]
    assert len(bundle) == 3 and len(roots) == 3  # the same name for all, told apart by their keys
    old_key = x509.load_pem_x509_certificate(first.cert_pem.encode()).public_key()
    assert old_key not in [cert.public_key() for cert in bundle]
    (tmp_path / "ca").write_text(third.cert_pem)
    (tmp_path / "cert").write_text(server_of(first).cert_pem)
    done = subprocess.run(
        ["openssl", "verify", "-CAfile", str(tmp_path / "ca"), str(tmp_path / "cert")], capture_output=True
    )
    assert done.returncode != 0


def test_an_expired_predecessor_is_not_carried_on() -> None:
    old = pki.authority("test CA", timedelta(days=1), NOW - timedelta(days=5))
    new = pki.authority("test CA", YEAR, NOW, predecessor=(old.cert_pem, old.key_pem))
    assert len(x509.load_pem_x509_certificates(new.cert_pem.encode())) == 1

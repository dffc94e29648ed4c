"""Key material through the real engine: secret from birth, renewed, rotated."""

from __future__ import annotations

import json
import ssl
from typing import Any

from cryptography import x509

IMPORTS = """\
import pulumi
from hashistack.secrets import CertificateAuthority, GossipKey, RoleCertificate, TokenSet
"""
PROGRAM = (
    IMPORTS
    + """\
ca = CertificateAuthority("ca", "test CA", {ca})
server = RoleCertificate("server", ca.cert_pem, ca.key_pem, "server.global.nomad", ["server.global.nomad"])
gossip = GossipKey("gossip")
tokens = TokenSet("tokens", ["consul", "nomad"])
for name, value in dict(ca=ca.cert_pem, ca_key=ca.key_pem, cert=server.cert_pem, key=server.key_pem,
                        gossip=gossip.key, tokens=tokens.ids).items():
    pulumi.export(name, value)
"""
)
SECRETS = ("ca_key", "key", "gossip", "tokens")


def test_it_is_secret_from_birth_and_rotates_on_request(project: Any) -> None:
    project.write(PROGRAM.format(ca=""))
    printed = project.up()
    exported = project.run("stack", "export")
    first = project.outputs()
    for name in SECRETS:
        assert f'"{name}": "[secret]"' in project.run("stack", "output", "--json")
        for value in first[name].values() if name == "tokens" else [first[name]]:
            for text in (printed, exported):
                assert value not in text
                assert json.dumps(value) not in text
    for text in (printed, exported):
        assert "PRIVATE KEY" not in text
    assert "BEGIN CERTIFICATE" in exported  # certificates are public, and plain

    leaf = x509.load_pem_x509_certificate(first["cert"].encode())
    leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(first["ca"].encode()))

    assert "5 unchanged" in project.up()

    project.write(PROGRAM.format(ca='rotate="1"'))
    assert "~ 2 updated" in project.up()  # the authority, and what it has signed
    second = project.outputs()
    assert second["ca_key"] != first["ca_key"]
    assert second["ca"].endswith(first["ca"])  # old and new
    assert second["key"] != first["key"]
    assert len(x509.load_pem_x509_certificates(second["cert"].encode())) == 2
    assert second["gossip"] == first["gossip"]
    ssl.create_default_context(cadata=second["ca"])

    replaced = project.up("--target-replace", "**gossip")
    assert "+-1 replaced" in replaced
    assert project.outputs()["gossip"] != first["gossip"]
    project.run("refresh", "--yes", "--skip-preview")
    assert "- 5 deleted" in project.run("destroy", "--yes", "--skip-preview")


def test_it_is_renewed_by_the_next_up_when_its_time_has_come(project: Any) -> None:
    # Renewal is due as soon as the first second of its life has passed.
    project.write(IMPORTS + 'CertificateAuthority("ca", "test CA", validity_days=1, renew_before_days=0.99999)')
    project.up()
    first = project.state()["ca"]["outputs"]
    assert "~ not_after" in project.run("preview", "--diff") or "~ 1 to update" in project.run("preview")
    assert "~ 1 updated" in project.up()
    assert project.state()["ca"]["outputs"]["cert_pem"] != first["cert_pem"]


def test_bad_inputs_are_told_with_their_path(project: Any) -> None:
    project.write(IMPORTS + 'RoleCertificate("server", "x", "y", "", ["not a name"], ["10.0.0.256"], validity_days=0)')
    text = project.run("preview", fails=True)
    for path in ("common_name", "dns_names[0]", "ip_addresses[0]", "validity_days"):
        assert path in text
    assert "Traceback" not in text


def test_another_authoritys_key_is_told(project: Any) -> None:
    project.write(
        IMPORTS
        + 'one, other = CertificateAuthority("one", "one"), CertificateAuthority("other", "other")\n'
        + 'RoleCertificate("server", one.cert_pem, other.key_pem, "server")'
    )
    text = project.up(fails=True)
    assert "certificate server: ca_cert_pem and ca_key_pem must be of one authority" in text
    assert "Traceback" not in text

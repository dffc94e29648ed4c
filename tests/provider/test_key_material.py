"""Key material through the real engine: secret from birth, renewed, rotated."""

from __future__ import annotations

import json
import ssl
from typing import Any

from cryptography import x509

PROGRAM = """\
import pulumi
from hashistack import ClusterSpec
from hashistack.secrets.cluster import ClusterSecrets
spec = ClusterSpec(name="trial")
{more}
made = ClusterSecrets("secrets", spec, {rotate})
for name in ("certificates", "gossip_keys", "ids", "keys", "not_after", "server_document", "client_document"):
    pulumi.export(name, getattr(made, name))
"""
BY_NAME = ("gossip_keys", "ids", "keys")
DOCUMENTS = ("server_document", "client_document")


def program(rotate: str = "", more: str = "") -> str:
    return PROGRAM.format(more=more, rotate=rotate)


def check_documents(made: dict[str, Any]) -> None:
    """A role may read its own keys alone."""
    server, client = (json.loads(made[name]) for name in DOCUMENTS)
    for role, document in (("server", server), ("client", client)):
        assert document["ca"] == made["certificates"]["ca"]
        assert (document["cert"], document["key"]) == (made["certificates"][role], made["keys"][role])
        assert document["consul_gossip"] == made["gossip_keys"]["consul"]
        assert made["keys"]["ca"] not in document.values()
    assert server["nomad_gossip"] == made["gossip_keys"]["nomad"]
    assert set(made["ids"].values()) <= set(server.values())
    shared = {"ca", "consul_gossip", "consul_client_agent", "consul_dns", "consul_nomad_client"}
    assert {name for name, value in client.items() if value in server.values()} == shared


def test_it_is_secret_from_birth_and_rotates_on_request(project: Any) -> None:
    project.write(program())
    printed = project.up()
    exported = project.run("stack", "export")
    first = project.outputs()
    shown = project.run("stack", "output", "--json")
    for name in (*BY_NAME, *DOCUMENTS):
        assert f'"{name}": "[secret]"' in shown
    for value in [value for name in BY_NAME for value in first[name].values()]:
        for text in (printed, exported, shown):
            assert value not in text
            assert json.dumps(value) not in text
    for text in (printed, exported, shown):
        assert "PRIVATE KEY" not in text
    assert "BEGIN CERTIFICATE" in exported  # certificates are public, and plain

    check_documents(first)

    leaf = x509.load_pem_x509_certificate(first["certificates"]["server"].encode())
    leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(first["certificates"]["ca"].encode()))

    assert "2 unchanged" in project.up()

    project.write(program('rotate_ca="1"'))
    assert "~ 1 updated" in project.up()
    second = project.outputs()
    assert not set(second["keys"].values()) & set(first["keys"].values())
    assert second["certificates"]["ca"].endswith(first["certificates"]["ca"])  # old and new
    assert len(x509.load_pem_x509_certificates(second["certificates"]["server"].encode())) == 2
    assert (second["gossip_keys"], second["ids"]) == (first["gossip_keys"], first["ids"])
    ssl.create_default_context(cadata=second["certificates"]["ca"])

    project.run("refresh", "--yes", "--skip-preview")
    assert "- 2 deleted" in project.run("destroy", "--yes", "--skip-preview")


def test_it_is_renewed_by_the_next_up_when_its_time_has_come(project: Any) -> None:
    # Renewal is due as soon as the first second of its life has passed; no specification allows that.
    tls = 'spec.tls.model_copy(update={"validity_days": 1, "renew_before_days": 0.99999})'
    project.write(program(more=f'spec = spec.model_copy(update={{"tls": {tls}}})'))
    project.up()
    first = project.outputs()
    assert "~ not_after" in project.run("preview", "--diff") or "~ 1 to update" in project.run("preview")
    assert "~ 1 updated" in project.up()
    second = project.outputs()
    assert second["keys"]["server"] != first["keys"]["server"]
    assert second["keys"]["ca"] == first["keys"]["ca"]


def test_bad_inputs_are_told_with_their_path(project: Any) -> None:
    # The specification has checked its own; what it does not know is refused all the same.
    project.write(
        "from types import SimpleNamespace as Spec\n"
        "from hashistack.secrets.cluster import ClusterSecrets\n"
        "tls = Spec(ca_validity_days=0, validity_days=1, renew_before_days=None)\n"
        'dns = Spec(domain="not a name")\n'
        'ClusterSecrets("secrets", Spec(name="x" * 64, dns=dns, tls=tls, region="r", datacenter="d"))\n'
    )
    text = project.run("preview", fails=True)
    for path in ("common_name", "ca_validity_days", "roles.server.dns_names[1]"):
        assert path in text
    assert "Traceback" not in text

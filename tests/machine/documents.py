"""The role documents of the tests' machines: each value is recognised wherever it turns up."""

from __future__ import annotations

CERTIFICATE = {"ca": "-----CA-----\nMII=\n-----END-----\n", "cert": "CERT\n", "key": "the-secret-key\n"}
CLIENT = {
    **CERTIFICATE,
    "consul_gossip": "the-secret-consul-gossip",
    "consul_client_agent": "the-secret-client-agent",
    "consul_nomad_client": "the-secret-nomad-client",
    "consul_dns": "the-secret-dns",
}
SERVER = {
    **CLIENT,
    "nomad_gossip": "the-secret-nomad-gossip",
    "consul_management": "the-secret-consul-management",
    "consul_server_agent": "the-secret-server-agent",
    "consul_nomad_server": "the-secret-nomad-server",
    "consul_vault": "the-secret-vault",
    "nomad_management": "the-secret-nomad-management",
    "vault_operator_password": "the-secret-password",
}
DOCUMENTS = {"server": SERVER, "client": CLIENT}

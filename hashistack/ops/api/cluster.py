"""A running cluster: its three APIs behind one connection."""

from __future__ import annotations

from ssl import SSLContext
from types import TracebackType

from hashistack.ops.api import tunnel
from hashistack.ops.api.connection import Connection, Endpoint
from hashistack.ops.api.consul import Consul
from hashistack.ops.api.http import Api, tls_context
from hashistack.ops.api.nomad import Nomad
from hashistack.ops.api.vault import Vault


class Cluster:
    """Use as `with Cluster(connection) as cluster: cluster.nomad.nodes()`. May be shared by threads.

    Opens nothing until the first call. Consul asks for a client certificate; Nomad and Vault don't.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        plain = tls_context(connection.ca_pem)
        mutual = tls_context(connection.ca_pem, connection.operator_cert_pem, connection.operator_key_pem)
        nomad, consul, vault = connection.nomad, connection.consul, connection.vault

        def api(product: str, endpoint: Endpoint, context: SSLContext, token: tuple[str, str], index: str = "") -> Api:
            asked = tunnel.addresses(connection.name, endpoint.addresses)
            names = {"server_name": connection.server_name, "remedy": tunnel.remedy(connection.name, asked)}
            return Api(product, asked, context, token, connection.secrets, index, **names)

        self.nomad = Nomad(api("nomad", nomad, plain, ("X-Nomad-Token", nomad.secret), "X-Nomad-Index"))
        self.consul = Consul(api("consul", consul, mutual, ("X-Consul-Token", consul.secret), "X-Consul-Index"))
        self.vault = Vault(api("vault", vault, plain, ("", "")), vault)

    def close(self) -> None:
        """Close all kept connections."""
        for product in (self.nomad, self.consul, self.vault):
            product.api.close()

    def __enter__(self) -> Cluster:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

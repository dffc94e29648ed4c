"""What is needed to talk to a cluster: the stack's one secret output `connection`, typed; written and read here alone.

Its form is `connection.schema.json` beside this file, which `hashistack schema --connection` prints.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from hashistack.errors import HashistackError
from hashistack.ops.api.policy import Policy
from hashistack.version import VERSION

FORMAT = 1
"""The number of the form that is written. Another one when a reader of this form would misread the next."""


def schema() -> str:
    """The JSON Schema of what is written."""
    return Path(__file__).with_name("connection.schema.json").read_text(encoding="utf-8")


class ConnectionInvalid(HashistackError, ValueError):
    """The stack's `connection` output is not what this version of hashistack writes."""


@dataclass(frozen=True)
class Endpoint:
    """Where one API answers; `secret` is its token (Nomad, Consul) or password (Vault).

    address: the API's own, which stays while servers come and go; Vault's leads to the active one.
    servers: where each server can be asked by itself, all places that one may take; () behind a cloud's load balancer.
    """

    address: str
    secret: str = field(repr=False)
    username: str = ""
    servers: tuple[str, ...] = ()

    @property
    def addresses(self) -> tuple[str, ...]:
        """What our own calls ask: the servers one by one where that is possible, so that nothing stands in between."""
        return self.servers or (self.address,)


@dataclass(frozen=True)
class Pool:
    """A pool as declared: `count` machines of `bundle` that must be there for the cluster to be ready.

    template: what the provider's driver makes a machine from; nobody else's business. node_pool: Nomad's, of its
    clients. drivers: the task drivers that they must have. settings: the user's own for the agents, by their field of
    the specification (`nomad_config`); those that are empty are not there.
    """

    name: str
    role: Literal["server", "client"]
    count: int
    bundle: str = ""
    policy: Policy = field(default_factory=Policy)
    template: Mapping[str, Any] = field(default_factory=dict, repr=False)
    node_pool: str = "default"
    drivers: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Connection:
    """Addresses, certificates and credentials of one cluster. Its repr shows no secret."""

    name: str
    provider: str
    datacenter: str
    region: str
    ca_pem: str = field(repr=False)
    operator_cert_pem: str = field(repr=False)
    operator_key_pem: str = field(repr=False)
    nomad: Endpoint
    consul: Endpoint
    vault: Endpoint
    pools: tuple[Pool, ...]
    versions: Mapping[str, str] = field(default_factory=dict)
    """Product to the version that is declared."""

    def text(self) -> str:
        """The output's JSON, which `parse` reads."""
        return json.dumps(
            {
                "format": FORMAT,
                **{key: getattr(self, key) for key in _TEXTS},
                "versions": dict(self.versions),
                "nomad": _written(self.nomad, token=self.nomad.secret),
                "consul": _written(self.consul, token=self.consul.secret),
                "vault": _written(self.vault, username=self.vault.username, password=self.vault.secret),
                "pools": [{**vars(pool), "policy": vars(pool.policy)} for pool in self.pools],
            },
            sort_keys=True,
        )

    @classmethod
    def parse(cls, data: Mapping[str, Any] | str) -> Connection:
        """Read the output's JSON (text or already decoded), also that of a release before there were numbers.

        Raises:
            ConnectionInvalid: a field is missing or has another type, which names the field, never a value; or the
                form is that of a later release.
        """
        if isinstance(data, str):
            try:
                data = json.loads(data)
            except ValueError:
                raise ConnectionInvalid("the stack's output `connection` is not JSON") from None
        if not isinstance(data, Mapping):
            raise ConnectionInvalid("the stack's output `connection` is not an object")
        if (number := _whole(data.get("format", FORMAT))) != FORMAT:
            raise ConnectionInvalid(
                f"the stack's output `connection` has format {number!r}; hashistack {VERSION} reads format {FORMAT}",
                "install the release of hashistack that made the stack, or a later one",
            )
        pools = tuple(_pool(item, f"pools[{i}]") for i, item in enumerate(_get(data, "pools", list)))
        return cls(
            **{key: _get(data, key, str) for key in _TEXTS},
            nomad=_endpoint(data, "nomad", "token"),
            consul=_endpoint(data, "consul", "token"),
            vault=_endpoint(data, "vault", "password"),
            pools=pools,
            versions={
                str(product): str(version)
                for product, version in _get({"versions": {}, **data}, "versions", dict).items()
            },
        )

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every value that must never be shown."""
        return (self.nomad.secret, self.consul.secret, self.vault.secret, self.operator_key_pem)

    @property
    def server_name(self) -> str:
        """Whom a server's certificate names, of whichever product and at whichever address; a client's does not."""
        return f"server.{self.region}.nomad"

    def machines(self, role: Literal["server", "client"] | None = None) -> int:
        """How many machines are declared, in all or of one role."""
        return sum(pool.count for pool in self.pools if role in (None, pool.role))

    def certificate_days(self, now: datetime | None = None) -> int:
        """Whole days until the first of CA and operator certificate expires; negative when it has."""
        from cryptography import x509

        ends = [
            x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc
            for pem in (self.ca_pem, self.operator_cert_pem)
        ]
        return (min(ends) - (now or datetime.now(UTC))).days


_TEXTS = ("name", "provider", "datacenter", "region", "ca_pem", "operator_cert_pem", "operator_key_pem")


def _get(data: Mapping[str, Any], key: str, kind: type, where: str = "") -> Any:
    path = f"{where}.{key}" if where else key
    if key not in data:
        raise ConnectionInvalid(f"the stack's output `connection` has no {path}")
    value = data[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ConnectionInvalid(f"the stack's output `connection`: {path} is not {kind.__name__}")
    return value


def _whole(value: Any) -> Any:
    """Numbers travel through Pulumi as doubles: 3.0 is the integer 3."""
    if isinstance(value, Mapping):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _written(endpoint: Endpoint, **secrets: str) -> dict[str, Any]:
    return {"address": endpoint.address, "servers": list(endpoint.servers), **secrets}


def _endpoint(data: Mapping[str, Any], key: str, secret: str) -> Endpoint:
    part = _get(data, key, dict)
    if "format" not in data:  # then each API had a list alone: of its servers, or of its load balancer
        first, *others = _get(part, "addresses", list, key) or [""]
        part = {**part, "address": first, "servers": [first, *others] if others else []}
    servers = tuple(str(address).rstrip("/") for address in _get(part, "servers", list, key))
    address = _get(part, "address", str, key).rstrip("/")
    if not address:
        raise ConnectionInvalid(f"the stack's output `connection`: {key}.address is empty")
    username = _get(part, "username", str, key) if secret == "password" else ""  # noqa: S105
    return Endpoint(address, _get(part, secret, str, key), username, servers)


def _pool(item: Any, where: str) -> Pool:
    if not isinstance(item, Mapping):
        raise ConnectionInvalid(f"the stack's output `connection`: {where} is not an object")
    # What a rollout needs: `status` and `env` work without it, on a stack that an earlier release made.
    unsaid = {"bundle": "", "policy": {}, "template": {}, "node_pool": "default", "drivers": [], "settings": {}}
    item = {**unsaid, **_whole(item)}
    role = _get(item, "role", str, where)
    if role not in ("server", "client"):
        raise ConnectionInvalid(f"the stack's output `connection`: {where}.role is neither server nor client")
    known = {key: value for key, value in _get(item, "policy", dict, where).items() if key in vars(Policy())}
    return Pool(
        name=_get(item, "name", str, where),
        role=role,
        count=_get(item, "count", int, where),
        bundle=_get(item, "bundle", str, where),
        policy=Policy(**known),
        template=_get(item, "template", dict, where),
        node_pool=_get(item, "node_pool", str, where),
        drivers=tuple(map(str, _get(item, "drivers", list, where))),
        settings=_get(item, "settings", dict, where),
    )

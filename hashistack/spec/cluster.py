"""The whole specification of a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field

from hashistack.spec import own_settings, spec_checks
from hashistack.spec.acl import Acl
from hashistack.spec.dns import Dns
from hashistack.spec.names import ClusterName, DatacenterName, RegionName
from hashistack.spec.network import Network
from hashistack.spec.policy import UpgradePolicy
from hashistack.spec.pool import ClientPool, ServerPool
from hashistack.spec.problems import FieldError, Problem, SpecError, show
from hashistack.spec.registries import Registry, registries
from hashistack.spec.seal import Seal
from hashistack.spec.section import Many, Section, reads
from hashistack.spec.snapshots import Snapshots
from hashistack.spec.text import PlainText, TagKey
from hashistack.spec.tls import Tls
from hashistack.spec.versions import Versions

_GOSSIP = "The cluster makes its own key, and by rotate_gossip another. Remove it."


def _some(clients: tuple[ClientPool, ...]) -> tuple[ClientPool, ...]:
    if not clients:
        raise FieldError("at least one pool of clients is needed: servers run no work", "Give one pool with a name.")
    return clients


class ClusterSpec(Section):
    """What a cluster is, the same for every provider. Every default is the reference architecture's."""

    checks = (
        (reads("clients"), spec_checks.pool_names),
        (reads("clients"), spec_checks.exec_driver),
        (reads("servers", "clients", "network", "upgrade"), spec_checks.capacity),
        (reads("clients", "upgrade"), spec_checks.upgrades),
        (reads("servers", "clients", "versions"), spec_checks.architectures),
        (reads("dns", "network"), spec_checks.resolvers),
        (reads("registries"), registries),
        (reads("clients"), spec_checks.published),
    )
    hints: ClassVar[Mapping[str, str]] = {
        "count": "Give the number of servers as `servers: {count: 3}`.",
        "provider": "The component that takes the specification says it. Remove it.",
        "gossip_key": _GOSSIP,
        **dict.fromkeys(("nomad_config", "consul_config"), "Set it in `servers`, in a pool of `clients`, or in both."),
        "vault_config": "Vault runs on servers: set it in `servers`.",
        "encrypt": _GOSSIP,
    }

    name: ClusterName = "cluster"
    """Name of the cluster; the names of its machines and resources begin with it."""
    datacenter: DatacenterName = "dc1"
    """Datacenter of Nomad and Consul; part of DNS names."""
    region: RegionName = "global"
    """Nomad's region; part of every certificate, and fixed for the life of the cluster."""
    servers: ServerPool = ServerPool()
    """The servers: Nomad, Consul and Vault side by side."""
    clients: Annotated[Many[ClientPool], AfterValidator(_some)] = (ClientPool(name="workers"),)
    """The pools of Nomad clients, which run all work."""
    network: Network = Network()
    """Addresses."""
    dns: Dns = Dns()
    """Name resolution on every machine."""
    registries: Many[Registry] = ()
    """Image registries with a CA, credentials or mirrors of their own, for the docker driver."""
    versions: Versions = Versions()
    """Releases of the tools."""
    tls: Tls = Tls()
    """Certificates."""
    acl: Acl = Acl()
    """Access control."""
    seal: Seal = Seal()
    """Vault's seal."""
    snapshots: Snapshots = Snapshots()
    """Snapshots of all three products."""
    upgrade: UpgradePolicy = UpgradePolicy()
    """How machines are replaced."""
    tags: dict[TagKey, PlainText] = Field(default={})
    """Tags (labels) for every resource of the cluster, besides our own."""

    @classmethod
    def _root(cls) -> str:
        return "spec"

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> ClusterSpec:
        """The specification in plain data, as YAML or a stack's configuration gives it.

        Raises `SpecError` with every problem in it.
        """
        if not isinstance(data, Mapping):
            raise SpecError(
                [Problem("", f"must be a mapping of fields (got {show(data)})", "Write name: value pairs.")]
            )
        strange = tuple(_strange_keys(data, ""))
        if strange:
            raise SpecError(strange)
        return cls(**data)

    @property
    def to_look_at(self) -> bool:
        """Whether it has what a look before an `up` tells of: settings of the user's own for the agents, registries."""
        return bool(self.registries) or any(map(own_settings.of, (self.servers, *self.clients)))

    def upgrade_of(self, pool: ClientPool) -> UpgradePolicy:
        """The upgrade policy of a pool: the cluster's, with what the pool says otherwise."""
        return self.upgrade.overridden_by(pool.upgrade)


def _strange_keys(data: object, path: str) -> Iterator[Problem]:
    """Keys that are not text: YAML makes such of `on:` or `010:`."""
    if isinstance(data, Mapping):
        for key, value in data.items():
            if not isinstance(key, str):
                yield Problem(path, f"has a key that is not text (got {show(key)})", "Quote the key.")
            else:
                yield from _strange_keys(value, f"{path}.{key}".removeprefix("."))
    elif isinstance(data, Sequence) and not isinstance(data, str | bytes):
        for index, value in enumerate(data):
            yield from _strange_keys(value, f"{path}[{index}]")

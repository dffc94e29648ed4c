"""What a provider tells a machine: a closed list of facts. Everything else about a machine is the same everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Platform:
    """The facts of one provider, as plain values that end in the bundle.

    The verbs that go with them (``identity``, ``secret``, ``fetch``, ``await_service``, ``arrived``,
    ``terminating``, ``let_go``, the secret store's ``store`` and ``claim``, and ``client-pools``, ``introduce`` and
    ``introduction`` for Nomad's new clients) are the POSIX sh program
    ``node/platform-<name>``.
    """

    name: str
    """Which ``platform-<name>`` program goes into the bundle."""

    join: tuple[str, ...]
    """``retry_join`` of Consul and Nomad: DNS names, or a cloud auto-join string."""

    upstreams: tuple[str, ...]
    """Resolvers for everything that is not ``.consul``, as unbound's ``forward-addr`` takes them (``ip[@port]``)."""

    forward_zones: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Zones with resolvers of their own, never cached: on the laptop, the names of the Docker network."""

    dns_address: str = ""
    """An address beside its own at which a server's unbound answers: a load balancer's; "" for none."""

    dns_sources: tuple[str, ...] = ()
    """CIDRs from which questions to `dns_address` come."""

    operators: tuple[str, ...] = ()
    """CIDRs, beside loopback, from which Consul's HTTPS API takes writes."""

    seal: Mapping[str, Mapping[str, str]] | None = None
    """Vault's ``seal`` stanza without credentials, e.g. ``{"awskms": {"kms_key_id": ...}}``.
    ``None``: one Shamir key, kept in the platform's secret store."""

    task_root: str | None = None
    """Directory of the machine that exec tasks get as their root file system. ``None``: Nomad's default, most of the
    machine's own, which is right where Nomad can link files instead of copying them."""

    keeps_images: bool = False
    """Whether a container image that no task uses any more stays on the machine: where there may be no registry to pull
    it from again. Else Nomad removes it after a few minutes."""

    made_of: Mapping[str, object] = field(default_factory=dict)
    """What a machine of the pool is made of besides, as its type, disks and image: another one is another bundle, and
    so other machines. Only what the user says: an image that was looked up changes by itself."""

    disks: Mapping[str, str] = field(default_factory=dict)
    """Disks beside the root disk: what the platform calls each (its verb ``disk`` finds it) and where it is mounted."""

    programs: tuple[str, ...] = ()
    """What its machines need besides of the programs in ``node/``, by their place there."""

    runtime: str = ""
    """Program of `node/`, by its place there, that Docker runs in the place of runc where a pool's containers may be
    privileged: on machines that are containers themselves. ``""``: runc."""

    fingerprint: str = ""
    """Which of Nomad's cloud fingerprinters runs, of `config.nomad.CLOUDS`; ``""`` for none."""

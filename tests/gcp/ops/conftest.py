"""One cluster in a project that is none: groups as the stack makes them, and the connection that it would output."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pytest

from hashistack.cloud import group_driver
from hashistack.gcp import labels, names
from hashistack.gcp.ops import session
from hashistack.gcp.ops.driver import GcpDriver
from hashistack.gcp.ops.session import Google
from hashistack.ops.api.connection import Connection

from ...project.api import Apis
from ...project.compute import COMPUTE, PROJECT, REGION, Compute, ServiceUsage, Template
from ...project.iam import Iam
from ...project.identity import Resources

SITE = "prod-1a2b"
OLD, NEW = "a" * 64, "b" * 64


@dataclass
class Site:
    project: Compute = field(default_factory=Compute)
    usage: ServiceUsage = field(default_factory=ServiceUsage)
    organization: dict[str, Any] = field(default_factory=dict)
    pools: list[dict[str, Any]] = field(default_factory=list)
    well: set[str] = field(default_factory=set)

    def pool(self, name: str, count: int, *, role: str = "client", most: int = 3, bundle: str = OLD) -> None:
        """A pool as declared, with its group and its machines."""
        group = names.instances(SITE, name)
        template = self.template(name, bundle, SITE, 1)
        self.project.group(group, template, count)
        known: dict[str, Any] = {"project": PROJECT, "region": REGION, "group": group}
        known["instance_template"] = _link(template.name)
        if role == "client":
            known["max"] = most
        self.pools.append({"name": name, "role": role, "count": count, "bundle": bundle, "template": known})

    def declare(self, name: str, bundle: str) -> None:
        """`pulumi up` with another bundle: the group makes machines from another template, and nothing rolls."""
        declared = next(pool for pool in self.pools if pool["name"] == name)
        template = self.template(name, bundle, SITE, len(self.project.templates) + 1)
        declared["bundle"], declared["template"]["instance_template"] = bundle, _link(template.name)
        self.project.groups[self.group(name)].template = template

    def template(self, pool: str, bundle: str, site: str, number: int) -> Template:
        """An instance template as a stack makes it."""
        own = {labels.CLUSTER: site, labels.POOL: pool.lower(), labels.BUNDLE: labels.digest(bundle)}
        shutdown = {"enabled": True, "maxDuration": {"seconds": "3600"}}
        made = Template(
            f"{names.resource('t', pool)}-{number}",
            {
                "labels": own,
                "metadata": {"items": [{"key": labels.POOL, "value": pool}]},
                "scheduling": {"gracefulShutdown": shutdown},
            },
        )
        self.project.templates[made.name] = made
        return made

    def group(self, pool: str) -> str:
        return next(str(one["template"]["group"]) for one in self.pools if one["name"] == pool)

    def target(self, pool: str) -> int:
        return self.project.groups[self.group(pool)].target

    def connection(self) -> Connection:
        endpoint = {"addresses": ["https://127.0.0.1:1"], "token": "", "username": "", "password": ""}
        texts = dict.fromkeys(("datacenter", "region", "ca_pem", "operator_cert_pem", "operator_key_pem"), "")
        apis = dict.fromkeys(("nomad", "consul", "vault"), endpoint)
        return Connection.parse({**texts, **apis, "name": SITE, "provider": "gcp", "pools": self.pools})

    def driver(self) -> GcpDriver:
        return GcpDriver(self.connection(), self.google)

    @cached_property
    def apis(self) -> Apis:
        return Apis(
            {
                "compute": self.project,
                "serviceusage": self.usage,
                "cloudresourcemanager": Resources(Iam(), self.organization),
            }
        )

    @cached_property
    def google(self) -> Google:
        return Google(self.apis.http)


def _link(template: str) -> str:
    return f"{COMPUTE}/projects/{PROJECT}/global/instanceTemplates/{template}?uniqueId=42"


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_driver, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(session, "TRIES", 2)
    monkeypatch.setattr("googleapiclient.http.random.random", lambda: 0.0)  # of what is waited between two tries

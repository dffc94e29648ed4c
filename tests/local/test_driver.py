"""F25 at the driver: what this release would not make as it was declared is refused before anything is made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import docker
import pytest

from hashistack.local.blueprint import blueprint
from hashistack.local.driver import LocalDriver
from hashistack.ops.api.connection import Connection
from hashistack.ops.rollout.driver import DriverFailed
from hashistack.spec import ClientPool, ClusterSpec

pytestmark = pytest.mark.cluster
POOL = "workers"
SPEC = ClusterSpec(name="x", clients=(ClientPool(name=POOL, desired=1),))


@pytest.fixture
def client() -> Iterator[docker.DockerClient]:
    made = docker.from_env(timeout=60)
    yield made
    made.close()


def declared(site: str, bundle: str | None = None) -> Connection:
    """A stack that declares one pool, of its own bundle or of another one."""
    tool = {"version": "1.0.0", "sha256": "a" * 64, "path": "/nonexistent"}
    template: dict[str, Any] = {
        "pool": POOL,
        "spec": SPEC.model_dump_json(),
        "site": site,
        "labels": {"hashistack.cluster": site},
        "port_base": 20000,
        "gateway": "192.0.2.1",
        "image": "scratch",
        "tools": dict.fromkeys(("cni", "consul", "nomad"), tool),
        "upstreams": ["192.0.2.53"],
    }
    pool = {"name": POOL, "role": "client", "count": 1, "bundle": bundle or blueprint(template).bundle}
    endpoint = {"address": "https://127.0.0.1:1", "servers": [], "token": "", "username": "", "password": ""}
    texts = ("provider", "datacenter", "region", "ca_pem", "operator_cert_pem", "operator_key_pem")
    apis = dict.fromkeys(("nomad", "consul", "vault"), endpoint)
    return Connection.parse(
        {**dict.fromkeys(texts, ""), **apis, "format": 1, "name": site, "pools": [{**pool, "template": template}]}
    )


def made(client: docker.DockerClient, site: str) -> list[str]:
    filters = {"label": f"hashistack.cluster={site}"}
    containers = client.api.containers(all=True, filters=filters)
    return [*(c["Id"] for c in containers), *(v["Name"] for v in client.api.volumes(filters=filters)["Volumes"] or ())]


def test_another_digest_than_the_declared_one_makes_nothing(client: docker.DockerClient) -> None:
    site = f"driver-{uuid4().hex[:8]}"
    driver = LocalDriver(declared(site, "0" * 64), client)
    digest = blueprint(dict(declared(site).pools[0].template)).bundle[:12]
    said = (
        f"^workers: this release of hashistack makes bundle {digest} of what the stack declares, which is {'0' * 12}. "
    )
    with pytest.raises(DriverFailed, match=f"{said}Next: pulumi up"):
        driver.check(POOL)
    with pytest.raises(DriverFailed, match=said):
        driver.grow(POOL, 1)
    assert made(client, site) == []


def test_what_it_would_make_as_declared_passes(client: docker.DockerClient) -> None:
    LocalDriver(declared("driver"), client).check(POOL)


def test_a_stack_of_a_release_that_declared_no_template_says_what_to_do(client: docker.DockerClient) -> None:
    stack = declared("driver")
    old = Connection(**{**vars(stack), "pools": (type(stack.pools[0])(POOL, "client", 1),)})
    with pytest.raises(
        DriverFailed, match=r"^workers: this release of hashistack makes machines of another kind\. Next: "
    ):
        LocalDriver(old, client).check(POOL)

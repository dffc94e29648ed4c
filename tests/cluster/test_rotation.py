"""Key material that is rotated on a cluster at work: no request is lost, and nothing of the old stays in use."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator

import docker
import pytest

from .conftest import finish
from .datacenter import Datacenter, Machine
from .project import Project, small, until
from .service import Asking, Service

ALL = ("rotate_ca", "rotate_certificates", "rotate_gossip", "rotate_tokens")
CONSUL_RING = "/var/lib/hashistack/consul/serf/local.keyring"
NOMAD_RING = "/var/lib/hashistack/nomad/server/serf.keyring"


@pytest.fixture(scope="module")
def rotated(docker_client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Datacenter]:
    """A cluster of its own, as what it rotates is rotated for all that hold it."""
    project = Project.of_program(tmp_path_factory.mktemp("rotated") / "project", "rotated")
    project.configure(cluster=small(f"r{secrets.token_hex(2)}", clients=2))
    try:
        project.run("up")
        yield Datacenter(docker_client, project)
    finally:
        finish(docker_client, project)


def rotate(datacenter: Datacenter, *names: str) -> None:
    """Declares that these are to be rotated, by a value that none of them had; the next `up` does it."""
    arguments = datacenter.project.configuration().get("arguments", {})
    value = f"again-{secrets.token_hex(4)}"
    datacenter.project.configure(arguments={**arguments, **dict.fromkeys(names, value)})


def taken_up(datacenter: Datacenter) -> bool:
    """Whether each machine works by its role's document, and gossip by that one's keys alone."""
    for machine in datacenter.machines():
        document = machine.role_document()
        held = json.loads(machine.sh("cat /run/hashistack/secrets.json"))
        rings = {"consul": CONSUL_RING} | ({"nomad": NOMAD_RING} if machine in datacenter.servers else {})
        try:
            keys = {product: json.loads(machine.sh(f"cat {ring}")) for product, ring in rings.items()}
        except ValueError:
            return False  # its agent is writing it
        if held != document or any(found != [document[f"{product}_gossip"]] for product, found in keys.items()):
            return False
    return True


def refused(datacenter: Datacenter, document: dict[str, str]) -> set[str]:
    """The names of a server's token ids that its agents do not know."""
    server, found = datacenter.servers[0], set()
    for name, id in document.items():
        product = name.partition("_")[0]
        if name in ("ca", "cert", "key") or name.endswith(("_gossip", "_password")):
            continue
        url = "http://127.0.0.1:8500" if product == "consul" else "https://localhost:4646"
        header = f"X-{product.capitalize()}-Token: {id}"
        asked = f"{url}/v1/acl/token/self"

        def told(asked: str = asked, header: str = header) -> int:
            """0 while an election goes on, or an agent starts again."""
            status, _ = server.get(asked, '-H "$HEADER"', {"HEADER": header})
            return status if status in (200, 403) else 0

        found |= {name} if until(told, 30, f"{server.name} knows {name} or not") == 403 else set()
    return found


def nomad_has_started_again(datacenter: Datacenter, before: dict[str, str]) -> None:
    """On each machine that was there before, as a Nomad reads its new Consul token when it starts; and nothing else."""

    def changed() -> set[str]:
        now = _starts(datacenter)
        return {name for name, started in before.items() if name in now and now[name] != started}

    agents = {f"{machine.name} nomad" for machine in datacenter.machines()} & before.keys()
    # The servers take turns.
    until(lambda: changed() == agents, 240, lambda: f"each Nomad has started again, and nothing else: {changed()}")
    datacenter.healthy()


def test_everything_rotates_under_load(rotated: Datacenter, docker_client: docker.DockerClient) -> None:
    datacenter, project = rotated, rotated.project
    documents = [datacenter.servers[0].role_document()]
    service = Service(datacenter, "kept").start()
    allocations, starts = service.allocations(), _starts(datacenter)

    with Asking(service) as asking:
        rotate(datacenter, *ALL)
        project.run("up")
        datacenter = Datacenter(docker_client, project)
        until(lambda: taken_up(datacenter), 240, "every machine has taken it up")
        nomad_has_started_again(datacenter, starts)
    assert asking.failed == []
    assert asking.asked > 100
    documents.append(datacenter.servers[0].role_document())
    assert all(documents[1][name] != value for name, value in documents[0].items())
    assert service.allocations() == allocations
    # The vendor's own commands, by what `hashistack env` says now.
    listed = datacenter.vendor("nomad", "operator", "gossip", "keyring", "list").split()
    assert [word for word in listed if word.endswith("=")] == [documents[1]["nomad_gossip"]]
    # One that a busy machine keeps from answering in time is not counted.
    until(
        lambda: f"{documents[1]['consul_gossip']} [5/5]" in datacenter.vendor("consul", "keyring", "-list"),
        60,
        "all five have the key",
    )
    assert "operator" in datacenter.vendor("vault", "token", "lookup")
    # No agent was refused in between, because the old ids work until the next rotation.
    assert refused(datacenter, documents[0]) == refused(datacenter, documents[1]) == set()

    # A machine that comes later knows nothing of the old.
    lost = datacenter.clients[-1]
    lost.container.remove(force=True, v=True)
    project.run("up")
    assert lost.name not in {machine.name for machine in datacenter.machines()}

    starts = _starts(datacenter)
    rotate(datacenter, "rotate_tokens")
    project.run("up")
    datacenter = Datacenter(docker_client, project)
    until(lambda: taken_up(datacenter), 240, "every machine has taken it up")
    nomad_has_started_again(datacenter, starts)
    documents.append(datacenter.servers[0].role_document())
    assert {name for name, value in documents[2].items() if documents[1][name] == value} == {
        *("ca", "cert", "key", "consul_gossip", "nomad_gossip"),
    }
    ids = {name for name in documents[0] if name.startswith(("consul_", "nomad_")) and not name.endswith("_gossip")}
    assert refused(datacenter, documents[0]) == ids
    assert refused(datacenter, documents[1]) == refused(datacenter, documents[2]) == set()


def test_servers_that_all_go_down_in_the_middle_of_a_rotation_end_it(
    rotated: Datacenter, docker_client: docker.DockerClient
) -> None:
    """Nobody has the old tokens any more: each server comes back with the new document alone."""
    project, servers = rotated.project, rotated.servers
    before = servers[0].role_document()
    rotate(rotated, *ALL)
    with project.start("up") as process:
        until(lambda: _another(servers[0], before), 120, "the document is there")
        for server in servers:
            server.container.kill()
        for server in servers:
            server.container.start()
        said, _ = process.communicate(timeout=600)
    assert process.returncode == 0, said
    cut = Datacenter(docker_client, project)
    until(lambda: taken_up(cut), 240, "every machine has taken it up")
    cut.healthy()
    assert refused(cut, cut.servers[0].role_document()) == set()
    assert "operator" in cut.vendor("vault", "token", "lookup")


def _another(server: Machine, before: dict[str, str]) -> bool:
    """Whether the server's document is whole and another one; `up` may be writing it."""
    try:
        return json.loads(server.run("cat /platform/secrets/server")[1]) != before
    except ValueError:
        return False


def _starts(datacenter: Datacenter) -> dict[str, str]:
    """Machine and agent to its process, on machines that are there now."""
    return {
        f"{machine.name} {product}": machine.process(product)
        for machine in datacenter.machines()
        for product in ("consul", "nomad", *(("vault",) if machine in datacenter.servers else ()))
    }

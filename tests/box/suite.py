"""What a cluster does in any cloud: the same tests for each, whose own files have a class for each of these classes.

They know the cloud by nothing but `Prod`, which is what their fixture `prod` gives. What passes in one cloud and not in
another is a fault.
"""

from __future__ import annotations

import json

from ..cluster.project import until
from ..cluster.service import Asking, Service
from .prod import Prod

READY_SECONDS = 300
OLD = {"nomad": "1.10.5", "consul": "1.21.0", "vault": "1.21.0"}
NEW = {"nomad": "1.11.3", "consul": "1.22.3", "vault": "1.21.2"}


class Whole:
    """A cluster that was just made."""

    def test_it_is_ready_for_jobs(self, prod: Prod) -> None:
        prod.ready(READY_SECONDS, smoke=True)

    def test_it_has_the_machines_that_are_declared(self, prod: Prod) -> None:
        assert prod.sizes() == prod.declared

    def test_another_up_changes_nothing(self, prod: Prod) -> None:
        before = prod.everywhere()
        assert "nothing to change" in prod.project.run("up", seconds=300)
        assert prod.everywhere() == before

    def test_the_commands_know_it(self, prod: Prod) -> None:
        assert prod.project.run("status")
        assert f"NOMAD_ADDR={prod.connection.nomad.address}" in prod.project.run("env", "--shell", "sh")
        saved = json.loads(prod.project.run("snapshot", "save", prod.archives, "-o", "json").splitlines()[-1])
        assert saved["file"].startswith(prod.archives)
        assert saved["file"].rpartition("/")[2] in prod.project.run("snapshot", "list", prod.archives)


class Upgrade:
    """Of a cluster of the OLD versions to the NEW ones."""

    def test_every_machine_is_replaced_and_no_request_is_lost(self, prod: Prod) -> None:
        before = prod.everywhere()
        to = [word for product, version in NEW.items() for word in ("--to", f"{product}={version}")]
        service = Service(prod, "upgraded", contained=True).start()
        with Asking(service) as asking:
            said = prod.project.run("upgrade", *to, seconds=1500)
        print(f"{asking.asked} requests\n{said}")
        assert asking.failed == []
        service.stop()
        # The last ones have left the cluster, and let go a moment later.
        until(lambda: prod.sizes() == prod.declared, 240, lambda: str(prod.everywhere()))
        for pool, machines in prod.everywhere().items():
            assert not machines & before[pool]
        prod.open()
        assert {server.version for server in prod.cluster.vault.health()} == {NEW["vault"]}


class Losses:
    """Hardware that fails, with its disks."""

    def test_a_server_that_is_lost_is_made_anew_and_healed(self, prod: Prod) -> None:
        before = prod.machines("server")
        lost = min(before)
        prod.lose({lost})
        until(lambda: len(prod.machines("server") - before) == 1, 60, "the group makes another")
        prod.project.run("heal", seconds=300)
        prod.ready(READY_SECONDS)
        assert prod.left(prod.name("server", lost))

    def test_all_that_was_kept_is_back_on_new_servers(self, prod: Prod) -> None:
        prod.write("kept")
        service = Service(prod, "outlives", contained=True).start()
        saved = json.loads(prod.project.run("snapshot", "save", prod.archives, "-o", "json").splitlines()[-1])
        before = prod.machines("server")
        prod.lose(before)
        until(lambda: len(prod.machines("server") - before) == len(before), 120, "the group makes new ones")
        prod.open()
        # A cluster that begins with nothing does not look like one that is well.
        until(lambda: "all servers were lost" in str(prod.problems()), 180, lambda: str(prod.problems()))
        prod.project.run("snapshot", "restore", saved["file"], "--yes", seconds=600)
        prod.open()
        assert prod.read() == dict.fromkeys(("consul", "nomad", "vault"), "kept")
        prod.ready(READY_SECONDS)
        until(lambda: len(service.instances()) == service.count, 300, "Consul has the service again")
        service.stop()
        until(lambda: not prod.problems(), 120, lambda: str(prod.problems()))

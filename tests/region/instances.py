"""EC2's hardware: a container for each of moto's instances, with its private address, from a machine image.

`Machines.step` starts what moto says is running and has no container, removes what was terminated, and tells moto of
instances that stopped by themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any
from unittest.mock import patch

import docker
from docker.errors import NotFound
from moto.core.responses import ActionResult
from moto.core.types import Base64EncodedString
from moto.core.utils import utcnow
from moto.ec2 import ec2_backends
from moto.ec2.models.instances import Instance
from moto.ec2.responses.general import General
from moto.iam import iam_backends

from hashistack.aws import tags

from ..box.containers import Containers
from . import metadata
from .addresses import RESOLVER
from .lifecycle import members, target_state

LABEL = "hashistack.tests.region"
STOP_SECONDS = 10
REBOOT_SECONDS = 120
_IMAGE = Path(__file__).parent / "image"


class Machines:
    """The containers of one account's region."""

    def __init__(self, client: docker.DockerClient, account: str, region: str, ca: Path) -> None:
        self.account, self.region = account, region
        self._containers = Containers(client, LABEL, _IMAGE, ca, RESOLVER)
        self.container, self.left, self.remove = self._containers.get, self._containers.left, self._containers.remove
        self.console = self._containers.console
        self._pool = ThreadPoolExecutor(8, thread_name_prefix="machines")
        self._handled: dict[str, str] = {}
        self._metadata: dict[str, metadata.Instance] = {}
        self._stepping = Lock()
        self.on_alpine: set[str] = set()
        """The pools whose machines boot Alpine's userland in place of the local machine image."""

    def reboot(self, instance_id: str) -> None:
        """Its init ends all, and starts again."""
        with self._stepping:  # one that is down for the moment has not shut itself down
            self.container(instance_id).restart(timeout=REBOOT_SECONDS)

    def step(self) -> None:
        """Containers follow moto's instances, and moto those that ended by themselves."""
        with self._stepping:
            self._step()

    def _step(self) -> None:
        # Before the instances: whoever ends later keeps his network until the next step.
        vpcs = set(ec2_backends[self.account][self.region].vpcs)
        running = self._containers.running()
        starting, ending = [], []
        for instance in self._instances():
            before = self._handled.get(instance.id)
            if instance.state == "running" and before is None:
                self._handled[instance.id] = "running"
                starting.append(instance)
            elif instance.state in ("terminated", "shutting-down") and before not in (None, "terminated"):
                self._handled[instance.id] = "terminated"
                ending.append(instance.id)
            elif instance.state == "stopped" and before == "running":
                self._handled[instance.id] = "stopped"
                with suppress(NotFound):
                    self.container(instance.id).stop(timeout=STOP_SECONDS)
            elif instance.state == "running" and before == "stopped":
                self._handled[instance.id] = "running"
                with suppress(NotFound):
                    self.container(instance.id).start()
            elif instance.state == "running" and before == "running" and not running.get(instance.id, False):
                instance.stop()  # it shut itself down, or somebody killed it
        # An address is free in Docker when its container is gone, and moto gives it to the next at once.
        list(self._pool.map(self._containers.end, ending))
        list(self._pool.map(self._start, starting))
        self._containers.keep_networks({f"region-{vpc}" for vpc in vpcs})

    def whose(self, address: str) -> metadata.Instance | None:
        """Who asks the metadata service from this address, with what moto knows of it by now."""
        for instance in self._instances():
            if instance.private_ip == address and instance.state == "running":
                return self._described(instance)
        return None

    def of(self, instance_id: str) -> metadata.Instance:
        """What the metadata service says of an instance; a test may change it (a spot notice)."""
        return self._described(ec2_backends[self.account][self.region].get_instance(instance_id))

    def role_age(self, whose: str) -> float:
        """Seconds since the role of an instance was made; endless for whoever is no instance."""
        names = [self._role(one.iam_instance_profile) for one in self._instances() if one.id == whose]
        roles = iam_backends[self.account]["aws"].roles.values()
        made = [role.create_date for role in roles if role.name in names]
        return (utcnow() - made[0]).total_seconds() if made else float("inf")

    @contextmanager
    def shown(self) -> Iterator[None]:
        """EC2 shows these consoles instead of moto's sample, and reboots what is asked for, as late as a machine is."""

        def output(response: General) -> ActionResult:
            said = self.console(response._get_param("InstanceId"))
            coded = Base64EncodedString.from_raw_string(said)
            return ActionResult({"InstanceId": response._get_param("InstanceId"), "Output": coded})

        def reboot(instance: Instance) -> None:
            self._pool.submit(self.reboot, instance.id)

        with patch.object(General, "get_console_output", output), patch.object(Instance, "reboot", reboot):
            yield

    def _instances(self) -> list[Any]:
        return list(ec2_backends[self.account][self.region].all_instances())

    def _described(self, instance: Any) -> metadata.Instance:
        shown = instance.metadata_options.instance_metadata_tags == "enabled"
        found = self._metadata.setdefault(
            instance.id, metadata.Instance(instance.id, instance.private_ip, user_data=_text(instance.user_data))
        )
        found.zone, found.region, found.account = instance.placement.zone, self.region, self.account
        found.image, found.type = instance.image_id, instance.instance_type
        found.role = self._role(instance.iam_instance_profile)
        found.tags = _tags(instance) if shown else {}
        state = next((one for one in members(self.account, self.region) if one.instance_id == instance.id), None)
        found.lifecycle_state = None if state is None else target_state(state)
        return found

    def _role(self, profile: str | None) -> str:
        for known in iam_backends[self.account]["aws"].instance_profiles.values():
            if profile in (known.name, known.arn) and known.roles:
                return str(known.roles[0].name)
        return ""

    def _start(self, instance: Any) -> None:
        cidr = ec2_backends[self.account][self.region].vpcs[instance.vpc_id].cidr_block
        hostname = instance.private_dns_name.split(".")[0]
        self._containers.start(
            instance.id,
            hostname,
            f"region-{instance.vpc_id}",
            cidr,
            instance.private_ip,
            on_alpine=_tags(instance).get(tags.POOL) in self.on_alpine,
        )


def _tags(instance: Any) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in instance.get_tags()}


def _text(user_data: Any) -> str | None:
    return None if user_data is None else user_data.decode()

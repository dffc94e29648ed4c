"""EC2's hardware: a container for each of moto's instances, with its private address, from a machine image.

`Machines.step` starts what moto says is running and has no container, removes what was terminated, and tells moto of
instances that stopped by themselves. The image is the local provider's, with the test's CA and an init that boots as an
EC2 instance does: DHCP's resolver, then user data from the metadata service.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from ipaddress import IPv4Network
from pathlib import Path
from threading import Lock
from typing import Any
from unittest.mock import patch

import docker
from docker.errors import NotFound
from docker.types import IPAMConfig, IPAMPool
from moto.core.responses import ActionResult
from moto.core.types import Base64EncodedString
from moto.core.utils import utcnow
from moto.ec2 import ec2_backends
from moto.ec2.responses.general import General
from moto.iam import iam_backends

from hashistack.local.image import build as image
from hashistack.local.machines import CAPABILITIES, DOCKER

from . import metadata
from .lifecycle import members, target_state

LABEL = "hashistack.tests.region"
STOP_SECONDS = 10
_IMAGE = Path(__file__).parent / "image"


def _archive(ca: Path) -> bytes:
    """What the image lacks: `image/` at /sbin/region, and the test's CA."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path in (*_IMAGE.iterdir(), ca):
            tar.add(path, arcname=f"sbin/region/{path.name}")
    return packed.getvalue()


class Machines:
    """The containers of one account's region."""

    def __init__(self, client: docker.DockerClient, account: str, region: str, ca: Path) -> None:
        self.account, self.region = account, region
        self._client, self._archive = client, _archive(ca)
        # Here, because it may have to be built, and that takes minutes.
        self._image = image.ensure(client, lambda text: None)
        self._pool = ThreadPoolExecutor(8, thread_name_prefix="machines")
        self._handled: dict[str, str] = {}
        self._metadata: dict[str, metadata.Instance] = {}
        self._networks: dict[str, Any] = {}
        self._consoles: dict[str, str] = {}
        self._lock = Lock()
        self.remove()  # what a test run that was killed left behind

    def step(self) -> None:
        """Containers follow moto's instances, and moto those that ended by themselves."""
        # Before the instances: whoever ends later keeps his network until the next step.
        vpcs = set(ec2_backends[self.account][self.region].vpcs)
        running = {c["Names"][0][1:]: c["State"] == "running" for c in self._listed()}
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
        list(self._pool.map(self._remove, ending))
        list(self._pool.map(self._start, starting))
        for vpc in [vpc for vpc in self._networks if vpc not in vpcs]:
            self._networks[vpc].remove()
            del self._networks[vpc]

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

    def container(self, instance_id: str) -> Any:
        return self._client.containers.get(instance_id)

    def console(self, instance_id: str) -> str:
        """What the machine has written to its console; what it wrote until its end, when it is gone."""
        with suppress(NotFound):
            self._consoles[instance_id] = self.container(instance_id).logs().decode(errors="replace")
        return self._consoles.get(instance_id, "")

    @contextmanager
    def shown(self) -> Iterator[None]:
        """EC2 shows these consoles instead of moto's sample."""

        def output(response: General) -> ActionResult:
            said = self.console(response._get_param("InstanceId"))
            coded = Base64EncodedString.from_raw_string(said)
            return ActionResult({"InstanceId": response._get_param("InstanceId"), "Output": coded})

        with patch.object(General, "get_console_output", output):
            yield

    def left(self) -> list[str]:
        """Names of what of the region Docker still has."""
        networks = self._client.networks.list(filters={"label": LABEL})
        return [*(one["Names"][0] for one in self._listed()), *(network.name for network in networks)]

    def remove(self) -> None:
        """Everything of the region that Docker has."""
        for found in self._listed():
            self._remove(found["Id"])
        for network in self._client.networks.list(filters={"label": LABEL}):
            network.remove()

    def _instances(self) -> list[Any]:
        return list(ec2_backends[self.account][self.region].all_instances())

    def _listed(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._client.api.containers(all=True, filters={"label": LABEL})
        return found

    def _described(self, instance: Any) -> metadata.Instance:
        tags = {tag["key"]: tag["value"] for tag in instance.get_tags()}
        shown = instance.metadata_options.instance_metadata_tags == "enabled"
        found = self._metadata.setdefault(
            instance.id, metadata.Instance(instance.id, instance.private_ip, user_data=_text(instance.user_data))
        )
        found.zone, found.region, found.account = instance.placement.zone, self.region, self.account
        found.image, found.type = instance.image_id, instance.instance_type
        found.role = self._role(instance.iam_instance_profile)
        found.tags = tags if shown else {}
        state = next((one for one in members(self.account, self.region) if one.instance_id == instance.id), None)
        found.lifecycle_state = None if state is None else target_state(state)
        return found

    def _role(self, profile: str | None) -> str:
        for known in iam_backends[self.account]["aws"].instance_profiles.values():
            if profile in (known.name, known.arn) and known.roles:
                return str(known.roles[0].name)
        return ""

    def _start(self, instance: Any) -> None:
        network = self._network(instance.vpc_id)
        api = self._client.api
        host = api.create_host_config(
            binds=[DOCKER],
            tmpfs={"/run": "mode=755,exec"},
            cap_add=CAPABILITIES,
            security_opt=["seccomp=unconfined", "apparmor=unconfined"],
            network_mode=network,
        )
        address = api.create_endpoint_config(ipv4_address=instance.private_ip)
        api.create_container(
            self._image,
            entrypoint=["/sbin/region/init"],
            name=instance.id,
            hostname=instance.private_dns_name.split(".")[0],
            labels={LABEL: instance.id},
            host_config=host,
            networking_config={"EndpointsConfig": {network: address}},
        )
        api.put_archive(instance.id, "/", self._archive)
        api.start(instance.id)

    def _network(self, vpc: str) -> str:
        """The VPC as one bridge: its router, the bridge's address, is the VPC's first."""
        with self._lock:
            if vpc not in self._networks:
                cidr = IPv4Network(ec2_backends[self.account][self.region].vpcs[vpc].cidr_block)
                pool = IPAMConfig(pool_configs=[IPAMPool(subnet=str(cidr), gateway=str(cidr[1]))])
                self._networks[vpc] = self._client.networks.create(f"region-{vpc}", ipam=pool, labels={LABEL: vpc})
            return str(self._networks[vpc].name)

    def _remove(self, container: str) -> None:
        self.console(container)
        with suppress(NotFound):
            self._client.api.remove_container(container, v=True, force=True)


def _text(user_data: Any) -> str | None:
    return None if user_data is None else user_data.decode()

"""A project in a box with one machine that runs no cluster: it boots, starts again, is told to go, and ends itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from hashistack.gcp.ops.session import Google

from ..cluster.project import until
from .compute import PROJECT, REGION, Vm
from .project import Project

pytestmark = pytest.mark.cluster  # needs Docker, and the addresses that a region has

SCRIPT = """\
#!/bin/sh
metadata=http://metadata.google.internal/computeMetadata/v1/instance
said() { curl -s -m 10 -H 'Metadata-Flavor: Google' "$metadata/$1"; }
token=$(said service-accounts/default/token | sed -n 's/.*"access_token" *: *"\\([^"]*\\)".*/\\1/p')
curl -s -o /dev/null -w 'storage says %{http_code}\\n' -H "authorization: Bearer $token" \
  https://storage.googleapis.com/storage/v1/b/none/o/x
echo "$(said name) at $(said network-interfaces/0/ip) is up"
exec sleep 100000
"""


def order(google: Google, method: str, **given: Any) -> None:
    google.ask(
        f"compute.regionInstanceGroupManagers.{method}", project=PROJECT, region=REGION, requestId=str(uuid4()), **given
    )


def test_a_machine_lives_and_goes(box: Project) -> None:
    google = box.google()
    scheduling = {"gracefulShutdown": {"enabled": True, "maxDuration": {"seconds": "3600"}}}
    properties = {
        "machineType": "n2-standard-2",
        "serviceAccounts": [{"email": "web@x-project.iam.gserviceaccount.com"}],
        "metadata": {"items": [{"key": "startup-script", "value": SCRIPT}]},
        "scheduling": scheduling,
    }
    google.ask("compute.instanceTemplates.insert", project=PROJECT, body={"name": "t", "properties": properties})
    link = f"projects/{PROJECT}/global/instanceTemplates/t"
    group = {"name": "g", "baseInstanceName": "web", "targetSize": 1, "versions": [{"instanceTemplate": link}]}
    order(google, "insert", body=group)
    vm = until(lambda: next((vm for vm in box.compute.vms if vm.status == "RUNNING"), None), 10, "it runs")
    console = lambda: box.machines.console(vm)  # noqa: E731
    until(lambda: up(console, vm, 1), 60, console)
    assert "storage says 403" in console(), "its token is known, and it has no right"
    box.machines.reset(vm)
    until(lambda: up(console, vm, 2), 60, console)
    order(
        google,
        "deleteInstances",
        instanceGroupManager="g",
        body={"instances": [f"zones/{vm.zone}/instances/{vm.name}"]},
    )
    assert (vm.status, box.machines.of(vm).stop_state) == ("PENDING_STOP", "PENDING_STOP")
    assert box.machines.container(vm).exec_run("poweroff").exit_code == 0
    until(lambda: vm not in box.compute.vms, 30, lambda: vm.status)
    assert (box.problems, box.apis.refused) == ([], [])


def up(console: Callable[[], str], vm: Vm, times: int) -> bool:
    return console().count(f"{vm.name} at {vm.ip} is up") == times

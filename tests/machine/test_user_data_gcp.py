"""The first script on Google Cloud: a bare instance gets its bundle with its own token, at each of its starts."""

from __future__ import annotations

from base64 import b64encode

import pytest

from hashistack.machine.bundle import Bundle
from hashistack.machine.user_data import user_data
from hashistack.spec.policy import UpgradePolicy

from .cases import STARTS
from .conftest import Start, wait_for
from .gcp import BUCKET, FIRST, PROJECT, Fault, Gcp, error
from .sandbox import Sandbox

HOME = "/opt/hashistack"
SCRIPT = "/tmp/startup-script"
ENABLE = b'#!/bin/sh\n. /etc/hashistack/metadata\necho "$HS_BUNDLE handed over $HS_PROJECT $HS_SECRET_CLIENT"\n'
BUNDLE = Bundle({"bin/install-init-service": ENABLE})
SECRET = f"projects/{PROJECT}/secrets/x-client"
DONE = f"{BUNDLE.sha256} handed over {PROJECT} {SECRET}"
KEY = "bundles/web.tar.gz.base64"
ARCHIVE = b64encode(BUNDLE.archive)


@pytest.fixture
def bare(machine: Sandbox, gcp: Gcp) -> Sandbox:
    machine.network = "host"
    machine.path("/run").mkdir(exist_ok=True)
    text = user_data(
        start=STARTS["gcp"],
        cluster="x-beef",
        role="client",
        pool="web",
        bundle_url=f"gs://{BUCKET}/{KEY}#{FIRST}",
        bundle_sha256=BUNDLE.sha256,
        servers=3,
        upgrade=UpgradePolicy(),
        environment={"HS_PROJECT": PROJECT, "HS_BUCKET": BUCKET, "HS_SECRET_CLIENT": SECRET, **gcp.environment},
    )
    machine.write(SCRIPT, text, 0o755)
    return machine


def starts_again(machine: Sandbox) -> None:
    """What is in /run is gone after a restart."""
    machine.run("rm", "-rf", "/run/hashistack-first-script")


def test_a_bare_instance_hands_over_to_its_bundle(bare: Sandbox, gcp: Gcp) -> None:
    gcp.put(KEY, ARCHIVE, b"of a later release")
    done = bare.run(SCRIPT)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{DONE}\n", "")
    assert gcp.calls == ["storage.objects.get"]


def test_who_comes_second_in_a_start_does_nothing(bare: Sandbox, gcp: Gcp) -> None:
    """Ubuntu has both the guest agent and cloud-init."""
    gcp.put(KEY, ARCHIVE)
    bare.run(SCRIPT)
    again = bare.run(SCRIPT)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_the_next_start_needs_no_bucket(bare: Sandbox, gcp: Gcp) -> None:
    gcp.put(KEY, ARCHIVE)
    bare.run(SCRIPT)
    starts_again(bare)
    gcp.storage.objects.clear()
    done = bare.run(SCRIPT)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{DONE}\n", "")
    assert gcp.calls == ["storage.objects.get"]


def test_the_token_is_in_no_file_and_in_no_argument(bare: Sandbox, gcp: Gcp) -> None:
    gcp.put(KEY, ARCHIVE)
    bare.stand_in("curl", 'printf "%s\\n" "$*" >>/tmp/arguments; exec /usr/bin/curl "$@"')
    assert bare.run(SCRIPT).returncode == 0
    assert bare.read("/tmp/arguments").count("\n") == 2
    for path, text in {**bare.tree("/tmp"), **bare.tree("/etc"), **bare.tree("/opt")}.items():
        assert gcp.metadata.token(gcp.instance)["access_token"] not in text, path


@pytest.mark.parametrize("down", ["metadata", "storage", "its rights"])
def test_what_is_down_at_boot_is_tried_again_until_it_answers(bare: Sandbox, gcp: Gcp, start: Start, down: str) -> None:
    bare.stand_in("sleep", "exec /usr/bin/sleep 0.1")
    gcp.put(KEY, ARCHIVE)
    if down == "metadata":
        gcp.outage(lambda path: 503)
    else:
        refusal = error(403, "x does not have storage.objects.get access") if down == "its rights" else (503, "")
        gcp.faults += [Fault("storage.objects.get", *refusal) for _ in range(2)]
    process = start(SCRIPT)
    wait_for(lambda: [line for line in bare.said() if line.endswith("yet, again in 2s")])
    gcp.outage(lambda path: None)
    assert process.wait(timeout=60) == 0
    assert bare.said()[-1] == DONE


def test_a_bundle_with_another_digest_is_refused(bare: Sandbox, gcp: Gcp, start: Start) -> None:
    gcp.put(KEY, b64encode(b"anything else"))
    process = start(SCRIPT)
    wait_for(lambda: [line for line in bare.said() if line.endswith("refused, this machine stays as it was")])
    assert process.poll() is None, "it tries again"
    assert not bare.path(f"{HOME}/current").exists()

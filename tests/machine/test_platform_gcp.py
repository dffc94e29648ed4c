"""platform-gcp: its verbs against a stand-in of Google Cloud that judges each request by Google's documents."""

from __future__ import annotations

import json
import re
import time

import pytest

from . import claims, introductions
from .cases import CASES
from .conftest import Start, wait_for
from .gcp import BUCKET, FIRST, ID, PROJECT, Fault, Gcp, Secret, error
from .sandbox import Sandbox

HOME = "/opt/hashistack/current"
PLATFORM = f"{HOME}/bin/platform"
KEPT = "/run/hashistack/gcp"
SITE = "shop-beef"
LINE = re.compile(r"hashistack: [^\n]+\n")


@pytest.fixture
def machine(machine: Sandbox, gcp: Gcp) -> Sandbox:
    machine.network = "host"
    machine.install_bundle(CASES["gcp"].bundle("web"), "client", "web", platform=None)
    gcp.secrets.update({f"shop-{name}": Secret() for name in ("server", "client", "vault-init")})
    told = {
        "HS_CLUSTER": SITE,
        "HS_ROLE": "client",
        "HS_POOL": "web",
        "HS_PROJECT": PROJECT,
        "HS_BUCKET": BUCKET,
        "HS_SECRET_SERVER": f"projects/{PROJECT}/secrets/shop-server",
        "HS_SECRET_VAULT_INIT": f"projects/{PROJECT}/secrets/shop-vault-init",
        **gcp.environment,
    }
    machine.write("/etc/hashistack/metadata", "".join(f"{name}='{value}'\n" for name, value in told.items()))
    return machine


def run(machine: Sandbox, *arguments: str, stdin: str = "") -> str:
    """The verb's output; it succeeds and complains of nothing."""
    done = machine.run(PLATFORM, *arguments, stdin=stdin)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def launch(gcp: Gcp, ip: str, label: str = SITE, status: str = "RUNNING") -> None:
    gcp.launch(ip, label, status)


def test_identity_is_the_instances(machine: Sandbox) -> None:
    expected = {"id": ID, "name": f"web-{ID}", "ip": "10.9.8.7", "zone": "europe-west1-b"}
    assert json.loads(run(machine, "identity")) == expected


def test_a_disk_is_found_by_its_name_whatever_the_kernel_calls_it(machine: Sandbox) -> None:
    refused = machine.run(PLATFORM, "disk", "data")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == (
        "hashistack: platform-gcp: this machine has no /dev/disk/by-id/google-data (yet): Google's guest environment"
        " makes it\n"
    )
    # Its /dev is this host's: another one, for this program alone.
    there = "mount -t tmpfs tmpfs /dev && mkdir -p /dev/disk/by-id && touch /dev/disk/by-id/google-data"
    done = machine.run("sh", "-c", f"{there} && exec {PLATFORM} disk data")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"/dev/disk/by-id/google-data {ID}-data\n"


@pytest.mark.parametrize(("lifetime", "times"), [(3599, 1), (230, 3)])
def test_a_token_is_asked_for_once_while_it_is_good_and_only_root_reads_it(
    machine: Sandbox, gcp: Gcp, lifetime: int, times: int
) -> None:
    gcp.instance.lifetime = lifetime
    gcp.secrets["shop-server"].versions.append(b"x")
    for _ in range(3):
        assert run(machine, "secret", "server") == "x"
    assert gcp.asked == ["instance/service-accounts/default/token"] * times
    assert set(machine.tree(KEPT)) == {"token"}
    assert machine.path(KEPT).stat().st_mode & 0o077 == 0
    assert machine.path(f"{KEPT}/token").stat().st_mode & 0o077 == 0


def test_a_token_that_google_takes_no_more_is_replaced(machine: Sandbox, gcp: Gcp) -> None:
    gcp.secrets["shop-server"].versions.append(b"here")
    run(machine, "secret", "server")
    gcp.tokens.void()
    gcp.metadata.renew(gcp.instance)
    done = machine.run(PLATFORM, "secret", "server")
    assert (done.returncode, done.stdout) == (0, "here")
    assert "ya29" not in done.stderr
    assert gcp.refused.pop().startswith("no good token")


DOCUMENT = '{"a": "it\'s\\n\\"$x\\" \\\\ %s é", "b": "`id` $(id)"}'


@pytest.mark.parametrize("text", [DOCUMENT, DOCUMENT + "\n\n", "\\", '"', "one\ntwo", "x" * 60000], ids=range(6))
def test_what_was_stored_is_read_byte_for_byte(machine: Sandbox, gcp: Gcp, text: str) -> None:
    run(machine, "store", "vault-init", stdin=text)
    assert gcp.secrets["shop-vault-init"].versions == [text.encode()]
    assert run(machine, "secret", "vault-init") == text
    assert set(machine.tree(KEPT)) == {"token"}, "nothing of the document stays"


def test_storing_again_replaces(machine: Sandbox) -> None:
    for text in ("one", "two"):
        run(machine, "store", "vault-init", stdin=text)
    assert run(machine, "secret", "vault-init") == "two"


def test_a_role_reads_what_pulumi_wrote_last(machine: Sandbox, gcp: Gcp) -> None:
    gcp.secrets["shop-server"].versions += [b"old", b"new"]
    assert run(machine, "secret", "server") == "new"


def test_a_document_that_is_not_there_yet_is_a_failure_at_once(machine: Sandbox, gcp: Gcp) -> None:
    done = machine.run(PLATFORM, "secret", "vault-init")
    assert (done.returncode, done.stdout) == (3, "")
    place = "projects/123456789012/secrets/shop-vault-init/versions/hashistack"
    assert done.stderr == f"hashistack: secretmanager: 404 Secret Version [{place}] not found.\n"
    assert gcp.calls == ["secretmanager.projects.secrets.versions.access"], "asking again would not help"


def test_a_secret_that_is_another_roles_is_not_even_asked_for(machine: Sandbox, gcp: Gcp) -> None:
    done = machine.run(PLATFORM, "secret", "client")
    assert (done.returncode, done.stderr) == (1, "hashistack: platform-gcp: this machine knows no secret for client\n")
    assert gcp.calls == []


@pytest.mark.parametrize("name", ["vault-init", "vault-claim"])
def test_a_name_is_claimed_once(machine: Sandbox, gcp: Gcp, name: str) -> None:
    run(machine, "claim", name, stdin="first\n")
    again = machine.run(PLATFORM, "claim", name, stdin="second\n")
    assert (again.returncode, again.stderr) == (1, ""), "it is no fault that another was first"
    if name == "vault-init":
        assert run(machine, "secret", name) == "first\n"
        assert gcp.secrets["shop-vault-init"].versions == [b"first\n", None], "keys that do not count are destroyed"
    else:
        assert gcp.objects == {"claims/vault-claim": [b"first"]}


def test_what_has_been_claimed_can_be_stored_anew(machine: Sandbox) -> None:
    run(machine, "claim", "vault-init", stdin="keys and token")
    run(machine, "store", "vault-init", stdin="keys")
    assert run(machine, "secret", "vault-init") == "keys"


def test_a_generation_of_a_name_is_claimed_once_and_is_what_is_read(machine: Sandbox) -> None:
    """Where all servers were lost, their successors claim it once more."""
    claims.count_once_a_generation(machine, PLATFORM)


def test_what_introduces_a_pool_is_for_its_own_machines(machine: Sandbox, gcp: Gcp) -> None:
    introductions.reach_their_pool(machine, PLATFORM)
    assert gcp.objects["introductions/web.jwt"][-1] == b"second"
    assert gcp.objects["introductions/batch.jwt"] == [b"another"]


def test_the_pools_are_what_up_says(machine: Sandbox, gcp: Gcp) -> None:
    gcp.put("client-pools", b"web default\nbatch heavy\n")
    assert run(machine, "client-pools").splitlines()[:2] == ["web default", "batch heavy"]


RACE = """
for racer in 1 2 3 4 5 6; do
  { until [ -e /tmp/go ]; do :; done; echo "$racer" | PLATFORM claim NAME && echo "$racer"; } &
done
: >/tmp/go
wait
""".replace("PLATFORM", PLATFORM)


@pytest.mark.parametrize("name", ["vault-init", "vault-claim"])
def test_of_many_who_claim_a_name_one_gets_it(machine: Sandbox, gcp: Gcp, name: str) -> None:
    done = machine.run("sh", "-c", RACE.replace("NAME", name))
    (winner,) = done.stdout.split()
    if name == "vault-init":
        assert run(machine, "secret", name) == f"{winner}\n"
        assert [each for each in gcp.secrets["shop-vault-init"].versions if each] == [f"{winner}\n".encode()]


LOST = {"vault-init": "secretmanager.projects.secrets.patch", "vault-claim": "storage.objects.insert"}


@pytest.mark.parametrize("name", LOST)
def test_a_claim_whose_answer_was_lost_is_still_ones_own(machine: Sandbox, gcp: Gcp, name: str) -> None:
    gcp.faults.append(Fault(LOST[name], 500, performed=True))
    done = machine.run(PLATFORM, "claim", name, stdin="mine")
    assert done.returncode == 0, done.stderr
    assert gcp.calls.count(LOST[name]) == 2
    assert machine.run(PLATFORM, "claim", name, stdin="anothers").returncode == 1


def test_an_archive_goes_into_the_bucket(machine: Sandbox, gcp: Gcp) -> None:
    machine.write("/tmp/archive.tar", "archive")
    said = run(machine, "keep", "/tmp/archive.tar", "scheduled-1.tar", "24")
    assert said == f"gs://{BUCKET}/snapshots/scheduled-1.tar\n"
    assert gcp.objects == {"snapshots/scheduled-1.tar": [b"archive"]}


def test_peers_are_the_servers_of_this_cluster_that_run(machine: Sandbox, gcp: Gcp) -> None:
    launch(gcp, "10.0.0.2")
    launch(gcp, "10.0.0.3", label="other-beef")
    launch(gcp, "10.0.0.4", status="STOPPING")
    launch(gcp, "10.0.0.5")
    assert sorted(run(machine, "peers").split()) == ["10.0.0.2", "10.0.0.5"]
    asked = len(gcp.calls)
    run(machine, "peers")
    assert len(gcp.calls) == asked, "what was just said is not asked again"


def test_no_peers_is_no_failure(machine: Sandbox) -> None:
    assert run(machine, "peers") == ""


def test_the_last_known_peers_stand_in_when_google_does_not_answer(machine: Sandbox, gcp: Gcp) -> None:
    run(machine, "peers")
    machine.write(f"{KEPT}/peers", "1\n10.0.0.2\n")  # long ago
    gcp.faults.append(Fault("compute.instances.aggregatedList", *error(503, "busy")))
    done = machine.run(PLATFORM, "peers")
    assert (done.returncode, done.stdout, done.stderr) == (0, "10.0.0.2\n", "hashistack: compute: 503 busy\n")


def test_where_no_peers_are_known_no_answer_is_a_failure(machine: Sandbox, gcp: Gcp) -> None:
    gcp.faults.append(Fault("compute.instances.aggregatedList", *error(503, "busy")))
    done = machine.run(PLATFORM, "peers")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "hashistack: compute: 503 busy\n")


@pytest.mark.parametrize("size", [0, 3_000_000])
def test_fetch_gets_an_object_byte_for_byte(machine: Sandbox, gcp: Gcp, size: int) -> None:
    data = bytes(range(256)) * (size // 256)
    gcp.put("tools/nomad/1.2.3/abc/nomad", data)
    run(machine, "fetch", f"gs://{BUCKET}/tools/nomad/1.2.3/abc/nomad", "/tmp/nomad")
    assert machine.path("/tmp/nomad").read_bytes() == data


def test_fetch_gets_the_generation_that_is_named(machine: Sandbox, gcp: Gcp) -> None:
    gcp.put("bundles/web.tar.gz", b"first", b"second")
    run(machine, "fetch", f"gs://{BUCKET}/bundles/web.tar.gz#{FIRST}", "/tmp/bundle")
    assert machine.read("/tmp/bundle") == "first"


def test_an_object_that_is_not_there_is_one_line_and_no_file(machine: Sandbox) -> None:
    done = machine.run(PLATFORM, "fetch", f"gs://{BUCKET}/tools/none", "/tmp/none")
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        f"hashistack: storage: 404 No such object: {BUCKET}/tools/none\n",
    )
    assert not machine.path("/tmp/none").exists()


def test_an_object_that_breaks_off_is_a_failure(machine: Sandbox, gcp: Gcp) -> None:
    gcp.faults.append(Fault("storage.objects.get", 0, "half of it"))
    done = machine.run(PLATFORM, "fetch", f"gs://{BUCKET}/tools/x", "/tmp/x")
    assert done.returncode == 1
    assert LINE.fullmatch(done.stderr), done.stderr
    assert "curl: (18)" in done.stderr
    assert not machine.path("/tmp/x").exists()


def test_fetch_knows_no_other_scheme(machine: Sandbox, gcp: Gcp) -> None:
    done = machine.run(PLATFORM, "fetch", "s3://b/k", "/tmp/x")
    assert done.returncode == 1
    assert "only gs://BUCKET/KEY is known here" in done.stderr
    assert gcp.calls == []


def test_a_machine_that_is_well_says_so_by_a_guest_attribute(machine: Sandbox, gcp: Gcp) -> None:
    gcp.change(attributes={"enable-guest-attributes": "TRUE"})
    assert run(machine, "arrived") == ""
    assert gcp.instance.guest_attributes == {"hashistack/arrived": "yes"}
    assert gcp.asked == ["instance/guest-attributes/hashistack/arrived"]


def test_a_machine_that_may_say_nothing_says_why_and_does_not_try_again(machine: Sandbox, gcp: Gcp) -> None:
    done = machine.run(PLATFORM, "arrived")
    assert done.returncode == 0
    assert LINE.fullmatch(done.stderr) and "403" in done.stderr, done.stderr


def test_while_the_metadata_server_is_down_a_machine_has_not_said_that_it_is_well(machine: Sandbox, gcp: Gcp) -> None:
    gcp.change(attributes={"enable-guest-attributes": "TRUE"})
    gcp.outage(lambda path: 503)
    assert machine.run(PLATFORM, "arrived").returncode == 1
    assert gcp.instance.guest_attributes == {}


@pytest.mark.parametrize("verb", ["await_service", "images"])
def test_nobody_waits_for_a_machine_here(machine: Sandbox, gcp: Gcp, verb: str) -> None:
    assert run(machine, verb) == ""
    assert gcp.asked == gcp.calls == []


def test_a_machine_that_runs_is_not_taken_away(machine: Sandbox) -> None:
    done = machine.run(PLATFORM, "terminating")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")


ENDS = {
    "a stop": {"stop_state": "PENDING_STOP"},
    "a driver": {"attributes": {"hashistack-terminate": "yes"}},
}


@pytest.mark.parametrize("end", ENDS)
def test_a_stop_and_a_driver_take_a_machine_away(machine: Sandbox, gcp: Gcp, end: str) -> None:
    gcp.change(**ENDS[end])
    assert run(machine, "terminating") == ""


def test_preemption_says_until_when_and_keeps_to_it(machine: Sandbox, gcp: Gcp) -> None:
    gcp.change(preempted=True, stop_state="PENDING_STOP")
    before = time.time()
    said = run(machine, "terminating")
    assert before + 29 <= int(said) <= time.time() + 30
    machine.write(f"{KEPT}/preempted", f"{2**40}\n1767225600\n")  # seen a moment ago
    assert run(machine, "terminating") == "1767225600\n"


@pytest.mark.parametrize("status", [500, 503, 404])
def test_a_metadata_service_that_fails_takes_no_machine_away(machine: Sandbox, gcp: Gcp, status: int) -> None:
    gcp.change(stop_state="PENDING_STOP")
    gcp.outage(lambda path: status)
    assert machine.run(PLATFORM, "terminating").returncode == 1
    gcp.outage(lambda path: None)
    run(machine, "terminating")


@pytest.mark.parametrize("end", ENDS)
def test_waiting_for_the_end_is_one_request_that_stays(machine: Sandbox, gcp: Gcp, start: Start, end: str) -> None:
    process = start(PLATFORM, "await_terminating")
    wait_for(lambda: gcp.asked.count("instance/") == 2)  # the first says how things are, the second waits
    gcp.change(attributes={"other": "change"})
    wait_for(lambda: gcp.asked.count("instance/") == 3)
    assert process.poll() is None
    gcp.change(**ENDS[end])
    assert process.wait(timeout=20) == 0
    assert gcp.asked.count("instance/") == 3


def test_the_last_act_ends_the_machine(machine: Sandbox) -> None:
    machine.stand_in("poweroff", "echo off")
    assert run(machine, "let_go") == "off\n"


BUSY = {
    "throttled": error(429, "Quota exceeded"),
    "not allowed yet": error(403, "Permission denied"),
    "503": (503, ""),
    "cut in the middle": (0, '{"payload": {"data": "dGhlLXNlY3JldA'),
}


@pytest.mark.parametrize("fault", BUSY)
def test_what_may_heal_is_tried_again_and_said_in_a_line(machine: Sandbox, gcp: Gcp, fault: str) -> None:
    method = "secretmanager.projects.secrets.versions.access"
    gcp.secrets["shop-server"].versions.append(b"here")
    gcp.faults.append(Fault(method, *BUSY[fault]))
    done = machine.run(PLATFORM, "secret", "server")
    assert (done.returncode, done.stdout) == (0, "here")
    assert re.fullmatch(r"hashistack: secretmanager does not answer yet, again in 1 s: .*\n", done.stderr), done.stderr
    assert "dGhl" not in done.stderr
    assert gcp.calls == [method] * 2


def test_a_metadata_service_that_is_down_at_boot_is_waited_for(machine: Sandbox, gcp: Gcp, start: Start) -> None:
    gcp.secrets["shop-server"].versions.append(b"here")
    gcp.outage(lambda path: 503)
    process = start("sh", "-c", f"{PLATFORM} secret server >/tmp/said")
    words = "hashistack: secretmanager does not answer yet, again in 2 s: 000 no token from the metadata service: 503"
    wait_for(lambda: any(line.startswith(words) for line in machine.said()))
    gcp.outage(lambda path: None)
    assert process.wait(timeout=30) == 0
    assert machine.read("/tmp/said") == "here"


RULE = "-w -t mangle -C FORWARD -d 169.254.169.254/32 -j DROP"


@pytest.mark.parametrize("kept", [True, False], ids=["with the rule", "without it"])
def test_no_task_starts_where_it_could_reach_the_metadata_service(machine: Sandbox, kept: bool) -> None:
    machine.write(f"{HOME}/bin/provision", "#!/bin/sh\n", 0o755)
    machine.stand_in("iptables", f'[ "$*" = "{RULE}" ] && {"true" if kept else "false"}')
    done = machine.run(PLATFORM, "prepare")
    assert (done.returncode == 0) is kept
    assert ("can't keep tasks from its metadata service" in done.stderr) is not kept

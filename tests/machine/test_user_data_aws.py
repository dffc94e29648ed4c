"""User data on AWS: a bare instance gets its bundle with its own credentials, and goes on until it has."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace

import pytest

from hashistack.machine.bundle import Bundle
from hashistack.machine.user_data import user_data
from hashistack.spec.policy import UpgradePolicy

from .aws import BUCKET, REGION, Aws, Fault
from .cases import AWS, CASES, STARTS
from .conftest import Start, wait_for
from .documents import DOCUMENTS
from .sandbox import ADDRESS, Sandbox

HOME = "/opt/hashistack"
SCRIPT = "/var/lib/cloud/instance/user-data"
ENABLE = b'#!/bin/sh\n. /etc/hashistack/metadata\necho "$HS_BUNDLE handed over $HS_REGION $HS_SECRET_CLIENT"\n'
BUNDLE = Bundle({"bin/install-init-service": ENABLE})
SECRET = f"arn:aws:secretsmanager:{REGION}:123456789012:secret:x-client"
DONE = f"{BUNDLE.sha256} handed over {REGION} {SECRET}"
only_dash = pytest.mark.parametrize("shell", ["dash"], indirect=True)
"""For pauses: busybox has a sleep of its own, for which nothing stands in."""


@pytest.fixture
def bare(machine: Sandbox, aws: Aws) -> Sandbox:
    machine.network = "host"
    machine.write(SCRIPT, script(aws, f"{BUNDLE.sha256}.tar.gz"), 0o755)
    return machine


def script(aws: Aws, key: str) -> str:
    return user_data(
        start=STARTS["aws"],
        cluster="x-beef",
        role="client",
        pool="web",
        bundle_url=f"s3://{BUCKET}/bundles/{key}",
        bundle_sha256=BUNDLE.sha256,
        servers=3,
        upgrade=UpgradePolicy(),
        environment={"HS_REGION": REGION, "HS_BUCKET": BUCKET, "HS_SECRET_CLIENT": SECRET, **reached(aws)},
    )


def reached(aws: Aws) -> dict[str, str]:
    return {"AWS_ENDPOINT_URL": aws.url, "AWS_EC2_METADATA_SERVICE_ENDPOINT": aws.metadata_url}


def offer(aws: Aws, bundle: Bundle = BUNDLE, archive: bytes | None = None) -> None:
    body = bundle.archive if archive is None else archive
    aws.client("s3").put_object(Bucket=BUCKET, Key=f"bundles/{bundle.sha256}.tar.gz", Body=body)


def test_a_bare_instance_hands_over_to_its_bundle(bare: Sandbox, aws: Aws) -> None:
    offer(aws)
    done = bare.run(SCRIPT)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{DONE}\n", "")
    assert aws.operations == ["GetObject"]
    assert bare.read(f"{HOME}/current/bin/install-init-service") == ENABLE.decode()


def test_the_version_that_the_template_says_is_fetched_when_there_is_a_later_one(bare: Sandbox, aws: Aws) -> None:
    s3 = aws.client("s3")
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    place = {"Bucket": BUCKET, "Key": "bundles/web.tar.gz"}
    version = s3.put_object(**place, Body=BUNDLE.archive)["VersionId"]
    s3.put_object(**place, Body=gzip.compress(b"of a later release"))
    bare.write(SCRIPT, script(aws, f"web.tar.gz?versionId={version}"), 0o755)
    done = bare.run(SCRIPT)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{DONE}\n", "")
    assert [made.parameters["VersionId"] for made in aws.calls] == [version]


def test_credentials_are_in_no_file_and_in_no_argument(bare: Sandbox, aws: Aws) -> None:
    offer(aws)
    bare.stand_in("curl", 'printf "%s\\n" "$*" >>/tmp/arguments; exec /usr/bin/curl "$@"')
    assert bare.run(SCRIPT).returncode == 0
    calls = bare.read("/tmp/arguments").splitlines()
    assert calls[0] == "--version"
    assert len(calls) == 5
    keys = aws.metadata.credentials(aws.instances["127.0.0.1"])
    tokens = list(aws.metadata._tokens)
    for path, text in {**bare.tree("/tmp"), **bare.tree("/etc"), **bare.tree("/opt")}.items():
        for secret in (keys.secret_key, keys.token, *tokens):
            assert secret not in text, path


@pytest.mark.parametrize("down", ["metadata", "S3", "no role"])
def test_what_is_down_at_boot_is_tried_again_until_it_answers(bare: Sandbox, aws: Aws, start: Start, down: str) -> None:
    bare.stand_in("sleep", "exec /usr/bin/sleep 0.1")
    offer(aws)
    own = aws.instances["127.0.0.1"]
    if down == "metadata":
        aws.metadata.outage = lambda instance, path: 503
    elif down == "S3":
        aws.faults += [Fault("GetObject", 503), Fault("GetObject", 0)]
    else:
        own.role = ""
    process = start(SCRIPT)
    wait_for(lambda: [line for line in bare.said() if line.endswith("yet, again in 2s")])
    own.role, aws.metadata.outage = "web", lambda instance, path: None
    assert process.wait(timeout=60) == 0
    assert bare.said()[-1] == DONE


@only_dash
def test_a_wrong_digest_is_a_line_at_each_attempt_until_the_right_one_is_there(
    bare: Sandbox, aws: Aws, start: Start
) -> None:
    bare.stand_in("sleep", 'echo "$1" >>/tmp/slept; exec /usr/bin/sleep 0.1')
    offer(aws, archive=gzip.compress(b"another"))
    process = start(SCRIPT)
    wait_for(lambda: bare.tree("/tmp").get("slept", "").count("15\n") >= 2)
    lines = set(bare.said())
    assert len(lines) == 1, lines
    assert lines.pop().endswith(f"expected {BUNDLE.sha256}: refused, this machine stays as it was")
    offer(aws)
    assert process.wait(timeout=30) == 0
    assert bare.said()[-1] == DONE


TOOLS = ("sh", "sleep", "mkdir", "rm", "gzip", "sha256sum", "cut", "tar", "mv", "ln", "cat", "sed")


def without_curl(machine: Sandbox, manager: str, text: str) -> tuple[str, ...]:
    """A command that runs the user data where there is no curl, but a package manager."""
    for tool in TOOLS:
        machine.write(f"/tools/{tool}", f'#!/bin/sh\nexec /usr/bin/{tool} "$@"\n', 0o755)
    machine.write(f"/tools/{manager}", f'#!/bin/sh\necho "$*" >>/tmp/installed\n{text}\n', 0o755)
    return "/usr/bin/env", "PATH=/tools", SCRIPT


@pytest.mark.parametrize("manager", ["apk", "apt-get"])
def test_an_image_without_curl_gets_it_first(bare: Sandbox, aws: Aws, manager: str) -> None:
    offer(aws)
    command = without_curl(bare, manager, "/usr/bin/ln -sf /usr/bin/curl /tools/curl")
    done = bare.run(*command)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, DONE), done
    assert {"apk": "add -q curl\n", "apt-get": "-qq install curl\n"}[manager] in bare.read("/tmp/installed")


def test_an_image_without_curl_and_without_a_way_to_it_says_so(bare: Sandbox, aws: Aws, start: Start) -> None:
    offer(aws)
    start(*without_curl(bare, "apk", "exit 1"))
    wait_for(lambda: "hashistack: this image has no curl, and it can't be installed" in bare.said())
    assert aws.calls == []


def test_a_server_boots_from_its_real_bundle_and_platform(machine: Sandbox, aws: Aws) -> None:
    """All of the boot but the services themselves, each call to AWS verified: then once more, as after a reboot."""
    case = replace(CASES["aws"], platform=AWS)
    bundle = case.bundle("server")
    machine.network = "host"
    offer(aws, bundle)
    secrets = aws.client("secretsmanager")
    arns = {name: secrets.create_secret(Name=f"x-{name}")["ARN"] for name in ("server", "vault-init")}
    secrets.put_secret_value(SecretId="x-server", SecretString=json.dumps(DOCUMENTS["server"]))
    told = {"HS_SECRET_SERVER": arns["server"], "HS_SECRET_VAULT_INIT": arns["vault-init"], **reached(aws)}
    machine.write(SCRIPT, case.user_data("server", bundle.sha256, **told), 0o755)
    for tool, letter in (("consul", "c"), ("nomad", "a"), ("vault", "e")):
        machine.write(f"{HOME}/bin/{tool}/{letter * 64}/{tool}", "#!/bin/sh\n", 0o755)
    for program in ("runsvdir", "chpst", "svlogd", "unbound", "unbound-control"):
        machine.stand_in(program, "exit 0")
    machine.write("/etc/ssl/certs/ca-certificates.crt", "x")
    machine.path("/etc/runit").mkdir()
    for restart in (False, True):
        if restart:
            aws.client("s3").delete_object(Bucket=BUCKET, Key=f"bundles/{bundle.sha256}.tar.gz")
        done = machine.run(SCRIPT)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"hashistack: server machine booted from bundle {bundle.sha256}\n"
        facts = json.loads(machine.read("/run/hashistack/facts.json"))
        assert (facts["name"], facts["ip"], facts["expect"]) == ("server-0123456789abcdef0", ADDRESS, 3)
        rendered = json.loads(machine.read("/run/hashistack/consul/consul.json"))
        assert rendered["retry_join"] == list(AWS.join)
        assert rendered["node_name"] == "server-0123456789abcdef0"
        assert "vault/run" in machine.tree("/etc/service")
    assert set(aws.operations) == {"GetObject", "GetSecretValue", "DescribeInstances"}
    for place in ("/etc", "/opt", "/var"):
        assert not [path for path, text in machine.tree(place).items() if "the-secret" in text]


@pytest.mark.parametrize(
    ("version", "signs"), [("7.81.0", False), ("7.9.1", False), ("7.88.1", True), ("7.100.0", True), ("8.14.1", True)]
)
def test_a_curl_that_signs_too_little_is_told(bare: Sandbox, start: Start, version: str, signs: bool) -> None:
    bare.stand_in("curl", f'if [ "$*" = --version ]; then echo "curl {version} (x86_64)"; else echo asked; exit 7; fi')
    start(SCRIPT)
    wait_for(lambda: bare.said())
    told = any("this image's curl can't sign requests to AWS" in line for line in bare.said())
    assert told is not signs

"""platform-aws: its verbs against moto and a metadata service, each signature and each call verified by botocore."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace

import pytest

from . import claims, introductions
from .aws import ASG, BUCKET, ID, IMAGE, REGION, Aws, Fault
from .cases import CASES
from .conftest import Start, wait_for
from .sandbox import Sandbox

HOME = "/opt/hashistack/current"
PLATFORM = f"{HOME}/bin/platform"
KEPT = "/run/hashistack/aws"
SITE = "shop-beef"
LINE = re.compile(r"hashistack: [^\n]+\n")


@pytest.fixture
def machine(machine: Sandbox, aws: Aws) -> Sandbox:
    machine.network = "host"
    machine.install_bundle(CASES["aws"].bundle("web"), "client", "web", platform=None)
    arns = {
        name: aws.client("secretsmanager").create_secret(Name=f"shop-{name}")["ARN"]
        for name in ("server", "client", "vault-init")
    }
    told = {
        "HS_CLUSTER": SITE,
        "HS_ROLE": "client",
        "HS_POOL": "web",
        "HS_REGION": REGION,
        "HS_BUCKET": BUCKET,
        "HS_HOOK_TIMEOUT": "7200",
        "HS_SECRET_SERVER": arns["server"],
        "HS_SECRET_VAULT_INIT": arns["vault-init"],
        "AWS_ENDPOINT_URL": aws.url,
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": aws.metadata_url,
    }
    machine.write("/etc/hashistack/metadata", "".join(f"{name}='{value}'\n" for name, value in told.items()))
    return machine


def run(machine: Sandbox, *arguments: str, stdin: str = "") -> str:
    """The verb's output; it succeeds and complains of nothing."""
    done = machine.run(PLATFORM, *arguments, stdin=stdin)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def write(aws: Aws, name: str, text: str) -> None:
    aws.client("secretsmanager").put_secret_value(SecretId=f"shop-{name}", SecretString=text)


def launch(aws: Aws, tags: dict[str, str]) -> dict[str, str]:
    """An instance in moto: its id and private address."""
    ec2 = aws.client("ec2")
    marks = [{"Key": key, "Value": value} for key, value in tags.items()]
    made = ec2.run_instances(
        ImageId=IMAGE, MinCount=1, MaxCount=1, TagSpecifications=[{"ResourceType": "instance", "Tags": marks}]
    )["Instances"][0]
    return {"id": made["InstanceId"], "ip": made["PrivateIpAddress"]}


def test_a_disk_is_found_by_its_volume_whatever_the_kernel_calls_it(machine: Sandbox, aws: Aws) -> None:
    ec2 = aws.client("ec2")
    disks = [{"DeviceName": f"/dev/sd{letter}", "Ebs": {"VolumeSize": 8}} for letter in "gf"]
    (made,) = ec2.run_instances(ImageId=IMAGE, MinCount=1, MaxCount=1, BlockDeviceMappings=disks)["Instances"]
    launch(aws, {"a": "b"})  # another instance, whose disks are not ours
    aws.instances["127.0.0.1"].id = made["InstanceId"]
    (found,) = ec2.describe_instances(InstanceIds=[made["InstanceId"]])["Reservations"][0]["Instances"]
    volumes = {one["DeviceName"]: one["Ebs"]["VolumeId"] for one in found["BlockDeviceMappings"]}
    refused = machine.run(PLATFORM, "disk", "/dev/sdf")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == (
        f"hashistack: platform-aws: this machine does not see {volumes['/dev/sdf']}, "
        "which EC2 attached as /dev/sdf, yet\n"
    )
    machine.path("/sys/block/loop0").mkdir(parents=True)  # a disk without a serial number
    for number, device in enumerate(["/dev/sdg", "/dev/sdf"]):
        serial = volumes[device].replace("vol-", "vol")
        machine.write(f"/sys/block/nvme{number}n1/device/serial", f"{serial}   \n")
    assert run(machine, "disk", "/dev/sdf") == f"/dev/nvme1n1 {volumes['/dev/sdf']}\n"
    assert run(machine, "disk", "/dev/sdg") == f"/dev/nvme0n1 {volumes['/dev/sdg']}\n"
    assert "EC2 knows no disk /dev/sdz of this instance" in machine.run(PLATFORM, "disk", "/dev/sdz").stderr


def test_identity_is_the_instances(machine: Sandbox) -> None:
    expected = {"id": ID, "name": "web-0123456789abcdef0", "ip": "10.9.8.7", "zone": "eu-central-1b"}
    assert json.loads(run(machine, "identity")) == expected


def test_tokens_and_keys_are_asked_for_once_and_only_root_reads_them(machine: Sandbox, aws: Aws) -> None:
    write(aws, "server", "x")
    for _ in range(3):
        run(machine, "secret", "server")
    asked = [path for _, _, path, _ in aws.metadata.requests]
    role = "/latest/meta-data/iam/security-credentials/"
    assert asked == ["/latest/api/token", role, f"{role}web"]
    assert set(machine.tree(KEPT)) == {"imds-token", "credentials"}
    assert machine.path(KEPT).stat().st_mode & 0o077 == 0
    for name in machine.tree(KEPT):
        assert machine.path(f"{KEPT}/{name}").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(("lifetime", "times"), [(3600, 1), (230, 2)])
def test_credentials_that_expire_soon_are_asked_for_again(
    machine: Sandbox, aws: Aws, lifetime: float, times: int
) -> None:
    write(aws, "server", "x")
    aws.instances["127.0.0.1"].lifetime = lifetime
    for _ in range(2):
        run(machine, "secret", "server")
    assert len([path for _, _, path, _ in aws.metadata.requests if path.endswith("/web")]) == times


def test_a_token_that_the_metadata_service_forgot_is_replaced(machine: Sandbox, aws: Aws) -> None:
    run(machine, "identity")
    aws.metadata.forget_tokens()
    assert json.loads(run(machine, "identity"))["id"] == ID
    assert [status for *_, status in aws.metadata.requests] == [200, 200, 401, 200, 200]


DOCUMENT = '{"a": "it\'s\\n\\"$x\\" \\\\ %s é", "b": "`id` $(id)"}'


@pytest.mark.parametrize("text", [DOCUMENT, DOCUMENT + "\n\n", "\\", '"', "one\ntwo", "x" * 60000], ids=range(6))
def test_what_was_stored_is_read_byte_for_byte(machine: Sandbox, aws: Aws, text: str) -> None:
    run(machine, "store", "vault-init", stdin=text)
    assert aws.client("secretsmanager").get_secret_value(SecretId="shop-vault-init")["SecretString"] == text
    assert run(machine, "secret", "vault-init") == text
    assert aws.operations == ["PutSecretValue", "GetSecretValue"]
    assert set(machine.tree(KEPT)) == {"imds-token", "credentials"}, "nothing of the document stays"


def test_storing_again_replaces(machine: Sandbox) -> None:
    for text in ("one", "two"):
        run(machine, "store", "vault-init", stdin=text)
    assert run(machine, "secret", "vault-init") == "two"


def test_a_document_that_is_not_there_yet_is_a_failure_at_once(machine: Sandbox, aws: Aws) -> None:
    done = machine.run(PLATFORM, "secret", "vault-init")
    assert (done.returncode, done.stdout) == (3, "")
    assert LINE.fullmatch(done.stderr), done.stderr
    assert "ResourceNotFoundException" in done.stderr
    assert aws.operations == ["GetSecretValue"], "asking again would not help"


def test_a_secret_that_is_another_roles_is_not_even_asked_for(machine: Sandbox, aws: Aws) -> None:
    done = machine.run(PLATFORM, "secret", "client")
    assert (done.returncode, done.stderr) == (1, "hashistack: platform-aws: this machine knows no secret for client\n")
    assert aws.calls == []


@pytest.mark.parametrize("name", ["vault-init", "vault-claim"])
def test_a_name_is_claimed_once(machine: Sandbox, aws: Aws, name: str) -> None:
    run(machine, "claim", name, stdin="first\n")
    again = machine.run(PLATFORM, "claim", name, stdin="second\n")
    assert (again.returncode, again.stderr) == (1, ""), "it is no fault that another was first"
    if name == "vault-init":
        assert run(machine, "secret", name) == "first\n"
    else:
        claim = aws.client("s3").get_object(Bucket=BUCKET, Key="claims/vault-claim")["Body"].read()
        assert claim == b"first"


def test_a_generation_of_a_name_is_claimed_once_and_is_what_is_read(machine: Sandbox) -> None:
    """Where all servers were lost, their successors claim it once more."""
    claims.count_once_a_generation(machine, PLATFORM)


def test_what_introduces_a_pool_is_for_its_own_machines(machine: Sandbox, aws: Aws) -> None:
    introductions.reach_their_pool(machine, PLATFORM)
    listed = aws.client("s3").list_objects_v2(Bucket=BUCKET)["Contents"]
    assert [each["Key"] for each in listed] == ["introductions/batch.jwt", "introductions/web.jwt"]


def test_the_pools_are_what_up_says(machine: Sandbox, aws: Aws) -> None:
    aws.client("s3").put_object(Bucket=BUCKET, Key="client-pools", Body=b"web default\nbatch heavy\n")
    assert run(machine, "client-pools").splitlines()[:2] == ["web default", "batch heavy"]


RACE = """
for racer in 1 2 3 4 5 6 7 8; do
  { until [ -e /tmp/go ]; do :; done; echo "$racer" | PLATFORM claim NAME && echo "$racer"; } &
done
: >/tmp/go
wait
""".replace("PLATFORM", PLATFORM)


@pytest.mark.parametrize("name", ["vault-init", "vault-claim"])
def test_of_many_who_claim_a_name_one_gets_it(machine: Sandbox, name: str) -> None:
    done = machine.run("sh", "-c", RACE.replace("NAME", name))
    assert len(done.stdout.split()) == 1, done


@pytest.mark.parametrize(("name", "operation"), [("vault-init", "PutSecretValue"), ("vault-claim", "PutObject")])
def test_a_claim_whose_answer_was_lost_is_still_ones_own(machine: Sandbox, aws: Aws, name: str, operation: str) -> None:
    aws.faults.append(Fault(operation, 500, performed=True))
    done = machine.run(PLATFORM, "claim", name, stdin="mine")
    assert done.returncode == 0, done.stderr
    assert aws.operations.count(operation) == 2
    assert machine.run(PLATFORM, "claim", name, stdin="anothers").returncode == 1


def test_peers_are_the_servers_of_this_cluster_that_run(machine: Sandbox, aws: Aws) -> None:
    servers = [launch(aws, {"hashistack:servers": SITE}) for _ in range(3)]
    launch(aws, {"hashistack:servers": "other-beef"})
    launch(aws, {"hashistack:cluster": SITE})
    aws.client("ec2").terminate_instances(InstanceIds=[servers[2]["id"]])
    assert sorted(run(machine, "peers").split()) == sorted(server["ip"] for server in servers[:2])
    run(machine, "peers")
    assert aws.operations == ["DescribeInstances"], "what was just said is not asked again"


def test_no_peers_is_no_failure(machine: Sandbox) -> None:
    assert run(machine, "peers") == ""


def test_the_last_known_peers_stand_in_when_aws_does_not_answer(machine: Sandbox, aws: Aws) -> None:
    server = launch(aws, {"hashistack:servers": SITE})
    run(machine, "peers")
    machine.write(f"{KEPT}/peers", f"1\n{server['ip']}\n")  # long ago
    aws.faults.append(Fault("DescribeInstances", 503, "<Code>RequestLimitExceeded</Code>"))
    done = machine.run(PLATFORM, "peers")
    assert (done.returncode, done.stdout) == (0, f"{server['ip']}\n")
    assert LINE.fullmatch(done.stderr)
    assert "503" in done.stderr


def test_where_no_peers_are_known_no_answer_is_a_failure(machine: Sandbox, aws: Aws) -> None:
    aws.faults.append(Fault("DescribeInstances", 503, "<Code>RequestLimitExceeded</Code>"))
    done = machine.run(PLATFORM, "peers")
    assert (done.returncode, done.stdout) == (1, "")
    assert LINE.fullmatch(done.stderr)


@pytest.mark.parametrize("size", [0, 3_000_000])
def test_fetch_gets_an_object_byte_for_byte(machine: Sandbox, aws: Aws, size: int) -> None:
    data = bytes(range(256)) * (size // 256)
    aws.client("s3").put_object(Bucket=BUCKET, Key="tools/nomad/1.2.3/abc/nomad", Body=data)
    run(machine, "fetch", f"s3://{BUCKET}/tools/nomad/1.2.3/abc/nomad", "/tmp/nomad")
    assert machine.path("/tmp/nomad").read_bytes() == data


def test_an_object_that_is_not_there_is_one_line_and_no_file(machine: Sandbox) -> None:
    done = machine.run(PLATFORM, "fetch", f"s3://{BUCKET}/tools/none", "/tmp/none")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "hashistack: s3: 404 NoSuchKey\n"
    assert not machine.path("/tmp/none").exists()


def test_an_object_that_breaks_off_is_a_failure(machine: Sandbox, aws: Aws) -> None:
    aws.faults.append(Fault("GetObject", 0, "half of it"))
    done = machine.run(PLATFORM, "fetch", f"s3://{BUCKET}/tools/x", "/tmp/x")
    assert done.returncode == 1
    assert LINE.fullmatch(done.stderr), done.stderr
    assert "curl: (18)" in done.stderr
    assert not machine.path("/tmp/x").exists()


def test_fetch_knows_no_other_scheme(machine: Sandbox, aws: Aws) -> None:
    done = machine.run(PLATFORM, "fetch", "https://example.com/x", "/tmp/x")
    assert done.returncode == 1
    assert "only s3://BUCKET/KEY is known here" in done.stderr
    assert aws.calls == []


HOOKS = {"arrived": "hashistack-launch", "let_go": "hashistack-terminate"}


@pytest.mark.parametrize("tagged", [True, False], ids=["tags shown", "tags hidden"])
@pytest.mark.parametrize("verb", HOOKS)
def test_the_group_that_waits_is_told_to_go_on(machine: Sandbox, aws: Aws, verb: str, tagged: bool) -> None:
    instance = _member(aws)
    aws.instances["127.0.0.1"].id = instance
    if not tagged:
        aws.instances["127.0.0.1"].tags.clear()
    aws.waiting |= {(ASG, hook, instance) for hook in HOOKS.values()}
    run(machine, verb)
    assert aws.waiting == {(ASG, hook, instance) for hook in HOOKS.values() if hook != HOOKS[verb]}
    assert aws.operations == [*([] if tagged else ["DescribeAutoScalingInstances"]), "CompleteLifecycleAction"]


def _member(aws: Aws) -> str:
    """An instance that moto has in the group."""
    autoscaling = aws.client("autoscaling")
    autoscaling.create_launch_configuration(LaunchConfigurationName="l", ImageId=IMAGE, InstanceType="t3.small")
    autoscaling.create_auto_scaling_group(
        AutoScalingGroupName=ASG,
        LaunchConfigurationName="l",
        MinSize=1,
        MaxSize=1,
        AvailabilityZones=["eu-central-1b"],
    )
    group = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[ASG])["AutoScalingGroups"][0]
    return str(group["Instances"][0]["InstanceId"])


def test_a_group_that_has_the_machine_in_service_is_fine(machine: Sandbox, aws: Aws) -> None:
    run(machine, "arrived")
    assert aws.operations == ["CompleteLifecycleAction"]


@pytest.mark.parametrize(("verb", "state"), [("let_go", "Terminated"), ("await_service", "Warmed:Terminated")])
def test_a_machine_tells_its_group_until_the_group_waits(
    machine: Sandbox, aws: Aws, start: Start, verb: str, state: str
) -> None:
    """A group drains its load balancers before it comes to its hook."""
    machine.stand_in("sleep", "exec /usr/bin/sleep 0.1")
    instance = aws.instances["127.0.0.1"]
    instance.lifecycle_state = state
    process = start(PLATFORM, verb)
    wait_for(lambda: "CompleteLifecycleAction" in aws.operations)
    aws.waiting.add((ASG, HOOKS["let_go"], instance.id))
    wait_for(lambda: not aws.waiting)
    told = list(aws.operations)
    instance.lifecycle_state = None
    assert process.wait(timeout=20) == 0
    assert aws.operations == told == ["CompleteLifecycleAction"] * len(told)


def test_a_machine_that_leaves_says_so_again_and_again(machine: Sandbox, aws: Aws, start: Start) -> None:
    """Also before its group waits, and where a word of it is lost."""
    machine.stand_in("sleep", 'echo "$1" >>/tmp/slept; exec /usr/bin/sleep 0.1')
    aws.faults.append(Fault("RecordLifecycleActionHeartbeat", 500))
    process = start(PLATFORM, "hold")
    beats = "RecordLifecycleActionHeartbeat"
    wait_for(lambda: aws.operations.count(beats) >= 3)
    aws.waiting.add((ASG, HOOKS["let_go"], aws.instances["127.0.0.1"].id))
    wait_for(lambda: aws.heartbeats >= 2)
    assert process.poll() is None
    assert set(aws.operations) == {beats}, "and ends no wait"
    assert set(machine.read("/tmp/slept").split()) == {"60"}


HEARTBEAT = "RecordLifecycleActionHeartbeat"
THROTTLED = "<ErrorResponse><Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>"
DENIED = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not authorized</Message></Error></ErrorResponse>"
MISHAPS: dict[str, tuple[str, int, str]] = {
    # The part that fails: the end of a path of the metadata service, or an operation.
    "no token": ("/api/token", 503, ""),
    "no id": ("/instance-id", 503, ""),
    "no credentials": ("/security-credentials/web", 500, ""),
    "throttled": (HEARTBEAT, 400, THROTTLED),
    "denied": (HEARTBEAT, 403, DENIED),
    "cut off": (HEARTBEAT, 0, ""),
}


@pytest.mark.parametrize("mishap", MISHAPS)
def test_a_machine_that_leaves_goes_on_saying_so_after_what_failed_once(
    machine: Sandbox, aws: Aws, start: Start, mishap: str
) -> None:
    """Nobody starts it again: its group would end the machine in the middle of its drain."""
    machine.stand_in("sleep", "exec /usr/bin/sleep 0.1")
    aws.waiting.add((ASG, HOOKS["let_go"], aws.instances["127.0.0.1"].id))
    failing, status, body = MISHAPS[mishap]
    left = [failing]
    if failing == HEARTBEAT:
        aws.faults.append(Fault(left.pop(), status, body))
    aws.metadata.outage = lambda _, path: status if left and path.endswith(left[0]) and left.pop() else None
    process = start(PLATFORM, "hold")
    wait_for(lambda: aws.heartbeats >= 2 or process.poll() is not None)
    assert process.poll() is None
    assert (left, aws.faults) == ([], []), "it did fail"
    assert len([line for line in machine.said() if LINE.fullmatch(f"{line}\n")]) == len(machine.said()) == 1


def test_a_machine_that_hangs_while_it_leaves_says_so_no_longer_than_its_hook_timeout(
    machine: Sandbox, aws: Aws, start: Start
) -> None:
    """However often it begins anew."""
    machine.stand_in("sleep", "exec /usr/bin/sleep 0.1")
    later = "$(/usr/bin/date -d @$(($(/usr/bin/date +%s) + 7200)))"
    machine.stand_in("date", f'[ ! -e /tmp/later ] || set -- -d "{later}" "$@"; exec /usr/bin/date "$@"')
    aws.waiting.add((ASG, HOOKS["let_go"], aws.instances["127.0.0.1"].id))
    first = start(PLATFORM, "hold")
    wait_for(lambda: aws.heartbeats >= 2)
    first.kill()
    first.wait()
    machine.write("/tmp/later", "")
    held = aws.heartbeats
    said = run(machine, "hold")
    assert said == "hashistack: its hook_timeout is over: this machine asks for no more time\n"
    assert aws.heartbeats == held


@pytest.mark.parametrize("verb", HOOKS)
def test_an_instance_in_no_group_asks_nobody_to_go_on(machine: Sandbox, aws: Aws, verb: str) -> None:
    aws.instances["127.0.0.1"].tags.clear()
    run(machine, verb)
    assert aws.operations == ["DescribeAutoScalingInstances"]


def test_in_a_warm_pool_a_machine_waits_to_be_wanted(machine: Sandbox, aws: Aws, start: Start) -> None:
    machine.stand_in("sleep", "exec /usr/bin/sleep 0.1")
    instance = aws.instances["127.0.0.1"]
    instance.lifecycle_state = "Warmed:Stopped"
    aws.waiting.add((ASG, HOOKS["arrived"], instance.id))
    process = start(PLATFORM, "await_service")
    wait_for(lambda: not aws.waiting)
    assert process.poll() is None, "its pool may stop it now"
    aws.waiting.add((ASG, HOOKS["let_go"], instance.id))
    instance.lifecycle_state = "Warmed:Terminated"
    wait_for(lambda: not aws.waiting)
    assert process.poll() is None
    instance.lifecycle_state = "InService"
    assert process.wait(timeout=20) == 0
    assert aws.operations == ["CompleteLifecycleAction"] * 2


def test_a_machine_in_a_warm_pool_is_not_wanted_because_the_metadata_do_not_answer(
    machine: Sandbox, aws: Aws, start: Start
) -> None:
    machine.stand_in("sleep", "exec /usr/bin/sleep 0.1")
    instance, asked = aws.instances["127.0.0.1"], aws.metadata.requests
    instance.lifecycle_state = "Warmed:Stopped"
    aws.metadata.outage = lambda _, path: 503 if len(asked) < 4 else None
    process = start(PLATFORM, "await_service")
    wait_for(lambda: "CompleteLifecycleAction" in aws.operations or process.poll() is not None)
    assert process.poll() is None
    instance.lifecycle_state = "InService"
    assert process.wait(timeout=20) == 0


@pytest.mark.parametrize("state", ["Pending", "InService", None])
def test_elsewhere_a_machine_is_wanted_at_once(machine: Sandbox, aws: Aws, state: str | None) -> None:
    aws.instances["127.0.0.1"].lifecycle_state = state
    run(machine, "await_service")
    assert aws.operations == []


def test_arriving_is_left_for_the_next_look_when_aws_does_not_answer(machine: Sandbox, aws: Aws) -> None:
    aws.faults.append(Fault("CompleteLifecycleAction", 500))
    started = time.monotonic()
    done = machine.run(PLATFORM, "arrived")
    assert (done.returncode, done.stdout) == (1, "")
    assert LINE.fullmatch(done.stderr)
    assert time.monotonic() - started < 5, "health must not be held up"


STATES = ["Pending", "Pending:Wait", "InService", "Standby", "Warmed:Stopped", "Terminated", None]


@pytest.mark.parametrize("state", STATES)
def test_only_a_group_that_terminates_it_takes_a_machine_away(machine: Sandbox, aws: Aws, state: str | None) -> None:
    aws.instances["127.0.0.1"].lifecycle_state = state
    done = machine.run(PLATFORM, "terminating")
    assert (done.returncode, done.stdout, done.stderr) == (0 if state == "Terminated" else 1, "", "")


@pytest.mark.parametrize("state", ["InService", "Terminated", None])
@pytest.mark.parametrize("action", ["terminate", "stop", "hibernate"])
def test_a_spot_notice_says_until_when(machine: Sandbox, aws: Aws, state: str | None, action: str) -> None:
    aws.instances["127.0.0.1"].lifecycle_state = state
    aws.instances["127.0.0.1"].spot = (action, 1767225600)
    assert run(machine, "terminating") == "1767225600\n"


def test_a_spot_notice_in_several_lines_is_read_too(
    machine: Sandbox, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As AWS's own stand-in for the metadata service has it."""
    notice = '{\n\t"action": "terminate",\n\t"time": "2026-01-01T00:00:00Z"\n}'
    monkeypatch.setattr(aws.metadata, "answer", lambda instance, path: notice if "spot" in path else None)
    assert run(machine, "terminating") == "1767225600\n"


def test_a_rebalance_recommendation_alone_takes_no_machine_away(machine: Sandbox, aws: Aws) -> None:
    aws.instances["127.0.0.1"].rebalance = time.time()
    assert machine.run(PLATFORM, "terminating").returncode == 1


@pytest.mark.parametrize("status", [500, 503, 401])
def test_a_metadata_service_that_fails_takes_no_machine_away(machine: Sandbox, aws: Aws, status: int) -> None:
    run(machine, "identity")
    aws.instances["127.0.0.1"].lifecycle_state = "Terminated"
    aws.metadata.outage = lambda instance, path: status
    assert machine.run(PLATFORM, "terminating").returncode == 1
    aws.metadata.outage = lambda instance, path: None
    run(machine, "terminating")


def test_waiting_for_the_end_returns_when_it_is_announced(machine: Sandbox, aws: Aws, start: Start) -> None:
    machine.stand_in("sleep", "exec /usr/bin/sleep 0.1")
    process = start(PLATFORM, "await_terminating")
    wait_for(lambda: any(path.endswith("instance-action") for _, _, path, _ in aws.metadata.requests))
    assert process.poll() is None
    aws.instances["127.0.0.1"].lifecycle_state = "Terminated"
    assert process.wait(timeout=20) == 0


BUSY = {
    "throttled": ("secretsmanager", 400, '{"__type":"ThrottlingException","Message":"Rate exceeded"}'),
    "500": ("secretsmanager", 500, "{}"),
    "503": ("secretsmanager", 503, ""),
    "cut": ("secretsmanager", 0, ""),
    "cut in the middle": ("secretsmanager", 0, '{"SecretString": "the-secret'),
    "expired": ("secretsmanager", 400, '{"__type":"ExpiredTokenException","Message":"The token is expired"}'),
}


@pytest.mark.parametrize("fault", BUSY)
def test_what_may_heal_is_tried_again_and_said_in_a_line(machine: Sandbox, aws: Aws, fault: str) -> None:
    machine.stand_in("sleep", "exec /usr/bin/sleep 0.1")
    _, status, body = BUSY[fault]
    write(aws, "server", "here")
    aws.faults += [Fault("GetSecretValue", status, body)]
    done = machine.run(PLATFORM, "secret", "server")
    assert (done.returncode, done.stdout) == (0, "here")
    assert re.fullmatch(r"hashistack: secretsmanager does not answer yet, again in 1 s: .*\n", done.stderr), done.stderr
    assert "the-secret" not in done.stderr
    assert aws.operations == ["GetSecretValue"] * 2
    asked = len([path for _, _, path, _ in aws.metadata.requests if path.endswith("/web")])
    assert asked == (2 if fault == "expired" else 1), "only expired credentials are asked for again"


def test_credentials_that_have_really_expired_are_renewed(machine: Sandbox, aws: Aws) -> None:
    write(aws, "server", "here")
    run(machine, "secret", "server")
    old = aws.metadata.credentials(aws.instances["127.0.0.1"])
    aws.keyring.add(replace(old, expires=1.0))
    aws.metadata.rotate(aws.instances["127.0.0.1"])
    done = machine.run(PLATFORM, "secret", "server")
    assert (done.returncode, done.stdout) == (0, "here")
    assert aws.refused == ["ExpiredTokenException: the session token has expired"]
    aws.refused.clear()


def test_a_metadata_service_that_is_down_at_boot_is_waited_for(machine: Sandbox, aws: Aws, start: Start) -> None:
    write(aws, "server", "here")
    aws.metadata.outage = lambda instance, path: 503
    process = start("sh", "-c", f"{PLATFORM} secret server >/tmp/said")
    words = (
        "hashistack: secretsmanager does not answer yet, again in 2 s: 000 no credentials from the metadata service: 5"
    )
    wait_for(lambda: any(line.startswith(words) for line in machine.said()))
    aws.metadata.outage = lambda instance, path: None
    assert process.wait(timeout=30) == 0
    assert machine.read("/tmp/said") == "here"


@pytest.mark.parametrize("verb", ["identity", "disk /dev/sdf"])
def test_a_metadata_service_that_answers_late_at_boot_is_asked_again(
    machine: Sandbox, aws: Aws, start: Start, verb: str
) -> None:
    aws.metadata.outage = lambda instance, path: 503
    process = start("sh", "-c", f"{PLATFORM} {verb} >/tmp/said")
    words = "hashistack: metadata service does not answer yet, again in 2 s: 503"
    wait_for(lambda: any(line.startswith(words) for line in machine.said()))
    aws.metadata.outage = lambda instance, path: None
    process.wait(timeout=30)
    if verb == "identity":
        assert json.loads(machine.read("/tmp/said"))["id"] == ID
    else:
        assert aws.operations == ["DescribeInstances"], "it knows which instance it is"


@pytest.mark.parametrize("verb", ["arrived", "let_go"])
def test_a_metadata_service_that_is_not_there_is_a_failure_in_a_line(machine: Sandbox, aws: Aws, verb: str) -> None:
    metadata = machine.read("/etc/hashistack/metadata")
    machine.write("/etc/hashistack/metadata", metadata.replace(aws.metadata_url, "http://127.0.0.1:1"))
    done = machine.run(PLATFORM, verb)
    assert done.returncode == 1
    assert done.stderr.startswith("hashistack: metadata service: 000 curl: (7) Failed to connect to 127.0.0.1")
    assert LINE.fullmatch(done.stderr), done.stderr


def test_what_aws_refuses_is_not_tried_again(machine: Sandbox, aws: Aws) -> None:
    body = '{"__type":"AccessDeniedException","Message":"User is not authorized"}'
    aws.faults += [Fault("GetSecretValue", 400, body)]
    done = machine.run(PLATFORM, "secret", "server")
    assert done.returncode == 1
    assert LINE.fullmatch(done.stderr)
    assert "AccessDeniedException" in done.stderr
    assert aws.operations == ["GetSecretValue"]


def test_no_secret_is_seen_among_the_arguments_of_a_process(machine: Sandbox, aws: Aws) -> None:
    machine.stand_in("curl", 'printf "%s\\n" "$*" >>/tmp/arguments; exec /usr/bin/curl "$@"')
    machine.stand_in("jq", 'printf "%s\\n" "$*" >>/tmp/arguments; exec /usr/bin/jq "$@"')
    run(machine, "store", "vault-init", stdin="the-secret")
    run(machine, "secret", "vault-init")
    run(machine, "claim", "vault-claim", stdin="who")
    run(machine, "introduce", "web", stdin="the-secret")
    run(machine, "introduction")
    machine.run(PLATFORM, "terminating")
    seen = machine.read("/tmp/arguments")
    assert seen.count("--connect-timeout") == 5
    keys = aws.metadata.credentials(aws.instances["127.0.0.1"])
    token = machine.read(f"{KEPT}/imds-token").split()[1]
    for secret in ("the-secret", keys.secret_key, keys.token, token):
        assert secret not in seen


def test_without_endpoints_of_ones_own_the_regions_names_are_asked(machine: Sandbox) -> None:
    metadata = machine.read("/etc/hashistack/metadata")
    machine.write(
        "/etc/hashistack/metadata",
        "".join(line for line in metadata.splitlines(keepends=True) if "AWS_ENDPOINT" not in line),
    )
    machine.stand_in(
        "curl",
        'for url; do :; done; case $url in *://127.*) exec /usr/bin/curl "$@" ;; esac\n'
        'cat >/dev/null; echo "$url" >>/tmp/urls; printf "{}\\n200"',
    )
    machine.run(PLATFORM, "secret", "server")
    machine.run(PLATFORM, "claim", "vault-claim", stdin="x")
    machine.run(PLATFORM, "peers")
    machine.run(PLATFORM, "arrived")
    assert machine.read("/tmp/urls").split() == [
        f"https://secretsmanager.{REGION}.amazonaws.com/",
        f"https://{BUCKET}.s3.{REGION}.amazonaws.com/claims/vault-claim",
        f"https://ec2.{REGION}.amazonaws.com/",
        f"https://autoscaling.{REGION}.amazonaws.com/",
    ]


ENDPOINTS = {"S3": "claim vault-claim", "EC2": "peers", "AUTO_SCALING": "arrived", "SECRETS_MANAGER": "secret server"}


@pytest.mark.parametrize("service", ENDPOINTS)
def test_a_services_own_endpoint_goes_before_the_common_one(machine: Sandbox, aws: Aws, service: str) -> None:
    metadata = machine.read("/etc/hashistack/metadata").replace("AWS_ENDPOINT_URL=", f"AWS_ENDPOINT_URL_{service}=")
    machine.write("/etc/hashistack/metadata", metadata + "AWS_ENDPOINT_URL=http://127.0.0.1:1/\n")
    machine.run(PLATFORM, *ENDPOINTS[service].split(), stdin="x")
    assert len(aws.calls) == 1


def test_an_unknown_verb_is_a_failure(machine: Sandbox) -> None:
    assert machine.run(PLATFORM, "dance").returncode == 2

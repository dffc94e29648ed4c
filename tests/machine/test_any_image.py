"""What makes a machine of any image: provision, install-init-service, supervise, shutdown."""

from __future__ import annotations

import signal
import subprocess

import pytest

from .cases import CASES
from .conftest import Start, wait_for
from .sandbox import Sandbox

BIN = "/opt/hashistack/current/bin"
PROGRAMS = ("runsvdir", "chpst", "svlogd", "unbound", "unbound-control", "dockerd", "git")
"""Those that this machine need not have."""
IMAGE_RESOLVERS = "search eu-central-1.compute.internal\nnameserver 10.0.0.2\n"


def imaged(machine: Sandbox, role: str) -> Sandbox:
    """A machine whose image has all that it needs."""
    pool = {"server": "server", "client": "web"}[role]
    machine.install_bundle(CASES["aws"].bundle(pool), role, pool)
    machine.write("/etc/resolv.conf", IMAGE_RESOLVERS)
    machine.write("/etc/ssl/certs/ca-certificates.crt", "x")
    machine.path("/var/log/hashistack").mkdir(parents=True)
    for program in PROGRAMS:
        machine.stand_in(program, "exit 0")
    for program in ("apk", "apt-get", "useradd", "modprobe"):
        machine.stand_in(program, f'echo "{program} $*" >>/tmp/ran; exit 1')
    return machine


@pytest.fixture
def server(machine: Sandbox) -> Sandbox:
    return imaged(machine, "server")


@pytest.fixture
def client(machine: Sandbox) -> Sandbox:
    return imaged(machine, "client")


def provision(machine: Sandbox) -> None:
    done = machine.run(f"{BIN}/provision")
    assert (done.returncode, done.stderr) == (0, ""), done


def test_an_image_that_has_everything_needs_no_package_manager(server: Sandbox) -> None:
    assert server.run(f"{BIN}/provision").stdout == ""
    assert server.tree("/tmp") == {}


@pytest.mark.parametrize("manager", ["apk", "apt-get"])
def test_a_pool_with_disks_needs_a_file_systems_programs(client: Sandbox, manager: str) -> None:
    client.bundle_path("volumes").write_text("/dev/sdf /srv/data\n")
    if manager == "apt-get":
        (client.directory / "local/sbin/apk").unlink()
    # An image without them: what provision looks for is not on its PATH.
    provision = client.bundle_path("bin/provision")
    provision.write_text(provision.read_text().replace("mkfs.ext4 resize2fs", "no-mkfs no-resize"))
    done = client.run(f"{BIN}/provision")
    assert done.returncode == 1 and "this image lacks no-mkfs no-resize" in done.stderr
    installs = [line for line in client.read("/tmp/ran").splitlines() if line.startswith(manager) and "runit" in line]
    wanted = "e2fsprogs e2fsprogs-extra" if manager == "apk" else "e2fsprogs"
    assert installs[0].endswith(wanted), installs


@pytest.mark.parametrize("manager", ["apk", "apt-get"])
def test_what_an_image_lacks_is_installed(server: Sandbox, manager: str) -> None:
    for program in ("svlogd", "unbound-control"):
        (server.directory / "local/sbin" / program).unlink()
    if manager == "apt-get":
        (server.directory / "local/sbin/apk").unlink()
    makes = "for made in svlogd unbound-control; do ln -s /usr/bin/true /usr/local/sbin/$made; done"
    server.stand_in(manager, f'echo "{manager} $*" >>/tmp/ran; case "$*" in *runit*) {makes} ;; esac')
    done = server.run(f"{BIN}/provision")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "hashistack: installing, as this image lacks: svlogd unbound-control\n"
    ran = server.read("/tmp/ran")
    assert ran.splitlines()[-1].endswith("runit unbound ca-certificates curl iproute2 iptables jq openssl procps")
    assert ran.startswith(f"{manager} ")


@pytest.mark.parametrize(("manager", "package"), [("apk", "busybox-extras"), ("apt-get", "busybox")])
def test_a_client_has_what_serves_the_smoke_job(client: Sandbox, manager: str, package: str) -> None:
    if manager == "apt-get":
        (client.directory / "local/sbin/apk").unlink()
    text = client.bundle_path("bin/provision").read_text()
    assert "busybox --list" in text
    client.bundle_path("bin/provision").write_text(text.replace("busybox --list", "printf 'ash\\ncat\\n'"))
    makes = "ln -s /usr/bin/true /usr/local/sbin/busybox-extras"
    client.stand_in(manager, f'echo "{manager} $*" >>/tmp/ran; case "$*" in *" busybox"*) {makes} ;; esac')
    done = client.run(f"{BIN}/provision")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("hashistack: installing, as this image lacks: httpd of busybox\n")
    assert any(line.startswith(manager) and package in line.split() for line in client.read("/tmp/ran").splitlines())


@pytest.mark.parametrize(
    ("manager", "packages"),
    [
        ("apk", {"docker", "openjdk21-jre-headless", "qemu-system-x86_64", "git"}),
        ("apt-get", {"docker.io", "default-jre-headless", "qemu-system-x86", "git"}),
    ],
)
def test_a_client_has_what_its_pools_drivers_need(client: Sandbox, manager: str, packages: set[str]) -> None:
    if manager == "apt-get":
        (client.directory / "local/sbin/apk").unlink()
    # Alone in their directory: this machine may have them.
    programs = {"dockerd", "java", "qemu-system-x86_64", "git"}
    provision = client.bundle_path("bin/provision")
    provision.write_text(provision.read_text().replace('command -v "$command"', '[ -e "/usr/local/sbin/$command" ]'))
    for program in ("curl", "ip", "iptables", "jq", "openssl"):
        client.stand_in(program, f'exec "$(PATH=/usr/sbin:/usr/bin:/sbin:/bin command -v {program})" "$@"')
    for program in ("dockerd", "git"):
        (client.directory / "local/sbin" / program).unlink()
    client.bundle_path("drivers").write_text("exec\ndocker\njava\nqemu\n")
    makes = f"for made in {' '.join(programs)}; do ln -s /usr/bin/true /usr/local/sbin/$made; done"
    client.stand_in(manager, f'echo "{manager} $*" >>/tmp/ran; case "$*" in *" runit "*) {makes} ;; esac')
    done = client.run(f"{BIN}/provision")
    assert (done.returncode, done.stderr) == (0, ""), done
    lacks = set(done.stdout.splitlines()[0].rpartition("lacks: ")[2].split())
    assert lacks == programs
    assert packages <= set(client.read("/tmp/ran").split())


def test_a_server_needs_nothing_of_the_drivers(server: Sandbox) -> None:
    assert not server.bundle_path("drivers").exists()


def test_an_image_that_lacks_something_for_good_says_what(server: Sandbox) -> None:
    (server.directory / "local/sbin/svlogd").unlink()
    server.path("/etc/ssl/certs/ca-certificates.crt").unlink()
    server.stand_in("apk", "echo fetching; echo 'ERROR: unable to reach the mirror' >&2; exit 1")
    done = server.run(f"{BIN}/provision")
    assert done.returncode == 1
    assert done.stderr == (
        "hashistack: this image lacks svlogd ca-certificates, and they can't be installed (ERROR: unable to reach the "
        "mirror): use an image that has them, or give this machine a way to its package mirror\n"
    )


def test_users_that_are_not_there_are_made(server: Sandbox) -> None:
    passwd = server.read("/etc/passwd")
    server.write("/etc/passwd", "".join(line for line in passwd.splitlines(True) if not line.startswith("vault:")))
    server.stand_in("useradd", 'echo "$*" >>/tmp/made')
    provision(server)
    made = server.read("/tmp/made").splitlines()
    assert len(made) == 1
    assert made[0].endswith("--shell /usr/sbin/nologin vault")


@pytest.mark.parametrize("link", [False, True], ids=["file", "link of systemd-resolved"])
def test_until_unbound_runs_names_are_asked_where_the_image_asks_them(server: Sandbox, link: bool) -> None:
    if link:
        server.path("/etc/resolv.conf").unlink()
        server.write("/run/systemd/resolve/stub-resolv.conf", IMAGE_RESOLVERS)
        server.path("/etc/resolv.conf").symlink_to("../run/systemd/resolve/stub-resolv.conf")
    for _ in range(2):  # and at the next boot
        provision(server)
        assert server.read("/etc/resolv.conf") == IMAGE_RESOLVERS
        assert not server.path("/etc/resolv.conf").is_symlink()
        server.write("/etc/resolv.conf", "nameserver 10.9.8.7\n")  # as `boot` does


def test_no_dhcp_client_writes_the_resolvers_again(server: Sandbox) -> None:
    """That they heed it: see test_dhcp. Here are those whose scripts Debian does not have."""
    server.path("/etc/NetworkManager").mkdir()
    server.stand_in("nmcli", 'echo "$*" >>/tmp/told; cat /etc/NetworkManager/conf.d/*.conf >>/tmp/told')
    provision = server.bundle_path("bin/provision")
    provision.write_text(provision.read_text().replace("/usr/share/udhcpc/", "/standin/"))  # /usr is this machine's
    server.write("/standin/default.script", "")
    server.write("/etc/dhcpcd.conf", "hostname\n")
    for _ in range(2):
        assert server.run(f"{BIN}/provision").returncode == 0
    assert server.read("/etc/udhcpc/udhcpc.conf") == "RESOLV_CONF=no\n"
    assert server.read("/etc/dhcpcd.enter-hook") == 'skip_hooks="$skip_hooks resolv.conf"\n'
    assert server.read("/tmp/told") == "general reload conf\n[main]\ndns=none\nrc-manager=unmanaged\n" * 2


def test_what_a_task_sends_to_the_metadata_service_is_dropped(client: Sandbox) -> None:
    """By the real iptables, in the machine's own network."""
    rules = client.run("sh", "-c", f"{BIN}/provision && {BIN}/provision && iptables -t mangle -S FORWARD")
    assert rules.returncode == 0, rules
    assert rules.stdout.splitlines().count("-A FORWARD -d 169.254.169.254/32 -j DROP") == 1


FORWARDING = "/proc/sys/net/ipv4/ip_forward"


@pytest.mark.parametrize(("role", "forwards"), [("client", "1\n"), ("server", "0\n")])
def test_clients_alone_forward_for_tasks(machine: Sandbox, role: str, forwards: str) -> None:
    imaged(machine, role)
    done = machine.run("sh", "-c", f"echo 0 >{FORWARDING}; {BIN}/provision >/dev/null && cat {FORWARDING}")
    assert done.stdout == forwards
    assert machine.tree("/tmp").get("ran") == ("modprobe -a bridge br_netfilter\n" if role == "client" else None)


def enabled(machine: Sandbox) -> subprocess.CompletedProcess[str]:
    for program in ("systemctl", "rc-update", "rc-service"):
        machine.stand_in(program, f'echo "{program} $*" >>/tmp/ran')
    return machine.run(f"{BIN}/install-init-service")


def test_systemd_supervises_now_and_at_each_boot(server: Sandbox) -> None:
    server.path("/run/systemd/system").mkdir(parents=True)
    server.path("/etc/systemd/system").mkdir(parents=True)
    assert enabled(server).returncode == 0
    unit = server.read("/etc/systemd/system/hashistack.service")
    assert f"ExecStart={BIN}/supervise\n" in unit
    assert "WantedBy=multi-user.target\n" in unit
    assert server.read("/tmp/ran").splitlines() == [
        "systemctl daemon-reload",
        "systemctl -q enable hashistack.service",
        "systemctl --no-block start hashistack.service",
    ]


def test_openrc_supervises_now_and_at_each_boot(server: Sandbox) -> None:
    server.path("/run/openrc").mkdir(parents=True)
    server.path("/etc/init.d").mkdir()
    assert enabled(server).returncode == 0
    script = server.path("/etc/init.d/hashistack")
    assert script.stat().st_mode & 0o777 == 0o755
    assert f"command={BIN}/supervise\n" in script.read_text()
    ran = server.read("/tmp/ran").splitlines()
    assert ran == ["rc-update -q add hashistack default", "rc-service hashistack start"]


def test_where_runit_is_process_1_it_boots(server: Sandbox) -> None:
    server.path("/etc/runit").mkdir()
    server.bundle_path("bin/boot").write_text('#!/bin/sh\necho try >>/tmp/tries; [ "$(wc -l </tmp/tries)" -gt 1 ]\n')
    server.stand_in("sleep", "exit 0")
    if server.shell == "busybox":  # which has a sleep of its own
        text = server.bundle_path("bin/install-init-service").read_text()
        server.bundle_path("bin/install-init-service").write_text(text.replace("sleep 5", "/usr/local/sbin/sleep 5"))
    done = enabled(server)
    assert (done.returncode, done.stdout) == (0, "hashistack: booting failed: again in 5 s\n")


def test_an_init_that_nobody_knows_is_refused(server: Sandbox) -> None:
    done = enabled(server)
    assert done.returncode == 1
    assert done.stderr == ("hashistack: this image's init is none of systemd, OpenRC and runit: use another image\n")


RUNSVDIR = 'trap "echo ended >>/tmp/ran; exit 0" TERM; echo runsvdir >>/tmp/ran; while :; do /usr/bin/sleep 0.05; done'


def supervised(machine: Sandbox, boot: str) -> Sandbox:
    machine.stand_in("runsvdir", RUNSVDIR)
    for program, text in {"boot": boot, "shutdown": "echo shutdown >>/tmp/ran"}.items():
        machine.bundle_path(f"bin/{program}").write_text(f"#!/bin/sh\n{text}\n")
    text = machine.bundle_path("bin/supervise").read_text()
    assert "follow sleep 5" in text
    machine.bundle_path("bin/supervise").write_text(text.replace("follow sleep 5", "follow sleep 0.1"))
    return machine


def tell(machine: Sandbox, signal_: signal.Signals) -> None:
    """Signals `supervise`, as init does, from outside of its namespace."""
    found = subprocess.run(["pgrep", "-f", f"sh {BIN}/supervise"], capture_output=True, text=True, check=True)
    own = [pid for pid in found.stdout.split() if str(machine.directory) in _root(pid)]
    assert own
    subprocess.run(["kill", "-s", signal_.name.removeprefix("SIG"), own[0]], check=True)


def _root(pid: str) -> str:
    return subprocess.run(["readlink", f"/proc/{pid}/root"], capture_output=True, text=True, check=False).stdout


def ran(machine: Sandbox) -> list[str]:
    return machine.tree("/tmp").get("ran", "").split()


def test_supervision_starts_when_the_boot_succeeds_and_ends_in_order(server: Sandbox, start: Start) -> None:
    supervised(server, 'echo boot >>/tmp/ran; [ "$(grep -c boot /tmp/ran)" -gt 2 ]')
    process = start(f"{BIN}/supervise")
    wait_for(lambda: ran(server) == ["boot", "boot", "boot", "runsvdir"])
    assert server.said() == ["hashistack: booting failed: again in 5 s"] * 2
    tell(server, signal.SIGTERM)
    assert process.wait(timeout=20) == 0
    assert ran(server) == ["boot", "boot", "boot", "runsvdir", "ended", "shutdown"]


def test_a_boot_that_does_not_come_to_an_end_does_not_hold_up_a_shutdown(server: Sandbox, start: Start) -> None:
    supervised(server, "echo boot >>/tmp/ran; exec sleep 600")
    process = start(f"{BIN}/supervise")
    wait_for(lambda: ran(server) == ["boot"])
    tell(server, signal.SIGTERM)
    assert process.wait(timeout=20) == 0
    assert ran(server) == ["boot", "shutdown"]


def test_supervision_that_ends_by_itself_is_a_failure_for_init(server: Sandbox, start: Start) -> None:
    supervised(server, "exit 0")
    server.stand_in("runsvdir", "exit 1")
    assert start(f"{BIN}/supervise").wait(timeout=20) == 1
    assert ran(server) == ["shutdown"]


SV = """
echo "$1 ${2##*/}" >>/tmp/ran
case $1 in
status) [ ! -e "/tmp/down.${2##*/}" ] && echo "run: $2" || echo "down: $2" ;;
exit) : >"/tmp/down.${2##*/}" ;;
esac
"""


def test_services_stop_before_what_they_lean_on(server: Sandbox) -> None:
    for service in ("consul", "docker", "health", "nomad", "unbound", "vault"):
        server.path(f"/etc/service/{service}").mkdir(parents=True)
    server.stand_in("sv", SV)
    done = server.run(f"{BIN}/shutdown")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    ended = [line.split()[1] for line in server.read("/tmp/ran").splitlines() if line.startswith("exit")]
    assert ended == ["health", "nomad", "docker", "vault", "consul", "unbound"]


def test_a_machine_without_services_stops_at_once(server: Sandbox) -> None:
    done = server.run(f"{BIN}/shutdown")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

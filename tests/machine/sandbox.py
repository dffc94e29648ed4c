"""A machine's root without a machine: the node programs run in it as they do there, under the shell of the test.

A directory of the test becomes the root of a process in namespaces of its own (mounts, processes, network, host
name). /usr is this machine's, read-only; /bin/sh is dash or busybox; /etc, /opt, /run and /var are the test's. What a
test does not want for real (curl, sv, a platform) is a stand-in: a program of the test. All ends with the process.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from hashistack.machine.bundle import Bundle

SHELLS = ("dash", "busybox")
USERS = {"consul": 501, "nomad": 502, "vault": 503, "unbound": 504}
ADDRESS = "10.9.8.7"
METADATA = {"SERVERS": 3, "DRAIN_DEADLINE": 3600, "KILL_TIMEOUT": 30}
NEEDED = ("unshare", "setpriv", "chroot", "mount", "ip", "jq", "curl", *SHELLS)

_CURRENT = "/opt/hashistack/current"

_ENTER = """
root=$1 standins=$2 name=$3 network=$4
shift 4
while [ "$1" != -- ]; do mkdir -p "$root$2"; mount -o bind,ro "$1" "$root$2"; shift 2; done
shift
mount --bind /usr "$root/usr"
mount -o remount,bind,ro "$root/usr"
mount --bind "$standins" "$root/usr/local"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
hostname "$name"
if [ "$network" = own ]; then
  ip link set lo up
  ip link add eth0 type veth peer name peer0
  ip addr add ADDRESS/24 dev eth0
  ip link set eth0 up
fi
cd /
# Not as process 1, to which signals are something else.
env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin chroot "$root" "$@" || exit
""".replace("ADDRESS", ADDRESS)

PLATFORM = """#!/bin/sh
set -eu
echo "$*" >>/standin/verbs
case $1 in
identity) cat /standin/identity ;;
peers) cat /standin/peers ;;
secret)
  [ ! -e /standin/store-is-away ] || exit 1
  [ -e "/standin/secrets/$2" ] || exit 3
  cat "/standin/secrets/$2"
  ;;
fetch)
  echo "$2" >>/standin/fetched
  if [ -s /standin/failures ]; then sed -i 1d /standin/failures; exit 1; fi
  cp "/standin/store/${2##*/}" "$3"
  ;;
client-pools) cat /standin/pools ;;
introduce) cat >"/standin/introduced.$2" ;;
introduction) cat /standin/introduction ;;
disk) grep "^$2 " /standin/disks | cut -d " " -f 2- | grep . ;;
prepare | await_service | arrived | let_go) ;;
hold) exec sleep 1000 ;;
terminating) [ -e /standin/terminating ] && cat /standin/terminating ;;
await_terminating) until [ -e /standin/terminating ]; do sleep 0.1; done ;;
*) exit 2 ;;
esac
"""
"""A platform whose answers are files; what was asked is in `verbs`. `fetch` fails once for each line of `failures`."""

CURL = """
case "$*" in *--rate*)
  # One that stays: it asks for each block of its configuration, and an answer may have the index of a blocking query.
  file= limit=
  while read -r key _ value; do
    value=${value#?}
    value=${value%?}
    case $key in
    url) url=$value ;;
    max-time) limit=$value ;;
    upload-file) file=$value ;;
    write-out)
      echo "--max-time $limit $url" >>/standin/asked
      answer=/standin/answers/$(printf %s "${url#*://}" | sed 's/[^A-Za-z0-9.]/_/g')
      if [ -n "$file" ]; then
        cp "$file" /standin/copy
        [ -e "/standin/first.${answer##*/}" ] || cp "$file" "/standin/first.${answer##*/}"
        mv /standin/copy "/standin/sent.${answer##*/}"
      fi
      code=000
      if [ -e "$answer" ]; then read -r code <"$answer"; sed 1d "$answer"; fi
      printf '\\n=poll %s %s\\n' "$code" "$(cat /standin/index 2>/dev/null)"
      file=
      /usr/bin/sleep 0.05
      ;;
    esac
  done
  exit
  ;;
esac
for url; do :; done
echo "$*" >>/standin/asked
answer=/standin/answers/$(printf %s "${url#*://}" | sed 's/[^A-Za-z0-9.]/_/g')
code=000
case "$*" in *--data-binary*)
  cat >/standin/body
  first=/standin/first.${answer##*/}
  [ -e "$first" ] || { cp /standin/body /standin/copy; mv /standin/copy "$first"; }
  mv /standin/body "/standin/sent.${answer##*/}"
  ;;
esac
if [ -e "$answer" ]; then read -r code <"$answer"; sed 1d "$answer"; else echo "curl: (7) Failed to connect" >&2; fi
case "$*" in *http_code*) printf '\\n%s' "$code" ;; esac
[ "$code" != 000 ]
"""
"""A curl whose answers are files (see `Sandbox.answer`); whom it asked is in `asked`, the rest see `Sandbox.sent`."""


def missing() -> list[str]:
    """What this machine lacks to run the node programs."""
    lacks = [program for program in NEEDED if not shutil.which(program)]
    return lacks if os.geteuid() == 0 else [*lacks, "root, for namespaces and other users' files"]


def file_of(url: str) -> str:
    """Under which name the stand-in for curl keeps what belongs to an address."""
    return re.sub("[^A-Za-z0-9.]", "_", url)


@dataclass
class Sandbox:
    """One machine's root. `mounts`: file or directory of this machine to its place in the root, read-only."""

    directory: Path
    shell: str
    name: str = "web-1"
    mounts: dict[Path, str] = field(default_factory=dict)
    network: str = "own"
    """``own``: one with nobody else in it. ``host``: ours, for servers that the test runs."""

    def __post_init__(self) -> None:
        for path in ("bin", "usr", "dev", "proc", "tmp", "root", "standin/secrets", "standin/store", "etc/hashistack"):
            (self.root / path).mkdir(parents=True)
        for path in ("sbin", "bin"):
            (self.directory / "local" / path).mkdir(parents=True)
        for link in ("sbin", "lib", "lib64"):
            if Path("/", link).is_symlink():
                (self.root / link).symlink_to(f"usr/{link}")
        shell = shutil.which(self.shell)
        assert shell
        (self.root / "bin/sh").symlink_to(Path(shell).resolve())
        users = {"root": 0, **USERS}
        self.write("/etc/passwd", "".join(f"{user}:x:{id}:{id}::/:/bin/sh\n" for user, id in users.items()))
        self.write("/etc/group", "".join(f"{user}:x:{id}:\n" for user, id in users.items()))
        self.write("/etc/nsswitch.conf", "hosts: files dns\n")
        self.write("/etc/hosts", "127.0.0.1 localhost\n")
        self.write("/etc/host.conf", "multi on\n")
        self.write("/etc/resolv.conf", f"nameserver {ADDRESS}\n")
        if (alternatives := Path("/etc/alternatives")).is_dir():  # Debian's awk is a link into it
            self.mounts[alternatives] = str(alternatives)

    @property
    def root(self) -> Path:
        return self.directory / "root"

    def path(self, path: str) -> Path:
        """A path of the machine as one of ours."""
        if path.startswith(f"{_CURRENT}/"):
            path = str(self.path(_CURRENT).readlink()) + path.removeprefix(_CURRENT)
        return self.root / path.removeprefix("/")

    def write(self, path: str, text: str | bytes, mode: int = 0o644) -> None:
        """A file of the machine, replaced in one step: a program of the machine may be reading it."""
        file = self.path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_name(f".{file.name}.fresh")
        fresh.write_bytes(text.encode() if isinstance(text, str) else text)
        fresh.chmod(mode)
        fresh.rename(file)

    def read(self, path: str) -> str:
        return self.path(path).read_text()

    def stand_in(self, program: str, text: str) -> None:
        """A program that goes before any of the same name."""
        file = self.directory / "local/sbin" / program
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)

    def answer(self, url: str, body: str, code: int = 200) -> None:
        """What the stand-in for curl gets from this address (without ``https://``)."""
        self.write(f"/standin/answers/{file_of(url)}", f"{code}\n{body}")

    def sent(self, url: str, which: Literal["first", "sent"] = "sent") -> str | None:
        """The first body that the stand-in for curl sent to this address, or the last (`sent`); None before any."""
        file = self.path(f"/standin/{which}.{file_of(url)}")
        return file.read_text() if file.exists() else None

    def tree(self, path: str) -> dict[str, str]:
        """All files under a directory of the machine, path to contents; empty where there is none."""
        start, found = self.path(path), {}
        for file in sorted(start.rglob("*")):
            with suppress(FileNotFoundError):  # a program that runs has moved it since
                if file.is_file():
                    found[str(file.relative_to(start))] = file.read_bytes().decode(errors="replace")
        return found

    def install_bundle(self, bundle: Bundle, role: str, pool: str, platform: str | None = PLATFORM) -> None:
        """Makes this bundle the one in force, with a stand-in for its platform program."""
        home = f"/opt/hashistack/bundles/{bundle.sha256}"
        for path, data in bundle.files.items():
            self.write(f"{home}/{path}", data, 0o755 if path.startswith(("bin/", "sv/")) else 0o644)
        if platform:
            self.write(f"{home}/bin/platform", platform, 0o755)
        current = self.path(_CURRENT)
        current.unlink(missing_ok=True)
        current.symlink_to(home)
        self.metadata(role, pool, bundle.sha256)
        self.path("/run/hashistack").mkdir(parents=True, exist_ok=True)

    def metadata(self, role: str, pool: str, sha256: str) -> None:
        told = {"CLUSTER": "x", "ROLE": role, "POOL": pool, "BUNDLE": sha256, **METADATA}
        self.write("/etc/hashistack/metadata", "".join(f"HS_{key}={value}\n" for key, value in told.items()))

    def bundle_path(self, path: str) -> Path:
        """A file of the bundle in force."""
        return self.path(f"{_CURRENT}/{path}")

    def facts(self, secrets: Mapping[str, Any], **more: str | int) -> None:
        """What `boot` puts into place before it renders."""
        known = {"id": "i-1", "name": self.name, "ip": ADDRESS, "zone": "z1", "bundle": "b" * 64}
        facts = {**known, "servers": 3, "quorum": 2, "expect": 3, **more}
        self.write("/run/hashistack/facts.json", json.dumps(facts))
        self.write("/run/hashistack/secrets.json", json.dumps(secrets), 0o600)
        self.write("/run/hashistack/api/ca.pem", str(secrets["ca"]), 0o600)

    def _command(self, command: tuple[str, ...]) -> list[str]:
        mounts = [part for source, target in self.mounts.items() for part in (str(source), target)]
        # A test run that is killed takes its machines with it.
        own = ["setpriv", "--pdeathsig=KILL", "unshare", "--mount", "--pid", "--uts", "--ipc", "--fork"]
        if self.network == "own":
            own.append("--net")
        enter = ["--kill-child", "/bin/sh", "-euc", _ENTER, "enter", str(self.root), str(self.directory / "local")]
        return [*own, *enter, self.name, self.network, *mounts, "--", *command]

    def run(self, *command: str, stdin: str = "", timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """A program of the machine, to its end."""
        return subprocess.run(
            self._command(command), input=stdin, capture_output=True, text=True, timeout=timeout, check=False
        )

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """A program of the machine that does not end by itself; `kill` ends all that it started. See `said`."""
        with (self.directory / "said").open("ab") as output:
            return subprocess.Popen(
                self._command(command), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )

    def said(self) -> list[str]:
        """What the programs that were started have said so far, line by line."""
        file = self.directory / "said"
        return file.read_text().splitlines() if file.exists() else []

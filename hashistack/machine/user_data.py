"""User data: the first script of a machine. Metadata only: names and digests, never a secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from shlex import quote

from hashistack.spec.durations import seconds
from hashistack.spec.policy import UpgradePolicy

LIMIT_BYTES = 4096
"""Ours; the clouds' own limit is 16 KiB (EC2). Short enough to be read in one look."""


@dataclass(frozen=True)
class Start:
    """What a platform does in its own way: the first fetch comes before the bundle, so before its platform program."""

    fetch: str
    """Puts what is at the address ``$1`` into the file ``$2``; fails when it can't yet."""

    hand_over: str
    """The program of the bundle that goes on."""

    before: str = ""


def user_data(
    *,
    start: Start,
    cluster: str,
    role: str,
    pool: str,
    bundle_url: str,
    bundle_sha256: str,
    servers: int,
    upgrade: UpgradePolicy,
    environment: Mapping[str, str] | None = None,
) -> str:
    """The script: fetch the bundle, check its digest, unpack it under that digest, hand over to its ``boot``.

    The digest is the tar's inside the gzip: a compressor's next release changes no machine. A bundle whose digest is
    wrong is not unpacked: the machine says so in one line, and the last good bundle stays.

    ``servers``, how many there are to be, and the deadlines of ``upgrade`` are not in the bundle, because a change of
    them replaces no machine: those that run keep what they were told.

    ``start``: the platform's own part.

    ``environment``: more metadata, which the platform's program reads (on AWS ``HS_REGION``, ``HS_BUCKET``,
    ``HS_SECRET_*``, and the SDKs' ``AWS_ENDPOINT_URL*``, ``GCE_METADATA_HOST``). Names of secrets, never their values.

    Raises:
        ValueError: the script is longer than `LIMIT_BYTES`, or a name of ``environment`` is none that sh takes.
    """
    environment = environment or {}
    for name in environment:
        if not re.fullmatch(r"(HS|AWS|GCE)_[A-Z0-9_]+", name):
            raise ValueError(f"environment {name!r}: a name of metadata is HS_*, AWS_* or GCE_*, of [A-Z0-9_]")
    metadata = {
        "HS_CLUSTER": cluster,
        "HS_ROLE": role,
        "HS_POOL": pool,
        "HS_BUNDLE": bundle_sha256,
        "HS_SERVERS": f"{servers}",
        "HS_DRAIN_DEADLINE": f"{seconds(upgrade.drain_deadline):.0f}",
        "HS_KILL_TIMEOUT": f"{seconds(upgrade.max_kill_timeout):.0f}",
        **environment,
    }
    script = f"""\
#!/bin/sh
# hashistack: fetch this machine's bundle, check it, boot from it.
set -eu
umask 022{start.before.rstrip()}
url={quote(bundle_url)}
sha256={quote(bundle_sha256)}
home=/opt/hashistack
fetch() {{
  {start.fetch.strip()}
}}
mkdir -p /etc/hashistack
cat >/etc/hashistack/metadata.new <<'METADATA'
{chr(10).join(f"{key}={quote(value)}" for key, value in metadata.items())}
METADATA
# shellcheck source=/dev/null
. /etc/hashistack/metadata.new

if [ ! -d "$home/bundles/$sha256" ]; then
  new=$home/bundles/.new
  rm -rf "$new"
  mkdir -p "$new"
  delay=1
  until fetch "$url" "$new.tar.gz"; do
    echo "hashistack: can't fetch $url yet, again in ${{delay}}s" >&2
    sleep "$delay"
    [ "$delay" -ge 16 ] || delay=$((delay * 2))
  done
  gzip -dc "$new.tar.gz" >"$new.tar" 2>/dev/null || : # what is broken has another digest
  got=$(sha256sum "$new.tar" | cut -d' ' -f1)
  if [ "$got" != "$sha256" ]; then
    echo "hashistack: bundle $url: digest $got, expected $sha256: refused, this machine stays as it was" >&2
    exit 1
  fi
  tar -xf "$new.tar" -C "$new"
  rm "$new.tar" "$new.tar.gz"
  mv "$new" "$home/bundles/$sha256"
fi
mv /etc/hashistack/metadata.new /etc/hashistack/metadata
ln -sfn "$home/bundles/$sha256" "$home/current"
exec "$home/current/bin/{start.hand_over}"
"""
    if len(script.encode()) > LIMIT_BYTES:
        raise ValueError(
            f"user data is {len(script.encode())} bytes, the limit is {LIMIT_BYTES}: shorten the bundle's URL"
        )
    return script

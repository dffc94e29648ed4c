"""User data: the first script of a machine. Metadata only: names and digests, never a secret."""

from __future__ import annotations

from shlex import quote

from hashistack.spec.durations import seconds
from hashistack.spec.policy import UpgradePolicy

LIMIT_BYTES = 4096
"""Ours; the clouds' own limit is 16 KiB (EC2). Short enough to be read in one look."""

_FETCH = {
    # The first fetch comes before the bundle, so before its platform program: one line a platform.
    "local": 'cp "${1#file://}" "$2"',
}


def user_data(
    *,
    platform: str,
    cluster: str,
    role: str,
    pool: str,
    bundle_url: str,
    bundle_sha256: str,
    servers: int,
    upgrade: UpgradePolicy,
) -> str:
    """The script: fetch the bundle, check its digest, unpack it under that digest, hand over to its ``boot``.

    The digest is the tar's inside the gzip: a compressor's next release changes no machine. A bundle whose digest is
    wrong is not unpacked: the machine says so in one line, and the last good bundle stays.

    ``servers``, how many there are to be, and the deadlines of ``upgrade`` are not in the bundle, because a change of
    them replaces no machine: those that run keep what they were told.
    """
    metadata = {
        "HS_CLUSTER": cluster,
        "HS_ROLE": role,
        "HS_POOL": pool,
        "HS_BUNDLE": bundle_sha256,
        "HS_SERVERS": f"{servers}",
        "HS_DRAIN_DEADLINE": f"{seconds(upgrade.drain_deadline):.0f}",
        "HS_KILL_TIMEOUT": f"{seconds(upgrade.max_kill_timeout):.0f}",
    }
    script = f"""\
#!/bin/sh
# hashistack: fetch this machine's bundle, check it, boot from it.
set -eu
umask 022
url={quote(bundle_url)}
sha256={quote(bundle_sha256)}
home=/opt/hashistack
fetch() {{ {_FETCH[platform]}; }}

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
mkdir -p /etc/hashistack
cat >/etc/hashistack/metadata <<'METADATA'
{chr(10).join(f"{key}={quote(value)}" for key, value in metadata.items())}
METADATA
ln -sfn "$home/bundles/$sha256" "$home/current"
exec "$home/current/bin/boot"
"""
    if len(script.encode()) > LIMIT_BYTES:
        raise ValueError(
            f"user data is {len(script.encode())} bytes, the limit is {LIMIT_BYTES}: shorten the bundle's URL"
        )
    return script

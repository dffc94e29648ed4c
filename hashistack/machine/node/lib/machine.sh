# What every program on a machine shares: where things are, how to speak, how to stop. Sourced, not run.
# shellcheck shell=sh
# shellcheck disable=SC2034 # used by the programs that source this

PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 077
home=/opt/hashistack            # bundles and binaries, each under its digest
bundle=$home/current            # the bundle in force
run=/run/hashistack             # tmpfs: rendered configuration and secrets
state=/var/lib/hashistack       # the products' data, one directory each
logs=/var/log/hashistack

# HS_CLUSTER HS_ROLE HS_POOL HS_BUNDLE HS_SERVERS HS_DRAIN_DEADLINE HS_KILL_TIMEOUT: from the user data
# shellcheck source=/dev/null
. /etc/hashistack/metadata

say() { printf 'hashistack: %s\n' "$*"; }
die() { printf 'hashistack: %s\n' "$*" >&2; exit 1; }

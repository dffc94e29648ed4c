"""How an instance fetches its bundle before it has any program of ours: with its own token, by curl."""

from __future__ import annotations

from hashistack.machine.user_data import Start

START = Start(
    r"""
  command -v curl >/dev/null || apk add -q curl || { apt-get -qq update && apt-get -qq install curl; } ||
    { echo "hashistack: this image has no curl, and it can't be installed"; return 1; }
  token=$(curl -sSf -m 5 -H 'Metadata-Flavor: Google' \
    "http://${GCE_METADATA_HOST:-169.254.169.254}/computeMetadata/v1/instance/service-accounts/default/token" |
    sed -n 's/.*"access_token" *: *"\([^"]*\)".*/\1/p')
  [ -n "$token" ] || return
  path=${1#gs://} generation=${1##*#}
  key=${path#*/}
  printf 'header="authorization: Bearer %s"' "$token" |
    curl -sSf -K - --connect-timeout 5 --speed-time 30 -o "$2.base64" \
      "${HS_STORAGE_URL:-https://storage.googleapis.com}/storage/v1/b/${path%%/*}/o/$(
        printf %s "${key%#*}" | sed 's,/,%2F,g')?alt=media&generation=$generation" &&
    base64 -d "$2.base64" >"$2" && rm "$2.base64"
""",
    "install-init-service",
    r"""
# Google's guest agent runs this at each start, and cloud-init once in a machine's life; an image may have both. Whoever
# comes first in a start tries until it succeeds.
if [ "${1-}" != once ]; then
  mkdir /run/hashistack-first-script 2>/dev/null || [ ! -d /run/hashistack-first-script ] || exit 0
  until sh "$0" once; do sleep 15; done
  exit
fi
""",
)
"""The address is `gs://BUCKET/KEY#GENERATION`: the very object that the instance template says. It is base64: Pulumi's
provider writes an object in place only where it is text."""

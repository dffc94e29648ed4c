"""How an instance fetches its bundle before it has any program of ours: with its own credentials, by curl."""

from __future__ import annotations

from hashistack.machine.user_data import Start

START = Start(
    r"""
  command -v curl >/dev/null || apk add -q curl || { apt-get -qq update && apt-get -qq install curl; } ||
    { echo "hashistack: this image has no curl, and it can't be installed"; return 1; }
  case $(curl --version) in
  "curl 7."[0-9].* | "curl 7."[1-7][0-9].* | "curl 7.8"[0-7].*)
    echo "hashistack: this image's curl can't sign requests to AWS: use an image with 7.88 or later"
    return 1
    ;;
  esac
  token=
  token=$(imds api/token -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 300') &&
    role=$(imds meta-data/iam/security-credentials/) &&
    keys=$(imds "meta-data/iam/security-credentials/$role") || return
  path=${1#s3://} base=${AWS_ENDPOINT_URL_S3:-${AWS_ENDPOINT_URL:-}}
  [ -z "$base" ] || base=$base/${path%%/*}
  printf 'user="%s:%s"\nheader="x-amz-security-token: %s"' \
    "$(key AccessKeyId)" "$(key SecretAccessKey)" "$(key Token)" |
    curl -sSf -K - --connect-timeout 5 --speed-time 30 --aws-sigv4 "aws:amz:$HS_REGION:s3" -o "$2" \
      -H 'x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855' \
      "${base:-https://${path%%/*}.s3.$HS_REGION.amazonaws.com}/${path#*/}"
""",
    "install-init-service",
    r"""
# cloud-init runs this once in a machine's life: it tries until it succeeds.
if [ "${1-}" != once ]; then
  until sh "$0" once; do sleep 15; done
  exit
fi
imds() { # PATH OPTIONS...: with its token in a pipe, where no process shows it
  at=${AWS_EC2_METADATA_SERVICE_ENDPOINT:-http://169.254.169.254}/latest/$1
  shift
  printf 'header="X-aws-ec2-metadata-token: %s"' "$token" | curl -sSf -m 5 -K - "$@" "$at"
}
key() { printf '%s' "$keys" | sed -n "s/.*\"$1\" *: *\"\([^\"]*\)\".*/\1/p"; }
""",
)

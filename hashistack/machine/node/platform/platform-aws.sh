# Requests of this instance to AWS, and to its metadata service. curl signs (--aws-sigv4). No request has a query: before
# 8.3, curl does not put one into its canonical form.
# shellcheck shell=sh
# shellcheck disable=SC2154

imds=${AWS_EC2_METADATA_SERVICE_ENDPOINT:-http://169.254.169.254}
imds=${imds%/}/latest
kept=$run/aws
# shellcheck source=requests.sh
. "$bundle/bin/requests.sh"

# imds_token: sets $token, good for six hours: AWS gives none for longer
imds_token() {
  if ! recall imds-token; then
    ask -m 5 "$imds/api/token" <<EOF
request = "PUT"
header = "X-aws-ec2-metadata-token-ttl-seconds: 21600"
EOF
    [ "$code" = 200 ] || return 1
    keep imds-token $(($(date +%s) + 21000))
  fi
  token="header = \"X-aws-ec2-metadata-token: $answer\""
}

# metadata PATH: sets $answer and $code; succeeds when there is something at that path
metadata() {
  for _ in 1 2; do
    imds_token || return 1
    ask -m 5 "$imds/$1" <<EOF
$token
EOF
    [ "$code" = 401 ] || break
    rm -f "$kept/imds-token" # the service knows it no more
  done
  [ "$code" = 200 ]
}

# credentials: sets $credentials, those of the instance's role as lines for curl
credentials() {
  if ! recall credentials; then
    metadata meta-data/iam/security-credentials/ || return 1
    metadata "meta-data/iam/security-credentials/${answer%%
*}" || return 1
    { read -r expires; answer=$(cat); } <<EOF
$(printf '%s' "$answer" | jq -r '.Expiration, "user = \"\(.AccessKeyId):\(.SecretAccessKey)\"",
  "header = \"x-amz-security-token: \(.Token)\""')
EOF
    expires=${expires%Z}
    # AWS has new ones at least five minutes before these expire.
    keep credentials $(($(date -u -d "${expires%T*} ${expires#*T}" +%s) - 240))
  fi
  credentials=$answer
}

# endpoint SERVICE: its URL. AWS_ENDPOINT_URL_<SERVICE> and AWS_ENDPOINT_URL go before, as in the SDKs.
endpoint() {
  case $1 in
  s3) set -- "$1" "${AWS_ENDPOINT_URL_S3:-}" ;;
  ec2) set -- "$1" "${AWS_ENDPOINT_URL_EC2:-}" ;;
  autoscaling) set -- "$1" "${AWS_ENDPOINT_URL_AUTO_SCALING:-}" ;;
  secretsmanager) set -- "$1" "${AWS_ENDPOINT_URL_SECRETS_MANAGER:-}" ;;
  esac
  set -- "$1" "${2:-${AWS_ENDPOINT_URL:-https://$1.$HS_REGION.amazonaws.com}}"
  printf '%s' "${2%/}"
}

# object BUCKET KEY: an object's URL
object() {
  if [ -n "${AWS_ENDPOINT_URL_S3:-${AWS_ENDPOINT_URL:-}}" ]; then printf '%s/%s/%s' "$(endpoint s3)" "$1" "$2"
  else printf 'https://%s.s3.%s.amazonaws.com/%s' "$1" "$HS_REGION" "$2"; fi
}

# authorized SERVICE URL CONFIGURATION: one signed request: sets $code and $answer
authorized() {
  if ! credentials; then
    answer="no credentials from the metadata service: $code $answer" code=000
    return
  fi
  ask --connect-timeout 5 "$2" <<EOF
$credentials
aws-sigv4 = "aws:amz:$HS_REGION:$1"
$3
EOF
}

# transient: whether AWS may answer better next time: it did not answer, it is busy, or the credentials have just expired
transient() {
  case $code/$answer in
  4*ExpiredToken* | 4*RequestExpired*) rm -f "$kept/credentials" ;;
  000* | 429* | 5* | 4*Throttl* | 4*LimitExceeded* | 409*ConditionalRequestConflict*) ;;
  *) return 1 ;;
  esac
}
# message: the error's own words, from an answer in one line: XML or JSON, whatever it is
message() { sed 's/.*<Code>\([^<]*\)<.*<Message>\([^<]*\)<.*/\1: \2/'; }

# query SERVICE VERSION NAME=VALUE...: an action of a query API: sets $answer, XML
query() {
  service=$1 version=$2
  shift 2
  call "$service" "$(endpoint "$service")/" "$(
    echo 'header = "content-type: application/x-www-form-urlencoded"'
    echo 'max-time = 10'
    for field in "$@" "Version=$version"; do printf 'data-urlencode = %s\n' "$(printf '%s' "$field" | quoted)"; done
  )"
}

# secrets_manager ACTION JSON: sets $answer, JSON too
secrets_manager() {
  call secretsmanager "$(endpoint secretsmanager)/" "$(
    echo 'header = "content-type: application/x-amz-json-1.1"'
    echo "header = \"x-amz-target: secretsmanager.$1\""
    echo 'max-time = 10'
    printf 'data-raw = %s\n' "$(printf '%s' "$2" | quoted)"
  )"
}

# Requests of this instance to Google Cloud, and to its metadata service. Google takes a token with each request, and a
# token it gives.
# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154

kept=$run/gcp
# shellcheck source=requests.sh
. "$bundle/bin/requests.sh"
metadata_service=http://${GCE_METADATA_HOST:-169.254.169.254}/computeMetadata/v1

# metadata PATH: sets $answer and $code; succeeds when there is something at that path
metadata() { call metadata "$metadata_service/$1" 'max-time = 5'; }

# token: sets $token, that of the machine's service account as a line for curl
token() {
  if ! recall token; then
    authorized metadata "$metadata_service/instance/service-accounts/default/token" 'max-time = 5'
    [ "$code" = 200 ] || return 1
    { read -r expires; answer=$(cat); } <<EOF
$(printf '%s' "$answer" | jq -r '.expires_in, "header = \"authorization: Bearer \(.access_token)\""')
EOF
    # The metadata service has a new one five minutes before this expires.
    keep token $(($(date +%s) + expires - 240))
  fi
  token=$answer
}

# authorized SERVICE URL CONFIGURATION: one request: sets $code and $answer
authorized() {
  if [ "$1" = metadata ]; then
    token='header = "Metadata-Flavor: Google"'
  elif ! token; then
    answer="no token from the metadata service: $code $answer" code=000
    return
  fi
  ask --connect-timeout 5 "$2" <<EOF
$token
$3
EOF
}

# transient: whether Google may answer better next time: it did not answer, it is busy, the token has just expired, or what
# this machine may do is not known everywhere yet, which takes minutes.
transient() {
  case $code in
  401) rm -f "$kept/token" ;;
  000 | 403 | 408 | 429 | 5*) ;;
  *) return 1 ;;
  esac
}
# message: the error's own words, of a JSON answer in one line
message() { sed 's/.*"message": *"\([^"]*\)".*/\1/'; }

# endpoint SERVICE: its URL, which HS_<SERVICE>_URL may say otherwise
endpoint() {
  case $1 in
  compute) set -- "$1" "${HS_COMPUTE_URL:-}" ;;
  secretmanager) set -- "$1" "${HS_SECRETMANAGER_URL:-}" ;;
  storage) set -- "$1" "${HS_STORAGE_URL:-}" ;;
  esac
  set -- "$1" "${2:-https://$1.googleapis.com}"
  printf '%s' "${2%/}"
}

# encoded TEXT: a key or a filter as a part of a URL
encoded() { printf '%s' "$1" | jq -sRr @uri; }

# object BUCKET KEY: an object's URL; KEY may end in #GENERATION
object() {
  key=${2%#*}
  set -- "$1" "$2" "$(endpoint storage)/storage/v1/b/$1/o/$(encoded "$key")?alt=media"
  case $2 in *#*) printf '%s&generation=%s' "$3" "${2##*#}" ;; *) printf '%s' "$3" ;; esac
}
# upload BUCKET KEY: the URL that a new object is posted to
upload() { printf '%s/upload/storage/v1/b/%s/o?uploadType=media&name=%s' "$(endpoint storage)" "$1" "$(encoded "$2")"; }

# secret_manager METHOD PATH JSON: sets $answer, JSON too
secret_manager() {
  call secretmanager "$(endpoint secretmanager)/v1/$2" "$(
    echo 'max-time = 10'
    echo "request = \"$1\""
    [ -z "${3-}" ] || printf 'header = "content-type: application/json"\ndata-raw = %s\n' "$(printf '%s' "$3" | quoted)"
  )"
}

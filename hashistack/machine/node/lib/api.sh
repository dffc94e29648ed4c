# Requests to this machine's own agents. Tokens travel in header files, bodies in pipes: never in argv.
# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154

api=$run/api
mkdir -p "$api"

# header FILE NAME VALUE: a header file for `request`
header() { printf '%s: %s\n' "$2" "$3" >"$api/$1"; }

# request HEADER METHOD URL [BODY]: sets $code and $body. The body goes in by a pipe, so no process shows it.
# $answer_within: how long it may take, 30 s unless it is set. $curl_options: more options, as words.
request() {
  # shellcheck disable=SC2086 # words
  body=$(printf '%s' "${4-}" | curl -sS --max-time "${answer_within:-30}" ${curl_options-} --cacert "$api/ca.pem" \
    -H @"$api/$1" -X "$2" --data-binary @- -w '\n%{http_code}' "$3" 2>&1) || :
  code=${body##*
}
  body=${body%
*}
}

# requests HEADER URL: asks for each line of standard input (METHOD PATH BODY), in order and over one connection, because
# each start of curl takes 30 ms. What is there already is fine; every other failure is told, and fails.
requests() {
  sed 's/[\\"]/\\&/g' | {
    next=
    while read -r method path wanted; do
      printf '%srequest = "%s"\nurl = "%s/%s"\ndata-raw = "%s"\n' "$next" "$method" "$2" "$path" "$wanted"
      printf 'header = "@%s"\ncacert = "%s"\nmax-time = 30\n' "$api/$1" "$api/ca.pem"
      printf 'write-out = "\\n=%%{http_code} %s\\n"\n' "$path"
      next='next
'
    done
  } | curl -sS -K - 2>&1 | {
    failed='' said=''
    while read -r line; do
      case $line in
      =2*) said= ;;
      =*)
        case $said in *already*) ;; *) say "${line#=}: $said"; failed=1 ;; esac
        said=
        ;;
      *) said=$said$line ;;
      esac
    done
    # What is left over curl has said for itself.
    [ -z "$said" ] || say "$said"
    [ -z "$failed$said" ]
  }
}

# poll TIMES LINES: asks for each line (HEADER URL [FILE to PUT]) in turn, so many times a minute in all, by one curl that
# stays (unix:SOCKET:URL goes to a socket): to start one costs 10 to 15 ms of CPU, a request of one that runs less than one. `answer` takes the answers one
# after another, `end_poll` ends it; it ends by itself after 100 rounds. (curl does not end when nobody reads any more.)
poll() {
  end_poll
  trap 'end_poll; exit 143' TERM
  block=$(printf '%s\n' "$2" | while read -r with address upload; do
    printf 'next\n'
    case $address in unix:*)
      address=${address#unix:}
      printf 'unix-socket = "%s"\n' "${address%%:*}"
      address=${address#*:}
      ;;
    esac
    printf 'url = "%s"\nheader = "@%s"\ncacert = "%s"\nmax-time = "%s"\n' \
      "$address" "$api/$with" "$api/ca.pem" "${answer_within:-30}"
    [ -z "$upload" ] || printf 'upload-file = "%s"\n' "$upload"
    printf 'write-out = "\\n=poll %%{http_code} %%header{x-consul-index}%%header{x-nomad-index}\\n"\n'
  done)
  {
    printf '%s\n' "${block#next}"
    rounds=99
    while [ "$rounds" -gt 0 ]; do
      printf '%s\n' "$block"
      rounds=$((rounds - 1))
    done
  } >"$api/asks.$$"
  # No open may wait and no child but curl may end meanwhile: in busybox that interrupts an open, and a read loses its line.
  rm -f "$api/poll.$$"
  mkfifo "$api/poll.$$"
  # shellcheck disable=SC2094 # a pipe
  exec 4<>"$api/poll.$$" 3<"$api/poll.$$" 5>"$api/poll.$$" 4<"$api/asks.$$"
  rm "$api/poll.$$" "$api/asks.$$"
  curl -sN --rate "$1/m" -K - <&4 >&5 2>/dev/null 3<&- 4<&- 5>&- &
  poller=$!
  exec 4<&- 5>&-
}
poller=

# answer: sets $code, $body and $index (of a blocking query). Fails once the poll has ended.
answer() {
  body='' code=000 index=
  while [ -n "$poller" ] && IFS= read -r line <&3; do
    case $line in
    "=poll "*)
      code=${line#=poll } index=${line##* }
      code=${code%% *}
      return 0
      ;;
    *) body=$body$line ;;
    esac
  done
  end_poll
  return 1
}

end_poll() {
  [ -n "$poller" ] || return 0
  kill "$poller" 2>/dev/null || :
  wait "$poller" 2>/dev/null || :
  exec 3<&-
  poller=
}

# await HEADER URL: asks five times a second, by one curl, until the answer is a good one
await() {
  while [ -n "$poller" ] || poll 300 "$1 $2"; do
    ! answer || ! ok || break
  done
  end_poll
}

ok() { case $code in 2??) return 0 ;; *) return 1 ;; esac }

# filled FILTER [FILE]: text that FILTER makes of bootstrap.json with the values of the role document, $secrets[0], and the
# number of servers in it; `input` is FILE
filled() {
  jq -r --slurpfile secrets "$run/secrets.json" --slurpfile facts "$run/facts.json" "
    def fill: walk(if . == \"{{servers}}\" then \$facts[0].servers
      elif type == \"string\" and test(\"{{secret\\\\.\") then
      gsub(\"{{secret\\\\.(?<key>[a-z_]+)}}\"; .key as \$key | \$secrets[0][\$key] // error(\"no secret \" + \$key)) else . end);
    fill | $1" "$bundle/bootstrap.json" ${2:+"$2"}
}

secret() { jq -r --arg key "$1" '.[$key]' "$run/secrets.json"; }
[ -s "$api/ca.pem" ] || secret ca >"$api/ca.pem"
[ -s "$api/none" ] || header none User-Agent hashistack # for what needs no token

# leads URL PORT: whether this server, whose address is $ip, leads Consul's or Nomad's Raft
leads() { request none GET "$1/status/leader"; [ "$body" = "\"$ip:$2\"" ]; }

# What Vault knows this server by. Its login answers with a token, which vault_token HEADER keeps.
certificate="--cert $run/vault/tls/cert.pem --key $run/vault/tls/key.pem"
vault_token() {
  token=${body#*'"client_token":"'}
  [ "$token" != "$body" ] || return 1
  header "$1" X-Vault-Token "${token%%\"*}"
}
# vault_login HEADER: by this server's own Vault
vault_login() {
  curl_options=$certificate
  request none POST https://localhost:8200/v1/auth/cert/login '{"name":"server"}'
  curl_options=
  vault_token "$1"
}

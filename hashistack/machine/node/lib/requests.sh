# Requests of a machine to its cloud's APIs, and what it keeps of their answers. Tokens and bodies travel in pipes: never in
# argv. `platform-<cloud>.sh` says where things are kept ($kept) before it sources this, and has the cloud's own part:
#   authorized SERVICE URL CONFIGURATION  makes one request: sets $code and $answer
#   transient  succeeds where the cloud may answer better next time than $code and $answer
#   message    the error's own words, of an answer in one line
# shellcheck shell=sh
# shellcheck disable=SC2154

mkdir -p "$kept" # tmpfs: tokens and answers, each under the second until which it is good
tries=1          # how often a request is made where the cloud may answer better next time

# recall NAME: sets $answer to what was kept under that name; succeeds while it is good
recall() {
  [ -s "$kept/$1" ] || return 1
  { read -r good_until; answer=$(cat); } <"$kept/$1"
  [ "$(date +%s)" -lt "$good_until" ]
}
keep() { # NAME SECOND: $answer
  printf '%s\n%s\n' "$2" "$answer" >"$kept/$1.$$"
  mv "$kept/$1.$$" "$kept/$1"
}

# ask OPTIONS... URL: one request, with more of curl's configuration as standard input: sets $code and $answer. Where it
# broke off, the code is 000 and the answer what curl says of it, never the part that had come: it may be a secret's.
ask() {
  if answer=$(curl -sS -w '\n%{http_code}' -K - "$@" 2>&1); then
    code=${answer##*
}
    answer=${answer%
*}
  else
    code=000 answer=$(printf '%s' "$answer" | sed -n 's/.*\(curl: ([0-9]*)\)/\1/p')
  fi
}

# quoted: standard input as a word of curl's configuration
quoted() { sed 's/[\\"]/\\&/g; s/.*/"&"/'; }

# call SERVICE URL CONFIGURATION: an authorized request, as `again` makes it
call() { again "$1" authorized "$@"; }

# again WHOM COMMAND...: runs what makes one request and sets $code and $answer, $tries times at most while the cloud may
# answer better. Says why it tries again, and what it failed of.
again() {
  whom=$1 left=$tries pause=1
  shift
  while :; do
    "$@" || :
    case $code in 2*) return 0 ;; esac
    if transient; then left=$((left - 1)); else left=0; fi
    said=$(printf '%s' "$answer" | tr '\n\r\t' '   ' | message | cut -c1-200)
    [ "$left" -gt 0 ] || break
    printf 'hashistack: %s does not answer yet, again in %s s: %s %s\n' "$whom" "$pause" "$code" "$said" >&2
    sleep "$pause.$(($$ % 10))" # a thousand machines that boot at once do not ask again at once
    pause=$((pause * 2))
  done
  return 1
}
failed() { printf 'hashistack: %s: %s %s\n' "$1" "$code" "$said" >&2; }

# How a client leaves: its work goes first. A node may drain itself, and no other, by its own secret (checkNodeDrainAuth
# in Nomad's node_endpoint.go): no token for that lies on any machine. The servers purge it then: see `prune-members`.
# shellcheck shell=sh
# shellcheck disable=SC2154

margin=5
reserve=6 # what Consul takes to leave
forgotten=60 # refused for so long, a node is unknown: a leader that has just come may refuse it for a moment
tail=10 # the same, and what Nomad takes to stop
node=$(cat "$state/nomad/client/client-id" 2>/dev/null) || node=
[ -z "$node" ] || header node X-Nomad-Token "$(cat "$state/nomad/client/secret-id")"

# drain SECONDS STATE: the drain's metadata tell the servers what this machine is at
drain() {
  printf '{"DrainSpec":{"Deadline":%s000000000},"Meta":{"hashistack":"%s"}}' "$1" "$2"
}
start_draining() {
  request node PUT "https://localhost:4646/v1/node/$node/drain" "$(drain "$deadline" leaving)"
  case $code in 403) refused=${refused:-$(now)} ;; *) refused= ;; esac
  ok
}
# unknown: whether the servers don't know this node, nor any work of its: all were lost, and others are in their place
unknown() { [ -n "$refused" ] && [ $(($(now) - refused)) -ge "$forgotten" ]; }
by_servers() ( # SECONDS WHAT COMMAND...: `within`, for what servers do that know this node
  refused='' in_vain=unknown
  within "$@"
)
drained() {
  request node GET "https://localhost:4646/v1/node/$node"
  ok && case $body in *'"DrainStrategy":null'*) return 0 ;; esac
  return 1
}
all_stopped() {
  request node GET "https://localhost:4646/v1/metrics?format=prometheus"
  # A line for each state that the node was ever in: those of the present one count.
  ok && ! printf '%s\n' "$body" | grep -q '^nomad_client_allocations_running{.*="ineligible".*} *[1-9]'
}
say_left() {
  for server in $(others); do
    through "$server" node PUT 4646 "v1/node/$node/drain" "$(drain 1 left)"
    case $code$body in 2* | *"node not found"*) return 0 ;; esac
  done
  return 1
}

if [ -n "$node" ] && ! is_down nomad; then
  # The deadline stops what is left; each allocation may then take its kill_timeout: hashicorp/nomad#9902.
  left=$(seconds_left)
  deadline=$((left - HS_KILL_TIMEOUT - margin))
  [ "$deadline" -ge $((left / 2)) ] || deadline=$((left / 2)) # half to move, half to stop
  [ "$deadline" -le "$HS_DRAIN_DEADLINE" ] || deadline=$HS_DRAIN_DEADLINE
  [ "$deadline" -ge 1 ] || deadline=1
  say "draining, $deadline s at most"
  patience=$((deadline + HS_KILL_TIMEOUT + margin))
  [ "$patience" -le $((left - tail)) ] || patience=$((left - tail))
  if by_servers "$patience" "Nomad does not take the drain" start_draining; then
    within "$patience" "the drain is not complete" drained && say "drained"
    # A drain whose deadline is over calls itself complete, while allocations still take their time to stop.
    patience=$((HS_KILL_TIMEOUT + margin)) left=$(seconds_left)
    [ "$patience" -le $((left - tail)) ] || patience=$((left - tail))
    within "$patience" "allocations still run" all_stopped
  fi
fi
# Consul's leave has its share of what is left. A Nomad that waits for its tasks is killed: the machine ends with them.
left=$(($(seconds_left) - reserve))
[ "$left" -le 20 ] || left=20
[ "$left" -ge 1 ] || left=1
stop nomad "$left"
is_down nomad || sv kill /etc/service/nomad >/dev/null
[ -z "$node" ] || within 5 "no server hears that this node has left" say_left

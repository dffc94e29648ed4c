# How a server leaves: Vault, then Nomad, then Consul, by which the others find each other. Nothing here may wait long:
# when the whole cluster is torn down, nobody answers. Where no other server runs, nothing waits.
# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154

[ -n "$gone_at" ] && [ "$(seconds_left)" -lt 45 ] || gone_at=$(($(now) + 45))
name=$(jq -r .name "$run/facts.json")
header nomad X-Nomad-Token "$(secret nomad_management)"

# alone: whether no other server runs; not where the platform can't say who does
alone() {
  servers=$("$bundle/bin/platform" peers) || return 1
  for server in $servers; do [ "$server" = "$ip" ] || return 1; done
}
by_others() ( # SECONDS WHAT COMMAND...: `within`, for what the other servers do
  in_vain=alone
  within "$@"
)

# Vault: TERM releases the lock, so that another is active at once. Then its peer goes, and its data with it: a peer
# that was removed never joins again with them (hashicorp/vault#20583).
vault_forgets() {
  for server in $(others); do
    identity=$certificate
    through "$server" none POST 8200 v1/auth/cert/login '{"name":"server"}'
    identity=
    vault_token leave || continue
    through "$server" leave POST 8200 v1/sys/storage/raft/remove-peer "{\"server_id\":\"$name\"}"
    ! ok || return 0
  done
  return 1
}
if [ -d "$state/vault" ]; then
  stop vault 15
  if by_others 15 "no other server removes this one from Vault's peers" vault_forgets; then rm -rf "$state/vault"; fi
fi

# Nomad: a leader that leaves removes itself, and the others hold an election; so it hands over first.
raft() { # [SERVER]: Raft's configuration by another server, or by this one; a peer a line
  if [ $# = 1 ]; then through "$1" nomad GET 4646 v1/operator/raft/configuration
  else request nomad GET https://localhost:4646/v1/operator/raft/configuration; fi
  ok && peers=$(printf '%s' "$body" | tr '}' '\n')
}
leads() { raft && case $(printf '%s' "$peers" | grep -F "\"$ip:4647\"") in *'"Leader":true'*) ;; *) return 1 ;; esac }
handed_over() {
  leads || return 0
  heir=$(printf '%s' "$peers" | grep -vF "\"$ip:4647\"" | grep '"Voter":true' | sed -n 's/.*"ID":"\([^"]*\)".*/\1/p' | head -n1)
  [ -n "$heir" ] || return 0
  request nomad PUT "https://localhost:4646/v1/operator/raft/transfer-leadership?id=$heir"
  return 1
}
nomad_forgets() {
  for server in $(others); do
    raft "$server" || continue
    own=$(printf '%s' "$peers" | grep -F "\"$ip:4647\"") || return 0
    id=$(printf '%s' "$own" | sed -n 's/.*"ID":"\([^"]*\)".*/\1/p')
    through "$server" nomad DELETE 4646 "v1/operator/raft/peer?id=$id"
  done
  return 1
}
if ! is_down nomad; then
  by_others 5 "Nomad's leadership stays here" handed_over
  stop nomad 10 interrupt
fi
by_others 10 "no other server removes this one from Nomad's peers" nomad_forgets
# Nomad remembers who left for a day, and takes a peer that has the same address by then for the one that left
# (removeRaftPeer in its leader.go): the next machine may get this one's address.
member=$name.$(jq -r .region "$run/nomad/nomad.json")
pruned() {
  for server in $(others); do
    through "$server" nomad PUT 4646 "v1/agent/force-leave?node=$member&prune=true"
    through "$server" nomad GET 4646 v1/agent/members
    ok && case $body in *"\"$member\""*) ;; *) return 0 ;; esac
  done
  return 1
}
by_others 5 "the other Nomad servers remember this one" pruned

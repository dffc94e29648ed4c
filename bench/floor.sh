#!/bin/sh
# floor.sh DIRECTORY IMAGE NETWORK SUBNET: the floor for time to ready. A secured five-machine cluster by hand: `docker run` of the
# machine image with ready-made configuration, bootstrapped with openssl, docker and curl. No Pulumi, none of our programs.
#
# DIRECTORY (written by floor.py) holds server/ and client/ (agent configuration and services; `{{name}}`, `{{ip}}` and
# `{{secret.*}}` are open), requests/ (a line each: method, path, body) and mounts (the binaries). Ends when the cluster is as ready as
# `pulumi up` leaves it. Every wait ends after 90 s.
set -eu
umask 022
work=$1 image=$2 network=$3 prefix=${4%.*}
servers="server-1 server-2 server-3" clients="client-1 client-2"
ip_of() { case $1 in server-*) echo "$prefix.1${1##*-}" ;; *) echo "$prefix.2${1##*-}" ;; esac }
started=$(date +%s)
say() { printf '%s %s\n' "$(date +%T.%N | cut -c1-12)" "$*" >&2; }
tick() {
  [ $(($(date +%s) - started)) -lt 90 ] || { say "gave up: $1"; exit 1; }
  sleep 0.1
}

# Keys, certificates and tokens.
cd "$work"
mkdir -p tls fill
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=floor CA" \
  -keyout tls/ca-key.pem -out tls/ca.pem 2>/dev/null
for role in server client operator; do
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$role" -keyout "tls/$role-key.pem" \
    -out "tls/$role.csr" 2>/dev/null
  openssl x509 -req -in "tls/$role.csr" -CA tls/ca.pem -CAkey tls/ca-key.pem -CAcreateserial -days 30 \
    -extfile "$role.ext" -out "tls/$role.pem" 2>/dev/null
done
while read -r name; do
  case $name in
  *gossip) value=$(openssl rand -base64 32) ;;
  ca) value=$(awk '{ printf "%s\\\\n", $0 }' tls/ca.pem) ;;
  *) value=$(cat /proc/sys/kernel/random/uuid) ;;
  esac
  printf 's|{{secret\\.%s}}|%s|g\n' "$name" "$value"
  printf '%s' "$value" >"fill/$name"
done <secrets >fill.sed
for file in requests/*; do sed -i -f fill.sed "$file"; done

# One machine: its configuration mounted, its address fixed, so that everything can be written beforehand.
machine() { # NAME ROLE DOCKER-OPTIONS...
  name=$1 role=$2 ip=$(ip_of "$1")
  shift 2
  cp -r "$role" "$name"
  for product in consul nomad vault; do
    [ -d "$name/conf/$product" ] || continue
    mkdir -p "$name/conf/$product/tls"
    cp tls/ca.pem "$name/conf/$product/tls/ca.pem"
    cp "tls/$role.pem" "$name/conf/$product/tls/cert.pem"
    cp "tls/$role-key.pem" "$name/conf/$product/tls/key.pem"
  done
  find "$name/conf" -type f ! -name '*.pem' -exec sed -i -f fill.sed \
    -e "s|{{name}}|$name|g; s|{{ip}}|$ip|g; s|{{bundle}}|floor|g" {} +
  chmod -R go+rX "$name"
  while read -r mount; do set -- "$@" -v "$mount:ro"; done <mounts
  docker run -d --name "$network-$name" --hostname "$name" --network "$network" --ip "$ip" --tmpfs /run:mode=755,exec \
    --label "hashistack.floor=$network" -v "$work/$name/conf:/etc/floor:ro" -v "$work/$name/service:/etc/service" \
    -v "$work/$name/user-data:/etc/hashistack/user-data:ro" "$@" "$image" >/dev/null
}
docker network create --label "hashistack.floor=$network" --subnet "$4" "$network" >/dev/null
running=
for name in $servers; do
  machine "$name" server &
  running="$running $!"
done
for name in $clients; do
  machine "$name" client --security-opt seccomp=unconfined --security-opt apparmor=unconfined --cap-add SYS_ADMIN \
    --cap-add NET_ADMIN --cap-add SYS_PTRACE --cap-add IPC_LOCK --cap-add DAC_READ_SEARCH &
  running="$running $!"
done
for pid in $running; do wait "$pid"; done
say "five machines run"

# call PRODUCT SERVER METHOD PATH: the body on standard input; answers on standard output; fails on an HTTP error
header() { printf '%s: %s\n' "$2" "$3" >"fill/$1.header"; }
call() {
  case $1 in consul) port=8501 ;; nomad) port=4646 ;; vault) port=8200 ;; esac
  curl -sS --fail-with-body --max-time 20 --cacert tls/ca.pem --cert tls/operator.pem --key tls/operator-key.pem \
    --connect-to "localhost:$port:$(ip_of "$2"):$port" -H @"fill/$1.header" -X "$3" --data-binary @- \
    "https://localhost:$port/v1/$4" 2>&1
}
get() { call "$1" "$2" GET "$3" </dev/null; }
# batch PRODUCT SERVER FILE: the requests of a file, in order; the last one of each file may have to wait for its JWKS
batch() {
  tab=$(printf '\t')
  while IFS=$tab read -r method path body; do
    until answer=$(printf '%s' "$body" | call "$1" "$2" "$method" "$path"); do tick "$1 $path: $answer"; done
  done <"requests/$3"
}
header consul X-Consul-Token "$(cat fill/consul_management)"
header nomad X-Nomad-Token "$(cat fill/nomad_management)"
header vault X-Floor init

vault_up() {
  until get vault server-1 sys/seal-status >/dev/null; do tick "Vault answers"; done
  init=$(printf '{"secret_shares":1,"secret_threshold":1}' | call vault server-1 PUT sys/init)
  key=$(printf '%s' "$init" | sed 's/.*"keys_base64":\["\([^"]*\)".*/\1/')
  for name in $servers; do
    until printf '{"key":"%s"}' "$key" | call vault "$name" PUT sys/unseal | grep -q '"initialized":true'; do
      tick "Vault on $name unsealed"
    done &
  done
  header vault X-Vault-Token "$(printf '%s' "$init" | sed 's/.*"root_token":"\([^"]*\)".*/\1/')"
  until get vault server-1 sys/leader | grep -q '"is_self":true'; do tick "Vault active"; done
  batch vault server-1 vault-mounts
  accessor=$(get vault server-1 sys/auth/jwt-nomad | sed 's/.*"accessor":"\([^"]*\)".*/\1/')
  sed -i "s/ACCESSOR/$accessor/g" requests/vault-policies
  batch vault server-1 vault-policies
  batch vault server-1 vault-jwt
  wait
  say "Vault is set up"
}
consul_up() {
  until get consul server-1 acl/token/self >/dev/null; do tick "Consul's ACLs"; done
  batch consul server-1 consul-acl
  say "Consul has its tokens"
  # An agent without its token fails its first sync, and tries again only after 15 s and more.
  for name in $clients; do docker exec "$network-$name" sv up /etc/service/consul & done
  batch consul server-1 consul-method
  say "Consul has its auth method"
}
nomad_up() {
  until printf '{"BootstrapSecret":"%s"}' "$(cat fill/nomad_management)" | call nomad server-1 POST acl/bootstrap >/dev/null; do
    tick "Nomad's ACLs"
  done
  say "Nomad is bootstrapped"
}
vault_up &
vault=$!
consul_up &
consul=$!
nomad_up
wait "$consul"
wait "$vault"
# Nomad's clients look for Vault when they start: so they start now.
for name in $clients; do docker exec "$network-$name" sv up /etc/service/nomad & done
wait

count() { # NUMBER PATTERN PRODUCT PATH
  until [ "$(get "$3" server-1 "$4" | grep -o "$2" | wc -l)" -ge "$1" ]; do tick "$3 $4"; done
}
header vault X-Vault-Token "$(printf '{"password":"%s"}' "$(cat fill/vault_operator_password)" |
  call vault server-1 PUT auth/userpass/login/operator | sed 's/.*"client_token":"\([^"]*\)".*/\1/')"
count 2 '"Status":"ready"' nomad nodes
batch vault server-1 smoke-secret
batch nomad server-1 smoke-job
count 3 '"Voter": *true' consul operator/raft/configuration
count 3 '"Voter": *true' nomad operator/raft/configuration
count 3 '"Healthy": *true' consul operator/autopilot/health
count 3 '"Healthy": *true' nomad operator/autopilot/health
count 3 '"voter": *true' vault sys/storage/raft/configuration
say "all vote"
for name in $servers $clients; do
  until docker exec "$network-$name" getent hosts consul.service.consul >/dev/null; do tick "DNS on $name"; done
done
say "DNS answers"
# The task `probe` has ended well: it saw the secret under the service's name.
until get nomad server-1 job/smoke/allocations | docker exec -i "$network-server-1" jq -e 'any(.[];
  .DeploymentStatus.Healthy and .TaskStates.probe.State == "dead" and (.TaskStates.probe.Failed | not))' >/dev/null; do
  tick "the smoke job's answer"
done
say "ready"

# This machine's Vault, for the programs that bring it into the cluster.
# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154

url=https://localhost:8200/v1

# start_over WHY: it begins again without data. Only where nobody could ever open what it has.
start_over() {
  say "vault: $1: starting over without data"
  sv force-stop /etc/service/vault >/dev/null || :
  rm -rf "${state:?}/vault"/*
  sv up /etc/service/vault
}

"""What the vendors' security checklists ask of a configuration, on every pool of every case.

Each name begins with the row of the project's checklist that it is about.
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlsplit

import pytest

from hashistack.machine.bundle import SERVER
from hashistack.spec import ClientPool, ClusterSpec
from hashistack.spec.pool import DRIVERS

from .cases import CASES, LAPTOP, POOLS, Case, configuration, leaves

SERVERS = [(case, pool) for case, pool in POOLS if pool == SERVER]
CLIENTS = [(case, pool) for case, pool in POOLS if pool != SERVER]
every_pool = pytest.mark.parametrize(("case", "pool"), POOLS)
every_server = pytest.mark.parametrize(("case", "pool"), SERVERS)
every_client = pytest.mark.parametrize(("case", "pool"), CLIENTS)


def rendered(case: str, pool: str, product: str) -> dict[str, Any]:
    found = configuration(CASES[case].bundle(pool), product)
    assert found, f"{pool} has no {product}"
    return found


def service(case: str, pool: str, name: str) -> str:
    return CASES[case].bundle(pool).files[f"sv/{name}"].decode()


def paths(configured: dict[str, Any]) -> set[str]:
    return {path for path, _ in leaves(configured)}


@every_pool
def test_n1_nomad_speaks_tls_and_verifies_who_the_servers_are(case: str, pool: str) -> None:
    tls = rendered(case, pool, "nomad")["tls"]
    assert (tls["http"], tls["rpc"], tls["verify_server_hostname"]) == (True, True, True)
    assert "rpc_upgrade_mode" not in tls
    assert tls["tls_min_version"] == CASES[case].spec.tls.min_version
    assert all(tls[f"{kind}_file"] == f"/run/hashistack/nomad/tls/{kind}.pem" for kind in ("ca", "cert", "key"))


@every_pool
def test_n3_acls_are_enforced_on_servers_and_on_clients(case: str, pool: str) -> None:
    assert rendered(case, pool, "nomad")["acl"]["enabled"] is True


@every_server
def test_n5_servers_run_as_users_of_their_own(case: str, pool: str) -> None:
    for product in ("consul", "nomad", "vault"):
        assert re.search(
            rf"^exec chpst -u {product} /opt/hashistack/bin/{product}/\w+/{product} ",
            service(case, pool, product),
            re.MULTILINE,
        )


@every_client
def test_n5_only_nomads_client_is_root(case: str, pool: str) -> None:
    assert re.search(r"^exec /opt/hashistack/bin/nomad/\w+/nomad agent ", service(case, pool, "nomad"), re.MULTILINE)
    assert "exec chpst -u consul " in service(case, pool, "consul")
    assert "username: unbound\n" in rendered(case, pool, "unbound")["text"]


@every_client
def test_n6_what_a_pool_does_not_ask_for_does_not_run(case: str, pool: str) -> None:
    nomad = rendered(case, pool, "nomad")
    denied = set(nomad["client"]["options"]["driver.denylist"].split(","))
    wanted = set(next(each for each in CASES[case].spec.clients if each.name == pool).drivers)
    assert denied == set(DRIVERS) - wanted
    assert "raw_exec" in denied
    assert "driver.raw_exec.enable" not in nomad["client"]["options"]
    assert "raw_exec" not in nomad["plugin"]


@pytest.mark.parametrize("driver", DRIVERS)
def test_n6_a_driver_is_denied_unless_the_pool_asks_for_it(driver: str) -> None:
    pool = ClientPool(name="p", drivers=tuple({"exec", driver}), accept=("raw_exec",))
    nomad = configuration(Case(ClusterSpec(clients=(pool,)), LAPTOP).bundle("p"), "nomad")
    assert set(nomad["client"]["options"]["driver.denylist"].split(",")) == set(DRIVERS) - {"exec", driver}
    raw = {"config": {"enabled": True}} if driver == "raw_exec" else None
    assert nomad["plugin"].get("raw_exec") == raw


def test_n7_docker_gives_no_privileges_no_host_directories_and_not_all_processes() -> None:
    docker = rendered("five-servers-two-pools", "web", "nomad")["plugin"]["docker"]["config"]
    assert docker["allow_privileged"] is False
    assert docker["volumes"] == {"enabled": False}
    assert 0 < docker["pids_limit"] <= 4096
    assert "net_raw" not in docker.get("allow_caps", [])
    assert "ALL" not in str(docker.get("allow_caps", [])).upper()


@every_pool
def test_n8_no_plugin_is_loaded_but_those_that_are_configured(case: str, pool: str) -> None:
    nomad = rendered(case, pool, "nomad")
    assert "plugin_dir" not in nomad  # so it is <data_dir>/plugins, and nobody puts anything there
    tools = {path.split("/")[-1] for path in CASES[case].bundle(pool).files if "plugins" in path}
    assert tools == set()
    drivers = {driver for each in CASES[case].spec.clients if each.name == pool for driver in each.drivers}
    assert set(nomad.get("plugin", {})) == drivers & {"docker"}


@every_pool
def test_n10_tasks_get_tokens_by_workload_identity_alone(case: str, pool: str) -> None:
    nomad = rendered(case, pool, "nomad")
    vault, consul = nomad["vault"], nomad["consul"]
    assert not {"token", "task_token_ttl", "allow_unauthenticated"} & set(vault)
    assert vault["default_identity"]["aud"] == ["vault.io"]
    assert vault["jwt_auth_backend_path"] == "jwt-nomad"
    assert consul["service_identity"]["aud"] == consul["task_identity"]["aud"] == ["consul.io"]
    assert not {"allow_unauthenticated", "share_ssl"} & set(consul)


@every_pool
def test_nomad_knows_vault_by_its_name_wherever_a_standby_leads(case: str, pool: str) -> None:
    vault = rendered(case, pool, "nomad")["vault"]
    assert vault["tls_server_name"] == urlsplit(vault["address"]).hostname


@every_server
def test_n10_vault_and_consul_take_identities_of_that_audience_alone(case: str, pool: str) -> None:
    found = json.loads(CASES[case].bundle(pool).files["bootstrap.json"])
    assert found["vault"]["jwt_role"]["bound_audiences"] == ["vault.io"]
    assert found["consul"]["auth_method"]["Config"]["BoundAudiences"] == ["consul.io"]
    for text in (found["vault"]["jwt"]["jwks_url"], found["consul"]["auth_method"]["Config"]["JWKSURL"]):
        assert text.startswith("https://")


@every_pool
def test_n14_and_c9_a_machine_is_itself(case: str, pool: str) -> None:
    nomad, consul = rendered(case, pool, "nomad"), rendered(case, pool, "consul")
    assert nomad.get("client", {}).get("no_host_uuid", True) is True
    assert "node_id" not in consul
    assert consul.get("disable_host_node_id", True) is True
    assert nomad["name"] == consul["node_name"] == "{{name}}"
    bundle = CASES[case].bundle(pool)
    for path in bundle.files:
        assert not re.search(r"client-id|node-id|(^|/)var/", path)
    # Data is where no bundle is unpacked.
    assert all(each["data_dir"].startswith("/var/lib/hashistack/") for each in (nomad, consul))


@every_pool
def test_c1_consul_verifies_both_ends_and_who_the_servers_are(case: str, pool: str) -> None:
    tls = rendered(case, pool, "consul")["tls"]
    assert (tls["defaults"]["verify_incoming"], tls["defaults"]["verify_outgoing"]) == (True, True)
    assert tls["internal_rpc"]["verify_server_hostname"] is True
    # Nothing takes back for one protocol what the defaults say.
    for protocol in ("https", "grpc", "internal_rpc"):
        assert tls.get(protocol, {}).get("verify_incoming", True) is True
        assert tls.get(protocol, {}).get("verify_outgoing", True) is True
    assert (
        tls["defaults"]["tls_min_version"] == {"tls12": "TLSv1_2", "tls13": "TLSv1_3"}[CASES[case].spec.tls.min_version]
    )


@every_pool
def test_c3_gossip_is_encrypted_on_every_machine(case: str, pool: str) -> None:
    consul = rendered(case, pool, "consul")
    assert consul["encrypt"] == "{{secret.consul_gossip}}"
    assert consul["encrypt_verify_incoming"] is True
    assert consul["encrypt_verify_outgoing"] is True


@every_server
def test_n9_nomads_gossip_is_encrypted_among_servers(case: str, pool: str) -> None:
    assert rendered(case, pool, "nomad")["server"]["encrypt"] == "{{secret.nomad_gossip}}"


@every_pool
def test_c4_consul_denies_what_no_token_allows(case: str, pool: str) -> None:
    acl = rendered(case, pool, "consul")["acl"]
    assert acl["enabled"] is True
    assert acl["default_policy"] == "deny"
    # A `default` token would be anybody's.
    assert not {"default", "replication"} & set(acl["tokens"])
    assert acl["tokens"]["dns"] == "{{secret.consul_dns}}"
    assert ("initial_management" in acl["tokens"]) is (pool == SERVER)


@every_server
def test_c4_the_anonymous_token_gets_no_policy_and_dns_only_reads(case: str, pool: str) -> None:
    consul = json.loads(CASES[case].bundle(pool).files["bootstrap.json"])["consul"]
    assert "anonymous" not in str(consul).lower()
    assert consul["tokens"]["consul_dns"] == ["hashistack-dns"]
    assert set(re.findall(r'policy = "(\w+)"', consul["policies"]["hashistack-dns"])) == {"read"}
    assert set(re.findall(r"(\w+) \"\" \{", consul["policies"]["hashistack-dns"])) == {
        "node_prefix",
        "query_prefix",
        "service_prefix",
    }
    assert not re.search(r"acl *=", consul["policies"]["nomad-client"] + consul["policies"]["hashistack-client"])


@every_pool
def test_c5_consul_is_reached_on_loopback_or_with_a_certificate(case: str, pool: str) -> None:
    consul = rendered(case, pool, "consul")
    assert consul["client_addr"] == consul["addresses"]["http"] == "127.0.0.1"
    assert consul["ports"]["grpc_tls"] == -1
    if pool == SERVER:
        assert consul["ports"]["grpc"] == -1
    else:
        assert set(consul["addresses"].values()) == {"127.0.0.1"}
        assert "https" not in consul["ports"]
    assert consul["http_config"]["allow_write_http_from"] == ["127.0.0.0/8", *CASES[case].platform.operators]
    assert consul["enable_script_checks"] is False
    assert "enable_local_script_checks" not in consul
    assert consul["disable_remote_exec"] is True


@every_server
def test_v3_vault_says_what_keeps_its_memory_off_the_disk(case: str, pool: str) -> None:
    assert rendered(case, pool, "vault")["disable_mlock"] is True


@every_pool
def test_v2_no_service_leaves_a_core(case: str, pool: str) -> None:
    services = {path: data.decode() for path, data in CASES[case].bundle(pool).files.items() if path.startswith("sv/")}
    assert services
    for path, text in services.items():
        assert text.index("ulimit -c 0\n") < text.rindex("\nexec "), path


@every_server
def test_v7_the_seal_has_no_credentials_and_is_what_the_platform_says(case: str, pool: str) -> None:
    vault = rendered(case, pool, "vault")
    assert vault.get("seal") == CASES[case].platform.seal
    assert not any(re.search(r"access_key|secret_key|token|credentials", path) for path in paths(vault.get("seal", {})))


def test_v7_the_bundle_says_whether_the_seal_opens_itself() -> None:
    found = CASES["awskms-seal"].bundle(SERVER).files
    assert json.loads(found["bootstrap.json"])["seal"] == CASES["awskms-seal"].platform.seal
    own = CASES["minimal"].bundle(SERVER).files
    assert json.loads(own["bootstrap.json"])["seal"] is None


@every_server
def test_v10_vault_has_one_file_and_takes_no_slashes_from_identities(case: str, pool: str) -> None:
    assert rendered(case, pool, "vault")["deny_slash_in_templated_paths"] is True
    started = service(case, pool, "vault")
    assert re.findall(r"-config\S*", started) == ["-config=/run/hashistack/vault/vault.json"]


@every_server
def test_v4_vaults_listener_speaks_tls(case: str, pool: str) -> None:
    listener = rendered(case, pool, "vault")["listener"]
    assert set(listener) == {"tcp"}
    assert "tls_disable" not in listener["tcp"]
    assert listener["tcp"]["tls_min_version"] == CASES[case].spec.tls.min_version


@every_client
def test_a_client_has_nothing_of_vault_and_no_key_of_the_servers(case: str, pool: str) -> None:
    files = CASES[case].bundle(pool).files
    assert not [path for path in files if "vault" in path or "bootstrap" in path]
    for name in ("management", "nomad_gossip", "vault_operator_password", "server_agent", "nomad_server"):
        rendered_files = [data for path, data in files.items() if path.startswith("conf/")]
        assert not any(name.encode() in data for data in rendered_files), name

"""What jobs and the operator may do in the real Vault and Consul, as the servers set them up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from .agents import Agents, agents

WEB = {"job": "web", "namespace": "team-a", "group": "web", "task": "server"}
"""A job as others are compared with it."""

OTHERS = {
    "namespace": {**WEB, "namespace": "team-b"},
    "region": {**WEB, "region": "elsewhere"},
    "group": {**WEB, "group": "admin"},
    "task": {**WEB, "task": "sidecar"},
    "renamed": {**WEB, "job": "shop"},
    # As close as names come to the first one's subject.
    "colons in the job": {**WEB, "job": "web:web", "group": "server"},
    "colons in the group": {**WEB, "group": "web:server"},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agents]:
    with agents(tmp_path_factory.mktemp("server"), "dash") as found:
        found.program("bootstrap-vault")
        found.program("bootstrap-consul")
        yield found


@pytest.fixture(scope="module")
def operator(server: Agents) -> str:
    return server.operator()


@pytest.fixture(scope="module")
def secrets(server: Agents, operator: str) -> None:
    """A secret for each of these jobs, and its path in it."""
    for path in ("team-a/web", "team-b/web", "team-a/shop", "team-a/web/deeper"):
        server.vault("kv", "put", f"kv/{path}", f"path={path}", token=operator)


def reads(server: Agents, token: str, path: str) -> bool:
    """Whether the token reads the secret at this path; it is refused otherwise."""
    code = server.vault_code("kv", "get", f"kv/{path}", token=token)
    assert code in (0, 2)
    return code == 0


def entity(server: Agents, operator: str, token: str) -> dict[str, Any]:
    """The id and the one alias's metadata of a token's entity."""
    id = server.vault("token", "lookup", token=token)["data"]["entity_id"]
    found = server.vault("read", f"identity/entity/id/{id}", token=operator)["data"]
    (alias,) = found["aliases"]
    return {"id": id, "metadata": alias["metadata"]}


@pytest.mark.usefixtures("secrets")
def test_a_job_of_the_same_name_elsewhere_changes_nothing(server: Agents) -> None:
    first = server.log_in(**WEB)
    second = server.log_in(**OTHERS["namespace"])
    assert reads(server, first, "team-a/web"), "after the second one's login"
    assert reads(server, first, "team-a/web/deeper")
    assert not reads(server, first, "team-b/web")
    assert reads(server, second, "team-b/web")
    assert not reads(server, second, "team-a/web")


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_each_identity_keeps_what_it_is(server: Agents, operator: str, other: dict[str, str]) -> None:
    first = server.log_in(**WEB)
    before = entity(server, operator, first)
    second = server.log_in(**other)
    assert entity(server, operator, first) == before
    after = entity(server, operator, second)
    assert after["id"] != before["id"]
    for found, who in ((before, WEB), (after, other)):
        claims = {"nomad_namespace": who["namespace"], "nomad_job_id": who["job"], "nomad_task": who["task"]}
        assert found["metadata"] == {**claims, "role": "nomad-workloads"}


def test_a_task_that_logs_in_again_is_the_same(server: Agents, operator: str) -> None:
    assert entity(server, operator, server.log_in(**WEB)) == entity(server, operator, server.log_in(**WEB))


@pytest.mark.usefixtures("secrets")
@pytest.mark.parametrize("job", ["*", "+", "w*", "../team-b/web", "/team-b/web", "..", "{{identity.entity.name}}"])
def test_no_name_of_a_job_leads_out_of_its_namespace(server: Agents, job: str) -> None:
    token = server.log_in(**{**WEB, "namespace": "team-c", "job": job})
    for path in ("team-a/web", "team-b/web", "team-c/../team-b/web"):
        assert not reads(server, token, path)


def test_the_operator_runs_whatever_is_enabled(server: Agents, operator: str) -> None:
    def vault(*arguments: str, stdin: str = "") -> Any:
        return server.vault(*arguments, token=operator, stdin=stdin)

    for engine in (("-path=secret", "-version=2", "kv"), ("transit",), ("pki",), ("-path=a/b", "kv"), ("ssh",)):
        vault("secrets", "enable", *engine)
    vault("kv", "put", "secret/app", "a=b")
    vault("kv", "patch", "secret/app", "c=d")
    assert vault("kv", "get", "secret/app")["data"]["data"] == {"a": "b", "c": "d"}
    vault("kv", "metadata", "delete", "secret/app")
    vault("kv", "put", "a/b/app", "a=b")
    vault("write", "-f", "transit/keys/k")
    sealed = vault("write", "transit/encrypt/k", "plaintext=YQ==")["data"]["ciphertext"]
    assert vault("write", "transit/decrypt/k", f"ciphertext={sealed}")["data"]["plaintext"] == "YQ=="
    vault("secrets", "tune", "-max-lease-ttl=8760h", "pki")
    vault("write", "pki/root/generate/internal", "common_name=test")
    vault("write", "pki/roles/r", "allow_any_name=true", "max_ttl=1h")
    assert "BEGIN CERTIFICATE" in vault("write", "pki/issue/r", "common_name=x.test")["data"]["certificate"]
    vault("delete", "pki/root")
    vault("write", "ssh/config/ca", "generate_signing_key=true")

    vault("auth", "enable", "approle")
    vault("auth", "enable", "-path=people", "userpass")
    vault("policy", "write", "app", "-", stdin='path "secret/*" { capabilities = ["read"] }')
    vault("write", "auth/approle/role/app", "token_policies=app")
    role = vault("read", "auth/approle/role/app/role-id")["data"]["role_id"]
    secret = vault("write", "-f", "auth/approle/role/app/secret-id")["data"]["secret_id"]
    vault("write", "auth/approle/login", f"role_id={role}", "secret_id=-", stdin=secret)
    vault("write", "auth/people/users/ann", "password=-", "token_policies=app", stdin="the password")
    assert vault("token", "create", "-policy=app", "-orphan")["auth"]["policies"] == ["app", "default"]

    for arguments in (
        ("operator", "raft", "list-peers"),
        ("operator", "raft", "autopilot", "state"),
        ("operator", "rotate"),
    ):
        vault(*arguments)
    vault("operator", "raft", "snapshot", "save", str(server.machine.directory / "snapshot"))
    for engine in ("secret", "transit", "pki", "a/b", "ssh"):
        vault("secrets", "disable", engine)


def test_the_operator_sees_audit_and_cannot_change_it_nor_become_root(server: Agents, operator: str) -> None:
    assert set(server.vault("audit", "list", token=operator)) == {"file/", "stdout/"}
    for refused in (
        ("audit", "disable", "file"),
        ("audit", "enable", "-path=other", "file", "file_path=/dev/null"),
        ("write", "sys/config/auditing/request-headers/x-vault-token", "hmac=false"),
        ("token", "create", "-policy=root"),
    ):
        assert server.vault_code(*refused, token=operator) == 2, refused
    assert set(server.vault("audit", "list", token=operator)) == {"file/", "stdout/"}


def test_the_operator_and_the_key_make_a_root_token_as_docs_break_glass_has_it(server: Agents, operator: str) -> None:
    def generate(*arguments: str, stdin: str = "") -> Any:
        return server.vault("operator", "generate-root", *arguments, token=operator, stdin=stdin)

    # Vault 1.21 would take these requests without a token: what Vault 2 asks for is what the policy says.
    certificate = server.vault("token", "create", "-policy=server-health", "-no-default-policy", token=operator)
    job = server.log_in(**WEB)
    for path in ("attempt", "update"):
        may = {
            who: set(server.vault("token", "capabilities", of, f"sys/generate-root/{path}", token=operator))
            for who, of in {"operator": operator, "server": certificate["auth"]["client_token"], "job": job}.items()
        }
        assert may["operator"] >= {"sudo", "update"}
        assert may["server"] == may["job"] == {"deny"}

    key = json.loads(server.machine.read("/platform/secrets/vault-init"))["keys_base64"][0]
    begun = generate("-init")
    made = generate(f"-nonce={begun['nonce']}", "-", stdin=key)
    root = generate(f"-decode={made['encoded_token']}", f"-otp={begun['otp']}")["token"]
    assert server.vault("token", "lookup", token=root)["data"]["policies"] == ["root"]
    server.vault("audit", "enable", "-path=other", "file", "file_path=/dev/null", token=root)
    server.vault("audit", "disable", "other", token=root)
    server.vault("token", "revoke", "-self", token=root)
    assert server.vault_code("token", "lookup", token=root) == 2


def test_metrics_of_vault_take_a_token_that_can_nothing_else(server: Agents, operator: str) -> None:
    made = server.vault("token", "create", "-policy=hashistack-metrics", "-no-default-policy", "-orphan", "-period=24h",
                        token=operator)  # fmt: skip
    token = made["auth"]["client_token"]
    status, scraped = server.curl("https://localhost:8200/v1/sys/metrics?format=prometheus", f"X-Vault-Token: {token}")
    assert status == 200
    assert "# TYPE vault_core_unsealed gauge" in scraped
    for path in ("kv/metadata/", "sys/mounts", "sys/policies/acl/operator", "identity/entity/id"):
        assert server.vault_code("list" if path.endswith(("/", "id")) else "read", path, token=token) == 2


def test_metrics_of_consul_take_a_token_that_can_nothing_else(server: Agents) -> None:
    management = server.secrets["consul_management"]
    status, made = server.consul("PUT", "acl/token", management, {"Policies": [{"Name": "hashistack-metrics"}]})
    assert status == 200
    status, scraped = server.consul("GET", "agent/metrics?format=prometheus", made["SecretID"])
    assert status == 200
    assert "# TYPE consul_" in scraped
    assert server.consul("GET", "agent/metrics?format=prometheus")[0] == 403
    assert server.consul("GET", "kv/hashistack/bootstrap", made["SecretID"])[0] == 403
    assert server.consul("GET", "catalog/services", made["SecretID"])[1] == {}
    assert server.consul("PUT", "agent/leave", made["SecretID"])[0] == 403


@pytest.mark.parametrize("namespace", ["default", "made-later"])
def test_tasks_of_every_namespace_have_the_same_rights_in_consul(server: Agents, namespace: str) -> None:
    management = server.secrets["consul_management"]
    assert server.consul("PUT", "kv/greeting", management, "hello")[0] == 200
    status, login = server.consul_log_in(job="web", namespace=namespace)
    assert status == 200
    assert [role["Name"] for role in login["Roles"]] == ["nomad-tasks"]
    token = login["SecretID"]
    assert server.consul("GET", "kv/greeting?raw", token) == (200, "hello")
    assert {service["ServiceName"] for service in server.consul("GET", "catalog/service/consul", token)[1]} == {
        "consul"
    }
    assert server.consul("GET", "health/service/consul", token)[1]
    for method, path in (("PUT", "kv/greeting"), ("GET", "kv/hashistack/bootstrap"), ("GET", "acl/tokens")):
        assert server.consul(method, path, token)[0] == 403, path


def test_a_namespace_gets_more_rights_in_consul_by_a_role_of_its_name(server: Agents) -> None:
    management = server.secrets["consul_management"]
    rules = 'key_prefix "team-a/" { policy = "write" }'
    assert server.consul("PUT", "acl/policy", management, {"Name": "team-a", "Rules": rules})[0] == 200
    role = {"Name": "nomad-tasks-team-a", "Policies": [{"Name": "team-a"}]}
    assert server.consul("PUT", "acl/role", management, role)[0] == 200
    for namespace, status in (("team-a", 200), ("team-b", 403)):
        _, login = server.consul_log_in(job="web", namespace=namespace)
        assert server.consul("PUT", "kv/team-a/x", login["SecretID"], "x")[0] == status


def test_a_service_may_register_under_its_own_name_alone(server: Agents) -> None:
    status, login = server.consul_log_in(job="web", namespace="team-a", service="web")
    assert status == 200
    assert [identity["ServiceName"] for identity in login["ServiceIdentities"]] == ["web"]
    assert "Roles" not in login
    for name, allowed in (("web", 200), ("vault", 403)):
        assert server.consul("PUT", "agent/service/register", login["SecretID"], {"Name": name})[0] == allowed


@pytest.mark.parametrize("name", ["vault", "consul", "nomad", "nomad-client", "hashistack"])
def test_no_service_of_a_job_poses_as_one_of_the_clusters(server: Agents, name: str) -> None:
    assert server.consul_log_in(job="web", service=name)[0] == 403


def as_0_1_0(bootstrap: dict[str, Any]) -> None:
    """What servers wrote before identities were by subject and namespaces had rights in Consul."""
    vault, consul = bootstrap["vault"], bootstrap["consul"]
    vault["jwt_role"] |= {"user_claim": "/nomad_job_id", "user_claim_json_pointer": True}
    sys = ("sys/mounts*", "sys/auth*", "auth/*", "sys/policies/*", "sys/policy*", "identity/*", "sys/storage/raft/*")
    everything = '["create", "read", "update", "delete", "list", "sudo"]'
    vault["policies"]["operator"] = "".join(
        f'path "{path}" {{ capabilities = {everything} }}\n' for path in ("kv/*", *sys)
    )
    health = [line for line in vault["policies"]["server-health"].splitlines() if "sys/policies" not in line]
    vault["policies"]["server-health"] = "\n".join(line for line in health if "RELEASE" not in line)
    del vault["policies"]["hashistack-metrics"]
    consul["roles"] = {"nomad-tasks-default": ["nomad-tasks"]}
    consul["policies"]["nomad-tasks"] = 'key_prefix "" { policy = "read" }\n'
    consul["binding_rules"] = [rule for rule in consul["binding_rules"] if rule["BindName"] != "nomad-tasks"]


def test_a_cluster_that_was_set_up_before_gets_what_changed(tmp_path_factory: pytest.TempPathFactory) -> None:
    with agents(tmp_path_factory.mktemp("old"), "busybox", as_0_1_0) as server:
        server.program("bootstrap-vault")
        server.program("bootstrap-consul")
        operator, management = server.operator(), server.secrets["consul_management"]
        server.vault("kv", "put", "kv/team-a/web", "a=b", token=operator)
        server.consul("PUT", "kv/greeting", management, "hello")
        old = server.log_in(**WEB)
        server.log_in(**OTHERS["namespace"])
        assert not reads(server, old, "team-a/web"), "the fault that was"
        assert server.consul_log_in(**WEB)[0] == 403, "no rule is about its namespace"

        server.install()
        assert "has this release's" in server.program("bootstrap-vault")
        assert "bootstrapped" in server.program("bootstrap-consul")
        first, _ = server.log_in(**WEB), server.log_in(**OTHERS["namespace"])
        assert reads(server, first, "team-a/web")
        assert server.consul("GET", "kv/greeting", server.consul_log_in(**WEB)[1]["SecretID"])[0] == 200
        server.vault("secrets", "enable", "transit", token=operator)
        server.vault("write", "-f", "transit/keys/k", token=operator)
        rules = server.consul("GET", "acl/binding-rules", management)[1]
        assert len(rules) == len({rule["Description"] for rule in rules}) == 3
        # No root token was needed, and none is left: nor the one by which the server did it.
        assert "root_token" not in server.machine.read("/platform/secrets/vault-init")
        accessors = server.vault("list", "auth/token/accessors", token=operator)
        names = [
            server.vault("token", "lookup", "-accessor", each, token=operator)["data"]["display_name"]
            for each in accessors
        ]
        assert names.count("userpass-operator") == 1, "the test's own"
        assert "root" not in names

        # Nothing is left to do: the same programs write nothing.
        assert server.program("bootstrap-vault") == server.program("bootstrap-consul") == ""

        # A CA that was rotated reaches those who trust by it.
        held = json.loads(server.machine.read("/run/hashistack/secrets.json"))
        rotated = held["ca"] + held["ca"]
        server.machine.facts({**held, "ca": rotated}, expect=1, quorum=1)
        server.program("bootstrap-vault")
        server.program("bootstrap-consul")
        assert server.vault("read", "auth/jwt-nomad/config", token=operator)["data"]["jwks_ca_pem"] == rotated
        assert server.vault("read", "auth/cert/certs/server", token=operator)["data"]["certificate"] == rotated
        method = server.consul("GET", "acl/auth-method/nomad-workloads", management)[1]
        assert method["Config"]["JWKSCACert"].count("BEGIN CERTIFICATE") == 2
        server.log_in(**WEB)

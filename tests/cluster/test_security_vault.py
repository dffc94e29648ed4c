"""Vault's rows of the security checklist, and the custody of secrets; each test named by its row."""

from __future__ import annotations

import base64
import json
import secrets
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from .datacenter import Datacenter, Machine
from .processes import Sampler
from .project import until

_SEARCH = (
    "printf '%s' \"$WANTED\" | grep -rlaF -f - /run /platform /etc /opt/hashistack/bundles /var/lib/hashistack /var/log"
)
_PROCESSES = "for p in /proc/[0-9]*; do cat $p/cmdline $p/environ 2>/dev/null; done"


def _init(datacenter: Datacenter) -> dict[str, list[str]]:
    read: dict[str, list[str]] = json.loads(datacenter.servers[0].sh("cat /platform/secrets/vault-init"))
    return read


def test_v1_vault_is_no_root_and_can_write_its_data_and_audit_log_alone(datacenter: Datacenter) -> None:
    for server in datacenter.servers:
        pid = server.process("vault")
        assert server.sh(f"stat -c %U /proc/{pid}").strip() == "vault"
        binary = server.sh(f"tr '\\0' '\\n' </proc/{pid}/cmdline | head -n 1").strip()
        assert server.run(f"chpst -u vault test -w {binary}")[0] == 1
        places = (
            "find / -xdev -writable ! -type l ! -path '/proc/*' ! -path '/tmp*' ! -path '/var/tmp*' ! -path '/dev/*'"
        )
        held = server.sh(f"chpst -u vault {places} 2>/dev/null || :").split()
        allowed = ("/var/lib/hashistack/vault", "/var/log/hashistack/vault-audit", "/run/lock", "/var/lock")
        assert not [place for place in held if not place.startswith(allowed)], held
        rendered = server.sh("chpst -u vault find /run/hashistack -writable ! -type l 2>/dev/null || :")
        assert rendered == ""


def test_v2_no_memory_reaches_a_disk(datacenter: Datacenter) -> None:
    for server in datacenter.servers:
        limits = server.sh(f"cat /proc/{server.process('vault')}/limits")
        assert next(line for line in limits.splitlines() if line.startswith("Max core file size")).split()[4:6] == [
            "0",
            "0",
        ]
    swaps = Path("/proc/swaps").read_text().splitlines()[1:]
    if swaps:
        pytest.skip(f"this host swaps, so its containers do: {swaps}; SECURITY.md says what that means")


def test_v3_v7_v10_the_rendered_configuration(datacenter: Datacenter) -> None:
    for server in datacenter.servers:
        assert server.sh("ls /run/hashistack/vault").split() == ["tls", "vault.json"], (
            "one file: Vault merges no others"
        )
        configuration = server.configuration("vault")
        assert configuration["disable_mlock"] is True
        assert configuration["deny_slash_in_templated_paths"] is True
        assert "seal" not in configuration, "on this platform a key in its secret store, so no credentials for one"
        assert configuration["listener"]["tcp"]["tls_min_version"] in ("tls12", "tls13")
        assert "tls_disable" not in configuration["listener"]["tcp"]


def test_v5_two_audit_devices_and_no_secret_in_any_log(datacenter: Datacenter) -> None:
    devices = json.loads(datacenter.vendor("vault", "audit", "list", "-format=json"))
    assert len(devices) >= 2
    canary = f"canary-{secrets.token_hex(12)}"
    path = f"kv/default/canary-{secrets.token_hex(4)}"
    try:
        datacenter.vendor("vault", "kv", "put", path, f"value={canary}")
        assert canary in datacenter.vendor("vault", "kv", "get", path)

        def audited() -> bool:
            where = path.replace("kv/", "kv/data/", 1)
            return any(
                # A standby has no such file yet.
                f'"path":"{where}"' in server.run("cat /var/log/hashistack/vault-audit/audit.json")[1]
                and f'"path":"{where}"' in server.sh("cat /var/log/hashistack/vault/*")
                for server in datacenter.servers
            )

        until(audited, 30, "both devices tell that the secret was written")
        unwanted = {"canary": canary, **datacenter.secrets()}
        for machine in datacenter.machines():
            logs = machine.sh("cat /var/log/hashistack/*/* /var/log/*.log") + machine.container.logs().decode()
            assert not [name for name, value in unwanted.items() if value in logs], machine.name
    finally:
        datacenter.vendor("vault", "kv", "metadata", "delete", path)


def test_v6_there_is_no_root_token_but_a_way_to_one(datacenter: Datacenter) -> None:
    init = _init(datacenter)
    assert "root_token" not in init
    with datacenter.http() as http:
        attempt = datacenter.active_vault() + "/v1/sys/generate-root/attempt"
        begun = http.put(attempt, json={}).raise_for_status().json()
        try:
            update = {"key": init["keys_base64"][0], "nonce": begun["nonce"]}
            made = http.put(attempt.replace("attempt", "update"), json=update).raise_for_status().json()
            encoded = made["encoded_root_token"]
            token = bytes(
                a ^ b for a, b in zip(base64.b64decode(encoded + "=="), begun["otp"].encode(), strict=True)
            ).decode()
        finally:
            http.delete(attempt)
        header = {"X-Vault-Token": token}
        own = attempt.replace("sys/generate-root/attempt", "auth/token/lookup-self")
        assert http.get(own, headers=header).json()["data"]["policies"] == ["root"]
        # Of all tokens that Vault has, the one of this test alone is root's: the first one is gone.
        accessors = own.replace("lookup-self", "accessors")
        listed = http.request("LIST", accessors, headers=header).raise_for_status().json()["data"]["keys"]
        roots = []
        for accessor in listed:
            looked = http.put(own.replace("-self", "-accessor"), json={"accessor": accessor}, headers=header)
            if looked.is_success:  # else it has ended since
                roots += [accessor] if "root" in looked.json()["data"]["policies"] else []
        assert len(roots) == 1
        http.put(own.replace("lookup", "revoke"), headers=header).raise_for_status()
        assert http.get(own, headers=header).status_code == 403


def test_v6_the_operator_cannot_switch_audit_off_nor_read_the_seal(datacenter: Datacenter) -> None:
    datacenter.vendor("vault", "audit", "disable", "file", code=2)
    assert len(json.loads(datacenter.vendor("vault", "audit", "list", "-format=json"))) >= 2


def test_v11_no_secret_in_argv_or_environment_while_the_cluster_came_up(
    datacenter: Datacenter, sampler: Sampler
) -> None:
    everything = b"".join(sampler.seen)
    assert b"agent\0-config" in everything, "it did look at the machines"
    assert not [name for name, value in datacenter.secrets().items() if value.encode() in everything]


def test_v11_no_secret_in_argv_or_environment_now(datacenter: Datacenter) -> None:
    for machine in datacenter.machines():
        seen = _processes(datacenter, machine)
        assert b"agent\0-config" in seen
        assert not [name for name, value in datacenter.secrets().items() if value.encode() in seen], machine.name


def test_v11_no_secret_in_user_data_or_bundle(datacenter: Datacenter) -> None:
    for machine in datacenter.machines():
        read = machine.sh(
            "cat /etc/hashistack/user-data && cat $(find /opt/hashistack/bundles /opt/hashistack/artifacts -type f)"
        )
        assert "HS_BUNDLE" in read
        assert not [name for name, value in datacenter.secrets().items() if value in read], machine.name


def test_k1_no_machine_has_the_key_of_the_ca(datacenter: Datacenter) -> None:
    wanted = "\n".join(_traces(datacenter.authority()[1]))
    for machine in datacenter.machines():
        own = "\n".join(_traces(machine.role_document()["key"]))
        assert "/run/hashistack/nomad/tls/key.pem" in machine.run(_SEARCH, {"WANTED": own})[1], "it would find a key"
        assert machine.run(f"{_SEARCH} 2>/dev/null", {"WANTED": wanted})[1] == "", machine.name


def test_k1_no_key_is_in_a_plain_export_of_the_state(datacenter: Datacenter) -> None:
    state = datacenter.project.pulumi("stack", "export")
    assert "hashistack:index:ClusterSecrets" in state
    assert "PRIVATE KEY" not in state
    assert not [name for name, value in datacenter.secrets().items() if value in state]


def _processes(datacenter: Datacenter, machine: Machine) -> bytes:
    """The argv and environment of all of a machine's processes, by a root that may look at every user's."""
    container = datacenter.client.containers.create(
        machine.container.image,
        ["-c", _PROCESSES],
        entrypoint="sh",
        network_mode="none",
        pid_mode=f"container:{machine.container.id}",
        cap_add=["SYS_PTRACE"],
    )
    try:
        container.start()
        container.wait()
        seen: bytes = container.logs(stderr=False)
        return seen
    finally:
        container.remove(force=True, v=True)


def _traces(key: str) -> list[str]:
    """Texts that give a private key away, in each of the forms that it could be written in."""
    private = load_pem_private_key(key.encode(), None)
    assert isinstance(private, EllipticCurvePrivateKey)
    forms = (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL)
    lines = [private.private_bytes(Encoding.PEM, form, NoEncryption()).decode().splitlines() for form in forms]
    # In PKCS 8 the secret number ends on the second line of base64; in the older form it is on the first.
    return [lines[0][2], lines[1][1], f"{private.private_numbers().private_value:064x}"]

"""render: fragments, facts and secrets become one file a product, or everything stays as it was."""

from __future__ import annotations

import json
import stat
from typing import Any

import pytest

from .cases import CASES, configuration, role
from .documents import CERTIFICATE, DOCUMENTS
from .sandbox import ADDRESS, USERS, Sandbox

RENDER = "/opt/hashistack/current/bin/render"
RUN = "/run/hashistack"
NASTY = 'it\'s "quoted"\n\nback\\slash \\n $HOME $(id) `id` ${x} %s \\u0041 \t* é \U0001f511 {{ip}} ]]> trailing \n'
"""What shells, JSON, jq and printf make something else of."""


def booting(machine: Sandbox, case: str = "minimal", pool: str = "server") -> Sandbox:
    """The machine, at the point where `boot` runs `render`."""
    machine.install_bundle(CASES[case].bundle(pool), role(pool), pool)
    machine.facts(DOCUMENTS[role(pool)])
    return machine


@pytest.fixture
def server(machine: Sandbox) -> Sandbox:
    return booting(machine)


def fragment(machine: Sandbox, path: str, contents: Any) -> None:
    machine.bundle_path(f"conf/{path}").write_text(json.dumps(contents))


def rendered(machine: Sandbox, product: str) -> Any:
    return json.loads(machine.read(f"{RUN}/{product}/{product}.json"))


def filled(value: Any, pool: str) -> Any:
    """What render must make of a configuration, said again in another language."""
    if isinstance(value, dict):
        return {key: filled(inner, pool) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, pool) for inner in value]
    if not isinstance(value, str):
        return value
    numbers = {"{{servers}}": 3, "{{quorum}}": 2, "{{expect}}": 3}
    if value in numbers:
        return numbers[value]
    facts = {"id": "i-1", "name": "web-1", "ip": ADDRESS, "zone": "z1", "bundle": "b" * 64}
    known = {**facts, **{f"secret.{key}": secret for key, secret in DOCUMENTS[role(pool)].items()}}
    for name, secret in known.items():
        value = value.replace(f"{{{{{name}}}}}", secret)
    return value


@pytest.mark.parametrize(
    ("case", "pool"), [("minimal", "server"), ("five-servers-two-pools", "web"), ("awskms-seal", "server")]
)
def test_each_product_gets_its_fragments_merged_and_filled(machine: Sandbox, case: str, pool: str) -> None:
    booting(machine, case, pool)
    done = machine.run(RENDER)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    bundle = CASES[case].bundle(pool)
    products = {"consul", "nomad", "unbound", *({"server": ["vault"], "web": ["docker"]}[pool])}
    assert {path.name for path in machine.path(RUN).iterdir() if path.is_dir()} == {*products, "api"}
    for product in products - {"unbound"}:
        assert rendered(machine, product) == filled(configuration(bundle, product), pool)
    assert machine.read(f"{RUN}/unbound/unbound.conf") == filled(configuration(bundle, "unbound")["text"], pool)
    assert machine.read(f"{RUN}/unbound/stub.conf") == bundle.files["stub.conf"].decode()
    for product in products - {"unbound", "docker"}:
        for kind in ("ca", "cert", "key"):
            assert machine.read(f"{RUN}/{product}/tls/{kind}.pem") == CERTIFICATE[kind]


@pytest.mark.parametrize("pool", ["server", "workers"])
def test_a_product_reads_its_own_files_alone_and_writes_its_data_alone(machine: Sandbox, pool: str) -> None:
    booting(machine, "minimal", pool)
    assert machine.run(RENDER).returncode == 0
    for way in ("run", "run/hashistack", "var", "var/lib", "var/lib/hashistack"):
        machine.path(f"/{way}").chmod(0o755)  # as `boot` has it
    for product in {path.name for path in machine.path(RUN).iterdir() if path.is_dir()} - {"api"}:
        owner = "root" if (product, pool) == ("nomad", "workers") else product
        group = USERS.get(owner, 0)
        for path in (machine.path(f"{RUN}/{product}"), *machine.path(f"{RUN}/{product}").rglob("*")):
            found = path.stat()
            assert (found.st_uid, found.st_gid) == (0, group), path
            assert stat.S_IMODE(found.st_mode) == (0o750 if path.is_dir() else 0o640), path
        data = machine.path(f"/var/lib/hashistack/{product}").stat()
        assert (data.st_uid, stat.S_IMODE(data.st_mode)) == (group, 0o700)
    as_consul = ("setpriv", "--reuid=501", "--regid=501", "--clear-groups", "sh", "-c")
    tried = {
        f"cat {RUN}/consul/consul.json {RUN}/consul/tls/key.pem": True,
        "touch /var/lib/hashistack/consul/data": True,
        f": >>{RUN}/consul/consul.json": False,
        f": >{RUN}/consul/more.json": False,
        f"cat {RUN}/nomad/nomad.json": False,
        f"cat {RUN}/nomad/tls/key.pem": False,
        f"cat {RUN}/secrets.json": False,
        "ls /var/lib/hashistack/nomad": False,
    }
    assert {command: machine.run(*as_consul, command).returncode == 0 for command in tried} == tried


def test_later_fragments_win_and_lists_are_replaced(server: Sandbox) -> None:
    fragment(server, "consul/90-site.json", {"retry_join": ["other"], "acl": {"token_ttl": "5s"}, "new": {"a": [1]}})
    fragment(server, "consul/95-last.json", {"acl": {"token_ttl": "6s"}})
    fragment(server, "consul/91-more.json", {"new": {"b": None, "a": []}})
    assert server.run(RENDER).returncode == 0
    expected = filled(configuration(CASES["minimal"].bundle("server"), "consul"), "server")
    expected["retry_join"] = ["other"]
    expected["acl"]["token_ttl"] = "6s"
    expected["new"] = {"a": [], "b": None}
    assert rendered(server, "consul") == expected


def test_secrets_and_facts_survive_byte_for_byte(server: Sandbox) -> None:
    server.facts({**DOCUMENTS["server"], "consul_gossip": NASTY, "key": NASTY, "ca": NASTY * 50}, zone=NASTY)
    fragment(server, "consul/90-site.json", {"zone": "<{{zone}}>", "twice": "{{zone}}{{secret.consul_gossip}}"})
    fragment(server, "unbound/20-base.json", {"text": NASTY.replace("{{ip}}", "") + "{{zone}}"})
    done = server.run(RENDER)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    consul = rendered(server, "consul")
    assert (consul["encrypt"], consul["zone"], consul["twice"]) == (NASTY, f"<{NASTY}>", NASTY * 2)
    assert server.path(f"{RUN}/consul/tls/key.pem").read_bytes() == NASTY.encode()
    assert server.path(f"{RUN}/vault/tls/ca.pem").read_bytes() == NASTY.encode() * 50
    assert server.read(f"{RUN}/unbound/unbound.conf") == NASTY.replace("{{ip}}", "") + NASTY


def test_what_is_nothing_but_a_placeholder_takes_the_value_with_its_type(server: Sandbox) -> None:
    fragment(server, "consul/90-site.json", {"a": "{{quorum}}", "b": "{{servers}}/{{quorum}}", "c": "{{name}}"})
    assert server.run(RENDER).returncode == 0
    consul = rendered(server, "consul")
    assert (consul["a"], consul["b"], consul["c"]) == (2, "3/2", "web-1")
    assert (consul["bootstrap_expect"], consul["autopilot"]["min_quorum"]) == (3, 2)
    assert rendered(server, "nomad")["server"]["bootstrap_expect"] == 3


@pytest.mark.parametrize(
    "name", ["secret.no_such", "ipv6", "Name", "ip2", " ip ", "", "secret.consul-dns", "GetPrivateIP"]
)
def test_an_unknown_placeholder_is_named_in_one_line_and_nothing_changes(server: Sandbox, name: str) -> None:
    assert server.run(RENDER).returncode == 0
    before = server.tree(RUN)
    fragment(server, "nomad/90-site.json", {"client": {"meta": {"x": f"a {{{{{name}}}}} b"}}})
    fragment(server, "consul/90-site.json", {"datacenter": "changed"})
    done = server.run(RENDER)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "hashistack: can't render /opt/hashistack/current/conf: "
        f"unknown placeholder {{{{{name}}}}} in the configuration of nomad\n"
    )
    assert server.tree(RUN) == before


@pytest.mark.parametrize("lost", ["consul_gossip", "cert", "key"])
def test_a_role_document_that_lacks_something_stops_it_too(server: Sandbox, lost: str) -> None:
    server.facts({key: value for key, value in DOCUMENTS["server"].items() if key != lost})
    before = server.tree(RUN)
    done = server.run(RENDER)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"unknown placeholder {{{{secret.{lost}}}}}" in done.stderr
    assert server.tree(RUN) == before


def test_a_broken_fragment_stops_it_in_one_line_that_shows_no_secret(server: Sandbox) -> None:
    before = server.tree(RUN)
    server.bundle_path("conf/consul/90-site.json").write_text('{"a": ')
    done = server.run(RENDER)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("hashistack: can't render /opt/hashistack/current/conf: jq: error")
    assert "the-secret" not in done.stderr
    assert server.tree(RUN) == before


def test_rendering_again_takes_new_secrets_and_keeps_what_unbound_has_learned(server: Sandbox) -> None:
    assert server.run(RENDER).returncode == 0
    known = server.read(f"{RUN}/unbound/stub.conf") + "  stub-addr: 10.0.0.2@8600\n"
    server.write(f"{RUN}/unbound/stub.conf", known)
    server.write(f"{RUN}/unbound.sock", "its socket")
    server.facts({**DOCUMENTS["server"], "consul_gossip": "renewed", "cert": "renewed too"})
    assert server.run(RENDER).returncode == 0
    assert server.read(f"{RUN}/unbound/stub.conf") == known
    assert server.path(f"{RUN}/unbound/stub.conf").stat().st_gid == USERS["unbound"]
    assert rendered(server, "consul")["encrypt"] == "renewed"
    assert server.read(f"{RUN}/nomad/tls/cert.pem") == "renewed too"
    assert not [path for path in server.tree(RUN) if ".old" in path or ".new" in path]


def test_rendering_again_leaves_unbounds_control_socket_where_it_is(server: Sandbox) -> None:
    assert server.run(RENDER).returncode == 0
    (line,) = [line for line in server.read(f"{RUN}/unbound/unbound.conf").splitlines() if "control-interface" in line]
    server.write(line.split()[-1], "what unbound made when it started")
    assert server.run(RENDER).returncode == 0
    assert server.read(line.split()[-1]) == "what unbound made when it started"


def test_what_an_interrupted_render_left_does_no_harm(server: Sandbox) -> None:
    server.write("/run/hashistack.new/consul/stray.json", "{}")
    server.write(f"{RUN}/nomad.old/nomad.json", "{}")
    assert server.run(RENDER).returncode == 0
    assert not server.path("/run/hashistack.new").exists()
    assert not server.path(f"{RUN}/nomad.old").exists()
    assert "consul/stray.json" not in server.tree(RUN)


def test_the_data_of_a_product_is_left_alone(server: Sandbox) -> None:
    server.write("/var/lib/hashistack/vault/raft/raft.db", "everything")
    assert server.run(RENDER).returncode == 0
    assert server.read("/var/lib/hashistack/vault/raft/raft.db") == "everything"

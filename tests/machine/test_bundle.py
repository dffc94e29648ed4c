"""The bundle and the user data as what they are to a machine: a digest that means something, small, and no secret."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hashistack.machine.bundle import SERVER, Bundle, render
from hashistack.machine.user_data import LIMIT_BYTES, user_data
from hashistack.secrets import cluster as secrets
from hashistack.secrets.tokens import gossip_key, token_ids
from hashistack.spec import ClientPool, ClusterSpec, Dns, Network, ServerPool, SpecError
from hashistack.spec.policy import UpgradePolicy
from hashistack.spec.pool import HostVolume
from hashistack.spec.secret_detection import looks_secret

from .cases import CASES, LAPTOP, POOLS, STARTS, Case, binaries, leaves, role

BUNDLE_LIMIT_BYTES = 64 * 1024

_CERTIFICATE = {"ca", "cert", "key"}
DOCUMENTS = {
    SERVER: {*_CERTIFICATE, "consul_gossip", "nomad_gossip", *secrets._TOKENS},
    "client": {*_CERTIFICATE, "consul_gossip", *secrets._FOR_CLIENTS},
}
"""What each role's document holds, and so what its machines can fill in."""


@pytest.mark.parametrize(("case", "pool"), POOLS)
def test_the_digest_is_that_of_the_tarball_and_the_same_twice(case: str, pool: str) -> None:
    first, second = CASES[case].bundle(pool), CASES[case].bundle(pool)
    assert first.tarball == second.tarball
    assert first.sha256 == second.sha256 == hashlib.sha256(first.tarball).hexdigest()
    assert gzip.decompress(first.archive) == first.tarball


def test_each_pool_of_each_case_has_a_digest_of_its_own() -> None:
    digests = {CASES[case].bundle(pool).sha256 for case, pool in POOLS}
    assert len(digests) == len(POOLS)


RENDER_ALL = """
import sys
from {package}.cases import CASES, POOLS
print(*(CASES[case].bundle(pool).sha256 for case, pool in POOLS))
"""


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONHASHSEED": "0", "LC_ALL": "C", "PYTHONUTF8": "0"},
        {"PYTHONHASHSEED": "1", "LC_ALL": "tr_TR.ISO-8859-9", "TZ": "Pacific/Apia"},
        {"PYTHONHASHSEED": "4294967295", "LC_ALL": "C.UTF-8", "PYTHONOPTIMIZE": "2"},
    ],
    ids=lambda environment: environment["PYTHONHASHSEED"],
)
def test_the_digest_depends_on_no_hash_seed_locale_timezone_or_directory(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> None:
    program = RENDER_ALL.format(package="machine")
    found = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(request.path.parent.parent), *sys.path]), **environment},
        cwd=tmp_path_factory.mktemp("elsewhere"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.split() == [CASES[case].bundle(pool).sha256 for case, pool in POOLS]


def _flipped(value: Any) -> Any:
    """The same mappings, each in the opposite order."""
    if isinstance(value, dict):
        return {key: _flipped(inner) for key, inner in reversed(list(value.items()))}
    return value


@pytest.mark.parametrize("pool", ["server", "web"])
def test_the_digest_depends_on_no_order_of_mappings_or_binaries(pool: str) -> None:
    case = CASES["five-servers-two-pools"]
    zones = {"a.internal": ("127.0.0.11",), "b.internal": ("10.0.0.2",)}
    platform = replace(case.platform, forward_zones=zones, seal=CASES["awskms-seal"].platform.seal)
    other = replace(
        platform,
        forward_zones=_flipped(zones),
        seal=_flipped(platform.seal),
    )
    data = case.spec.model_dump()
    data["clients"] = [_flipped(client) for client in data["clients"]]
    spec = ClusterSpec.parse(_flipped(data))
    assert spec == case.spec
    assert list(spec.clients[0].meta) != list(case.spec.clients[0].meta), "this test would show nothing"
    before = render(case.spec, pool, platform, binaries(pool))
    after = render(spec, pool, other, tuple(reversed(binaries(pool))))
    assert before.sha256 == after.sha256


def test_the_digest_depends_on_no_order_of_files() -> None:
    files = CASES["minimal"].bundle("server").files
    assert Bundle(_flipped(files)).sha256 == Bundle(files).sha256


CHANGES: dict[str, Callable[[Case], Bundle]] = {
    "the specification": lambda case: render(
        case.spec.model_copy(update={"dns": Dns(cache_max_ttl="59m")}), "workers", case.platform, binaries("workers")
    ),
    "a binary": lambda case: render(
        case.spec,
        "workers",
        case.platform,
        tuple(replace(binary, sha256="f" * 64) if binary.name == "nomad" else binary for binary in binaries("workers")),
    ),
    "the platform": lambda case: render(
        case.spec, "workers", replace(case.platform, upstreams=("10.0.0.2",)), binaries("workers")
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_another_digest_when_something_that_matters_changes(what: str) -> None:
    case = CASES["minimal"]
    assert CHANGES[what](case).sha256 != case.bundle("workers").sha256


def test_what_only_one_pool_is_about_changes_no_other_pool() -> None:
    one = ClusterSpec(name="x", clients=(ClientPool(name="web"), ClientPool(name="batch")))
    two = ClusterSpec(name="x", clients=(ClientPool(name="web", meta={"rack": "2"}), ClientPool(name="batch")))
    digests = [
        {pool: Case(spec, LAPTOP).bundle(pool).sha256 for pool in ("server", "web", "batch")} for spec in (one, two)
    ]
    assert [pool for pool in digests[0] if digests[0][pool] != digests[1][pool]] == ["web"]


@pytest.mark.parametrize(("case", "pool"), POOLS)
def test_the_tarball_holds_plain_files_with_no_trace_of_who_made_it(case: str, pool: str) -> None:
    bundle = CASES[case].bundle(pool)
    with tarfile.open(fileobj=io.BytesIO(bundle.tarball)) as archive:
        members = archive.getmembers()
        assert {member.name: archive.extractfile(member).read() for member in members} == bundle.files  # type: ignore[union-attr]
    for member in members:
        assert member.isreg(), member.name
        assert not member.name.startswith("/")
        assert ".." not in member.name.split("/")
        assert (member.uid, member.gid, member.mtime, member.uname, member.gname) == (0, 0, 0, "", ""), member.name
        runs = member.name.startswith(("bin/", "sv/"))
        assert member.mode == (0o755 if runs else 0o644), member.name


def test_what_replaces_no_machine_is_not_in_a_bundle() -> None:
    spec = CASES["minimal"].spec
    more = spec.model_copy(
        update={"servers": ServerPool(count=5), "upgrade": UpgradePolicy(drain_deadline="2h", max_kill_timeout="5m")}
    )
    for pool in CASES["minimal"].pools:
        assert render(more, pool, LAPTOP, binaries(pool)).sha256 == CASES["minimal"].bundle(pool).sha256


@pytest.mark.parametrize(("case", "pool"), POOLS)
def test_a_bundle_is_small(case: str, pool: str) -> None:
    size = len(CASES[case].bundle(pool).archive)
    assert size <= BUNDLE_LIMIT_BYTES, f"{size} bytes"


ANY: dict[str, Any] = {
    "role": "client",
    "bundle_sha256": "0" * 64,
    "servers": 5,
    "upgrade": UpgradePolicy(drain_deadline="47h"),
}
LONGEST = {"cluster": "c" * 63 + "-beef", "pool": "p" * 128, "bundle_url": "file:///" + "b" * 1016}


ARN = "arn:aws:secretsmanager:ap-southeast-1:123456789012:secret:"
AWS = {
    "HS_REGION": "ap-southeast-1",
    "HS_BUCKET": "b" * 63,
    "HS_SECRET_SERVER": ARN + "s" * 80,
    "HS_SECRET_VAULT_INIT": ARN + "v" * 80,
}
ON_AWS = {"bundle_url": f"s3://{'b' * 63}/bundles/{'0' * 64}.tar.gz", "environment": AWS}


@pytest.mark.parametrize("platform", ["local", "aws"])
def test_user_data_is_small_even_with_the_longest_names(platform: str) -> None:
    text = user_data(start=STARTS[platform], **{**ANY, **LONGEST, **(ON_AWS if platform == "aws" else {})})
    assert len(text.encode()) <= LIMIT_BYTES == 4096


@pytest.mark.parametrize("name", ["HS_X=1; reboot", "hs_x", "PATH", "HS_", "", "HS_X\n"])
def test_metadata_of_a_name_that_sh_would_run_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="a name of metadata is"):
        user_data(start=STARTS["aws"], cluster="x", pool="p", bundle_url="s3://b/k", environment={name: "x"}, **ANY)


def test_user_data_that_is_too_long_is_refused_with_its_size() -> None:
    url = "file:///" + "b" * 4096
    with pytest.raises(ValueError, match=r"^user data is \d{4} bytes, the limit is 4096: shorten the bundle's URL$"):
        user_data(start=STARTS["local"], cluster="x", pool="p", bundle_url=url, **ANY)


TOKENS = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"  # a Consul or Nomad token
    r"|-----BEGIN"
    r"|\bhv[sbr]\.\w"
    r"|(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{43}=(?![A-Za-z0-9+/=])"  # 32 bytes in base64
    r"|\bA(?:KIA|SIA)[A-Z0-9]{16}\b"
)


def test_the_pattern_for_tokens_knows_one() -> None:
    for token in (gossip_key(), *token_ids(("one",)).values(), "hvs.CAESIJ", "-----BEGIN PRIVATE KEY-----"):
        assert TOKENS.search(f'"{token}"'), token


@pytest.mark.parametrize(("case", "pool"), POOLS)
def test_no_secret_is_in_bundle_or_user_data(case: str, pool: str) -> None:
    bundle = CASES[case].bundle(pool)
    texts = {path: data.decode() for path, data in bundle.files.items()}
    texts["user data"] = CASES[case].user_data(pool, bundle.sha256)
    for path, text in texts.items():
        assert TOKENS.findall(text) == [], path
        assert not any(looks_secret(word) for word in re.split(r"[\s\"'=]+", text)), path
    values = [leaf for path in texts if path.endswith(".json") for leaf in leaves(json.loads(texts[path]))]
    secret_fields = re.compile(r"(^|[._])(token|tokens|password|encrypt|secret\w*|access_key|key_pem)([._]|$)")
    named = {(path, value) for path, value in values if secret_fields.search(path) and isinstance(value, str)}
    plain = {path for path, value in named if not re.fullmatch(r"\{\{secret\.[a-z_]+\}\}", value)}
    # The bootstrap's list of tokens has the names of policies, its roles a token's life; Nomad's wait for one has a
    # name like them.
    known = r"token_(ttl|max_ttl|type|policies|period|persistence|preflight_check\.base)$"
    assert {path for path in plain if not re.search(known, path)} <= {
        path for path in plain if path.startswith("consul.tokens.")
    }, plain


@pytest.mark.parametrize(("case", "pool"), POOLS)
def test_a_machine_asks_only_for_what_its_role_may_read(case: str, pool: str) -> None:
    files = CASES[case].bundle(pool).files
    rendered = [data.decode() for path, data in files.items() if path.endswith(".json")]
    asked = {key for text in rendered for key in re.findall(r"\{\{secret\.([^}]*)\}\}", text)}
    asked |= set(json.loads(files["bootstrap.json"])["consul"]["tokens"]) if pool == SERVER else set()
    assert {"consul_gossip", "consul_dns"} <= asked
    assert asked <= DOCUMENTS[role(pool)]


@pytest.mark.parametrize(("case", "pool"), POOLS)
def test_the_only_placeholders_are_those_that_render_knows(case: str, pool: str) -> None:
    known = ("bundle", "expect", "id", "ip", "name", "quorum", "servers", "zone")
    for path, data in CASES[case].bundle(pool).files.items():
        if path.startswith("conf/"):
            for name in re.findall(r"\{\{(.*?)\}\}", data.decode()):
                assert name in known or name.startswith("secret."), f"{path}: {name}"


HOSTILE = ("$(x)", "`x`", "${x}", "{{secret.key}}", "x\ny", "x\x00y", "'; x; '", '"; x; "', "x y", "é")
NAMES: dict[str, Callable[[str], ClusterSpec]] = {
    "name": lambda text: ClusterSpec(name=text),
    "datacenter": lambda text: ClusterSpec(datacenter=text),
    "region": lambda text: ClusterSpec(region=text),
    "clients.name": lambda text: ClusterSpec(clients=(ClientPool(name=text),)),
    "clients.node_class": lambda text: ClusterSpec(clients=(ClientPool(name="p", node_class=text),)),
    "clients.meta key": lambda text: ClusterSpec(clients=(ClientPool(name="p", meta={text: "v"}),)),
    "clients.host_volumes": lambda text: ClusterSpec(
        clients=(ClientPool(name="p", host_volumes={text: HostVolume(path="/srv")}),)
    ),
    "dns.domain": lambda text: ClusterSpec(dns=Dns(domain=text)),
    "dns.upstreams": lambda text: ClusterSpec(dns=Dns(upstreams=("9.9.9.9", text))),
    "dns.cache_max_ttl": lambda text: ClusterSpec(dns=Dns(cache_max_ttl=text)),
    "network.bridge": lambda text: ClusterSpec(network=Network(bridge=text)),
}
TEXTS: dict[str, Callable[[str], ClusterSpec]] = {
    "clients.meta value": lambda text: ClusterSpec(clients=(ClientPool(name="p", meta={"k": text}),)),
    "clients.host_volumes.path": lambda text: ClusterSpec(
        clients=(ClientPool(name="p", host_volumes={"v": HostVolume(path=f"/{text}")}),)
    ),
    "tags": lambda text: ClusterSpec(tags={"k": text}),
}


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("field", NAMES)
def test_a_name_that_a_program_could_run_gets_into_no_specification(field: str, text: str) -> None:
    with pytest.raises(SpecError):
        NAMES[field](text)


@pytest.mark.parametrize("text", HOSTILE[:6])
@pytest.mark.parametrize("field", TEXTS)
def test_text_that_something_would_expand_gets_into_no_specification(field: str, text: str) -> None:
    with pytest.raises(SpecError):
        TEXTS[field](text)

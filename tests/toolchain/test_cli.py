"""`hashistack toolchain` for people and for programs."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from typer.testing import CliRunner

from hashistack.cli.commands.toolchain import app
from hashistack.toolchain import cache
from hashistack.toolchain.build import recipe
from hashistack.toolchain.tool import Wanted

from .conftest import written


@pytest.fixture
def run():
    """Run a command; returns its exit code, output and error output."""

    def run(*arguments: str) -> tuple[int, str, str]:
        result = CliRunner().invoke(app, list(arguments))
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result.exit_code, result.stdout, result.stderr

    return run


def test_an_empty_cache_says_what_to_do(run):
    assert run("list") == (0, "The cache is empty: `hashistack toolchain fetch`.\n", "")
    assert run("list", "-o", "json") == (0, "[]\n", "")


def test_fetch_list_and_verify_as_data(run, mirror, make):
    archive = mirror.nomad(make.zipped("nomad", make.program("Nomad v1.11.3")))
    code, out, _ = run("fetch", "nomad", "--arch", "amd64", "--sha256", archive, "-o", "json")
    assert code == 0
    (row,) = json.loads(out)
    assert (row["name"], row["version"], row["arch"], row["source"]) == ("nomad", "1.11.3", "amd64", "mirror")
    (listed,) = json.loads(run("list", "-o", "json")[1])
    assert listed["path"] == row["path"]
    assert listed["place"] == f"{mirror.url}/nomad/1.11.3"
    code, out, _ = run("verify", "-o", "json")
    assert (code, json.loads(out)[0]["ok"]) == (0, True)


def test_the_table_names_every_tool(run, mirror, make):
    mirror.nomad(make.zipped("nomad", make.program("Nomad v1.11.3")))
    run("fetch", "nomad", "--arch", "amd64")
    code, out, _ = run("list")
    assert code == 0
    assert "nomad" in out
    assert "mirror" in out


def test_what_a_build_leaves_out_is_listed(run, make):
    wanted = Wanted("vault", "1.21.2", "amd64")
    staged = cache.staging(wanted)
    (staged / "vault").write_bytes(make.program("Vault v1.21.2"))
    without = recipe.load("vault", "1.21.2").settings.without
    cache.keep(wanted, staged, cache.Origin("source build", "recipe vault-1.21.2", without=without))
    code, out, _ = run("list")
    assert code == 0
    assert without
    for left_out in without:
        assert f"vault 1.21.2, built from source, is without {left_out}" in out
    assert json.loads(run("list", "-o", "json")[1])[0]["without"] == list(without)


def test_a_refused_digest_is_one_clear_text_and_exit_code_2(run, mirror, make):
    mirror.nomad(make.zipped("nomad", make.program("x")))
    code, out, err = run("fetch", "nomad", "--arch", "amd64", "--sha256", "c" * 64)
    assert (code, out) == (2, "")
    assert f"expected {'c' * 64}: refused" in err
    assert "Traceback" not in err


def test_an_altered_tool_makes_verify_fail(run, mirror, make):
    mirror.nomad(make.zipped("nomad", make.program("Nomad v1.11.3")))
    (row,) = json.loads(run("fetch", "nomad", "--arch", "amd64", "-o", "json")[1])
    with open(row["path"], "ab") as file:  # noqa: PTH123
        file.write(b"!")
    assert run("verify", "-o", "json")[0] == 2


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("fetch", "terraform"), "unknown tool terraform"),
        (("fetch", "--version", "1.11.3"), "--version is of one tool"),
        (("fetch", "nomad", "consul", "--sha256", "d" * 64), "--sha256 is the digest of one tool"),
        (("build", "nomad", "--version", "1.0.0"), "there is no recipe for nomad 1.0.0"),
    ],
)
def test_wrong_arguments_are_said(run, arguments, text):
    code, _, err = run(*arguments)
    assert code == 2
    assert text in " ".join(err.replace("│", " ").split())


def test_packages_are_signed_and_say_where_they_are(run, mirror, make, tmp_path):
    mirror.nomad(make.zipped("nomad", make.program("Nomad v1.11.3")))
    key = tmp_path / "ours.rsa"
    code, out, err = run("package", "nomad", "--key", str(key))
    assert (code, out) == (2, "")
    assert f"openssl genrsa -out {key} 4096" in err
    written(rsa.generate_private_key(65537, 2048), key)
    arguments = ("--key", str(key), "--arch", "amd64", "--directory", str(tmp_path / "packages"), "--format", "apk")
    code, out, err = run("package", "nomad", *arguments, "-o", "json")
    assert code == 0, err
    (row,) = json.loads(out)
    assert row["path"] == str(tmp_path / "packages/x86_64/nomad-1.11.3-r0.apk")
    assert (tmp_path / "packages/ours.rsa.pub").read_bytes().startswith(b"-----BEGIN PUBLIC KEY-----")
    assert run("package", "pulumi", *arguments)[0] == 2

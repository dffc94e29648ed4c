"""Where a tool is looked for, in what order, and what a failure says."""

import hashlib
import threading
import time
from pathlib import Path

import pytest

from hashistack.toolchain import ToolError, entries, resolve
from hashistack.toolchain.build import source
from hashistack.toolchain.resolution import meanwhile
from hashistack.toolchain.tool import Wanted


def test_sources_are_asked_in_order_and_a_failure_names_them_all(site, monkeypatch):
    with pytest.raises(ToolError) as caught:
        resolve("nomad", "1.11.3")
    lines = str(caught.value).splitlines()
    assert lines[0] == "nomad 1.11.3 linux/amd64 is not to be had. Tried, in order:"
    assert lines[1].startswith("  1. cache (")
    assert lines[2] == "  2. mirror: HASHISTACK_MIRROR is not set"
    assert lines[3].startswith(f"  3. official release: {site.url}/official/nomad/1.11.3/")
    assert lines[3].endswith("answers 404")
    assert lines[4] == "  4. source build: the source build was reached"
    assert "hashistack toolchain fetch nomad --version 1.11.3 --arch amd64" in lines[5]


def test_the_mirror_comes_before_the_official_release(mirror, make):
    mirror.nomad(make.zipped("nomad", make.program("from the mirror")))
    mirror.nomad(make.zipped("nomad", make.program("from the vendor")), site="official/")
    tool = resolve("nomad", "1.11.3")
    assert tool.source == "mirror"
    assert tool.path.read_bytes() == make.program("from the mirror")
    assert tool.sha256 == hashlib.sha256(make.program("from the mirror")).hexdigest()


def test_what_the_mirror_lacks_comes_from_the_official_release(mirror, make):
    mirror.nomad(make.zipped("nomad", make.program("from the vendor")), site="official/")
    assert resolve("nomad", "1.11.3").source == "official release"


def test_a_mirror_may_be_a_directory(site, make, tmp_path, monkeypatch):
    site.nomad(make.zipped("nomad", make.program("in a directory")))
    site.write(tmp_path / "mirror")
    monkeypatch.setenv("HASHISTACK_MIRROR", str(tmp_path / "mirror"))
    assert resolve("nomad", "1.11.3").source == "mirror"
    assert site.asked == []


def test_the_cache_has_the_layout_that_others_rely_on(mirror, make, cache):
    mirror.nomad(make.zipped("nomad", make.program("x")))
    tool = resolve("nomad", "1.11.3")
    assert tool.path == cache / "tools/nomad/1.11.3/amd64" / tool.sha256 / "nomad"
    assert tool.path.stat().st_mode & 0o777 == 0o755
    assert {file.name for file in tool.path.parent.iterdir()} == {"nomad", "origin.json"}
    assert not list((cache / "downloads").iterdir())


def test_a_cached_tool_asks_no_mirror_and_reads_no_bytes(mirror, make, monkeypatch):
    mirror.nomad(make.zipped("nomad", make.program("x", padding=1 << 20)))
    first = resolve("nomad", "1.11.3")
    asked = len(mirror.asked)
    monkeypatch.setattr("hashlib.file_digest", None)  # hashing now would be an error
    started = time.process_time()
    for _ in range(100):
        assert resolve("nomad", "1.11.3") == first
    assert (time.process_time() - started) / 100 < 0.01
    assert len(mirror.asked) == asked


def test_a_dynamic_executable_is_passed_over_when_a_static_one_is_needed(mirror, make):
    mirror.nomad(make.zipped("nomad", make.program("glibc", dynamic=True)))
    assert resolve("nomad", "1.11.3").source == "mirror"
    with pytest.raises(ToolError, match=r"mirror: it is linked against the C library(.|\n)*source build was reached"):
        resolve("nomad", "1.11.3", static=True)
    mirror.nomad(make.zipped("nomad", make.program("musl")), site="official/")
    assert resolve("nomad", "1.11.3", static=True).source == "official release"
    assert len(entries()) == 2


def test_the_plugins_are_one_directory_known_by_its_listing(mirror, make):
    plugins = {"./bridge": make.program("CNI bridge plugin v1.9.0"), "./loopback": make.program("CNI v1.9.0")}
    papers = {"./LICENSE": b"the licence"}
    archive = "cni-plugins-linux-amd64-v1.9.0.tgz"
    mirror.publish("cni/1.9.0", archive, make.tarred(plugins | papers), f"{archive}.sha256")
    tool = resolve("cni", "1.9.0")
    assert {file.name for file in tool.path.iterdir()} == {"bridge", "loopback"}
    listing = "".join(
        f"{hashlib.sha256(plugins[f'./{name}']).hexdigest()}  {name}\n" for name in ("bridge", "loopback")
    )
    assert tool.sha256 == hashlib.sha256(listing.encode()).hexdigest()


def test_no_route_fails_fast(monkeypatch, site, make):
    mirror = "http://192.0.2.1:9"  # reserved for documentation: nothing ever answers there
    monkeypatch.setenv("HASHISTACK_MIRROR", mirror)
    site.nomad(make.zipped("nomad", make.program("x")), site="official/")
    started = time.monotonic()
    assert resolve("nomad", "1.11.3").source == "official release"
    assert time.monotonic() - started < 15  # a connection has 3 s, an answer 20


def test_a_cache_that_cannot_be_written_is_said(mirror, make, cache):
    mirror.nomad(make.zipped("nomad", make.program("x")))
    cache.write_text("a file where the directory should be")
    with pytest.raises(ToolError, match=r"cannot be written(.|\n)*Next: .*HASHISTACK_CACHE"):
        resolve("nomad", "1.11.3")


def test_a_mirror_that_is_no_url_is_passed_over(site, make, monkeypatch):
    monkeypatch.setenv("HASHISTACK_MIRROR", "http://[")
    site.nomad(make.zipped("nomad", make.program("x")), site="official/")
    assert resolve("nomad", "1.11.3").source == "official release"


def test_progress_is_said_at_once(mirror, make):
    mirror.nomad(make.zipped("nomad", make.program("x")))
    said: list[str] = []
    resolve("nomad", "1.11.3", progress=said.append)
    assert said[0].startswith("nomad 1.11.3 linux/amd64: downloading")
    assert said[0].endswith(" s")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("terraform", "1.0.0"), "unknown tool 'terraform'"),
        (("nomad", "latest"), "version 'latest' is not of the form"),
        (("nomad", "1.11.3", "riscv64"), "architecture 'riscv64'"),
    ],
)
def test_nonsense_is_refused_by_name(arguments, text):
    with pytest.raises(ToolError, match=text):
        resolve(*arguments)


def _install(directory: Path, version: str, *, host: bool = True) -> dict[str, str]:
    """A pulumi that a user has installed; returns what `which` finds."""
    directory.mkdir()
    script = directory / "pulumi"
    script.write_text(f"#!/bin/sh\necho v{version}\n")
    script.chmod(0o755)
    found = {"pulumi": str(script)}
    if host:
        found["pulumi-language-python"] = str(directory / "pulumi-language-python")
    return found


def _publish_pulumi(site, make, files: dict[str, bytes]) -> None:
    site.publish(
        "pulumi/3.259.0",
        "pulumi-v3.259.0-linux-x64.tar.gz",
        make.tarred({f"pulumi/{name}": content for name, content in files.items()}),
        "pulumi-3.259.0-checksums.txt",
    )


def test_the_users_own_pulumi_is_taken_when_it_is_the_pinned_one(mirror, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.which", _install(tmp_path / "bin", "3.259.0").get)
    tool = resolve("pulumi", "3.259.0")
    assert (tool.source, tool.path) == ("PATH", tmp_path / "bin/pulumi")
    assert mirror.asked == []


@pytest.mark.parametrize(
    ("version", "host", "why"),
    [("3.1.0", True, "is 3.1.0"), ("3.259.0", False, "has no pulumi-language-python")],
)
def test_another_pulumi_on_path_is_passed_over(site, tmp_path, monkeypatch, version, host, why):
    monkeypatch.setattr("shutil.which", _install(tmp_path / "bin", version, host=host).get)
    with pytest.raises(ToolError, match=f"1. PATH: .*{why}"):
        resolve("pulumi", "3.259.0")


def test_pulumi_without_a_language_host_gets_ours(mirror, make):
    _publish_pulumi(mirror, make, {"pulumi": make.program("v3.259.0")})
    host = resolve("pulumi", "3.259.0").path.with_name("pulumi-language-python")
    assert host.stat().st_mode & 0o111
    assert "-P -m hashistack.toolchain.pulumi_python.host" in host.read_text()
    host.write_text(host.read_text().replace("python=", "python=/gone/", 1))
    resolve("pulumi", "3.259.0")
    assert "/gone/" not in host.read_text()


def test_the_vendors_language_host_is_kept(mirror, make):
    vendors = make.program("the real one")
    _publish_pulumi(mirror, make, {"pulumi": make.program("v3.259.0"), "pulumi-language-python": vendors})
    tool = resolve("pulumi", "3.259.0")
    resolve("pulumi", "3.259.0")
    assert tool.path.with_name("pulumi-language-python").read_bytes() == vendors


def test_what_comes_next_is_fetched_meanwhile_and_what_must_be_built_is_prepared(mirror, make, monkeypatch):
    mirror.nomad(make.zipped("nomad", make.program("x")))
    prepared: list[Wanted] = []
    done = threading.Event()

    def download(wanted: Wanted) -> None:
        prepared.append(wanted)
        done.set()

    monkeypatch.setattr(source, "download", download)
    wanted = [Wanted("nomad", "1.11.3", "amd64"), Wanted("vault", "1.21.2", "amd64")]
    with meanwhile(wanted):
        assert done.wait(30)
    assert [entry.tool.name for entry in entries()] == ["nomad"]
    assert prepared == wanted[1:]


def test_what_fails_in_the_background_is_said_by_whoever_asks(site, monkeypatch):
    monkeypatch.setattr(source, "download", lambda wanted: None)
    with (
        meanwhile([Wanted("nomad", "1.11.3", "amd64")]),
        pytest.raises(ToolError, match="the source build was reached"),
    ):
        resolve("nomad", "1.11.3")

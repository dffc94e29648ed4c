"""Downloads that are cut, damaged or not what they should be."""

import hashlib
import subprocess
import sys
import zipfile

import pytest

from hashistack.toolchain import DigestRefused, ToolError, entries, resolve


def test_a_cut_download_is_resumed_where_it_ended(mirror, make):
    archive = make.zipped("nomad", make.program("resumed", padding=1 << 20))
    mirror.nomad(archive)
    mirror.cut, mirror.cut_after = 2, 300_000
    assert resolve("nomad", "1.11.3").path.read_bytes() == make.program("resumed", padding=1 << 20)
    first, second, third = mirror.archives_asked()
    assert first == ""
    assert 0 < int(second[6:-1]) < int(third[6:-1]) <= 600_000
    assert mirror.sent < len(archive) + 300_000


def test_a_site_without_ranges_is_asked_for_the_whole_again(mirror, make):
    mirror.nomad(make.zipped("nomad", make.program("whole", padding=1 << 20)))
    mirror.ranges = False
    mirror.cut, mirror.cut_after = 1, 300_000
    assert resolve("nomad", "1.11.3").path.read_bytes() == make.program("whole", padding=1 << 20)


def test_the_next_run_goes_on_where_the_last_one_gave_up(mirror, make, cache):
    mirror.nomad(make.zipped("nomad", make.program("later", padding=1 << 20)))
    mirror.cut, mirror.cut_after = 1, 300_000
    with pytest.raises(KeyboardInterrupt):
        resolve("nomad", "1.11.3", progress=_interrupt_after_a_cut(mirror))
    (part,) = (cache / "downloads").glob("*/*.part")
    have = part.stat().st_size
    assert have > 0
    mirror.asked.clear()
    resolve("nomad", "1.11.3")
    assert mirror.archives_asked() == [f"bytes={have}-"]


def _interrupt_after_a_cut(site):
    def progress(text: str) -> None:
        if "downloading" in text and site.cut == 0 and len(site.archives_asked()) > 1:
            raise KeyboardInterrupt

    return progress


def test_a_site_that_sends_nothing_is_given_up(mirror, make):
    mirror.nomad(make.zipped("nomad", make.program("x")))
    mirror.cut, mirror.cut_after = 1000, 0
    with pytest.raises(ToolError, match=r"2. mirror: http://127.0.0.1:\d+/nomad/1.11.3/nomad_1.11.3_linux_amd64.zip"):
        resolve("nomad", "1.11.3")
    assert mirror.cut >= 990


@pytest.mark.parametrize("damage", [b"damaged", b"longer than the archive " * 100_000])
def test_a_damaged_part_is_thrown_away(mirror, make, cache, damage):
    sha256 = mirror.nomad(make.zipped("nomad", make.program("fresh", padding=1 << 20)))
    part = cache / "downloads" / sha256 / "nomad_1.11.3_linux_amd64.zip.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(damage)
    assert resolve("nomad", "1.11.3").path.read_bytes() == make.program("fresh", padding=1 << 20)


@pytest.mark.parametrize("directory", [False, True])
def test_an_archive_that_is_not_what_the_checksums_say_is_refused_by_name(
    mirror, make, tmp_path, monkeypatch, directory
):
    archive = make.zipped("nomad", make.program("tampered with"))
    mirror.nomad(archive, sha256="a" * 64)
    if directory:
        mirror.write(tmp_path / "mirror")
        monkeypatch.setenv("HASHISTACK_MIRROR", str(tmp_path / "mirror"))
    with pytest.raises(DigestRefused) as caught:
        resolve("nomad", "1.11.3")
    text = str(caught.value)
    assert text.startswith("nomad 1.11.3 linux/amd64: ")
    assert f"{hashlib.sha256(archive).hexdigest()}, expected {'a' * 64}" in text
    assert "refused" in text
    assert "\nNext: " in text or ". Next: " in text
    assert entries() == []


@pytest.mark.parametrize("official", [False, True])
def test_a_digest_that_the_user_did_not_pin_is_refused_by_name(mirror, make, cache, official):
    content = make.program("not the pinned one")
    archive = mirror.nomad(make.zipped("nomad", content), site="official/" if official else "")
    with pytest.raises(DigestRefused) as caught:
        resolve("nomad", "1.11.3", sha256="b" * 64)
    assert str(caught.value).startswith(f"nomad 1.11.3 linux/amd64: downloaded {archive}, expected {'b' * 64}: refused")
    assert entries() == []
    assert not list((cache / "tools").glob("*/*/*/.staging"))


def test_a_pin_is_of_the_archive_or_of_the_executable(mirror, make):
    content = make.program("pinned")
    archive = mirror.nomad(make.zipped("nomad", content))
    executable = hashlib.sha256(content).hexdigest()
    assert resolve("nomad", "1.11.3", sha256=archive).sha256 == executable
    asked = len(mirror.asked)
    assert resolve("nomad", "1.11.3", sha256=executable).sha256 == executable
    assert resolve("nomad", "1.11.3", sha256=archive).sha256 == executable
    assert len(mirror.asked) == asked


def test_a_cached_tool_of_another_digest_is_not_what_is_pinned(mirror, make):
    mirror.nomad(make.zipped("nomad", make.program("first")))
    resolve("nomad", "1.11.3")
    pin = mirror.nomad(make.zipped("nomad", make.program("second")))
    assert resolve("nomad", "1.11.3", sha256=pin).path.read_bytes() == make.program("second")


def test_a_truncated_archive_is_not_unpacked(mirror, make):
    mirror.nomad(make.zipped("nomad", make.program("x", padding=10_000))[:5_000])
    with pytest.raises(ToolError, match=r"mirror: nomad_1.11.3_linux_amd64.zip cannot be unpacked"):
        resolve("nomad", "1.11.3")
    assert entries() == []


def test_a_truncated_tar_is_not_unpacked(mirror, make):
    archive = "cni-plugins-linux-amd64-v1.9.0.tgz"
    content = make.tarred({"./bridge": make.program("x", padding=10_000)})[:5_000]
    mirror.publish("cni/1.9.0", archive, content, f"{archive}.sha256")
    with pytest.raises(ToolError, match=f"mirror: {archive} cannot be unpacked"):
        resolve("cni", "1.9.0")


def test_a_release_without_our_platform_is_passed_over(mirror, make):
    mirror.nomad(make.zipped("nomad", make.program("x")))
    with pytest.raises(ToolError, match=r"mirror: nomad_1.11.3_SHA256SUMS does not list nomad_1.11.3_linux_arm64.zip"):
        resolve("nomad", "1.11.3", "arm64")


def test_an_executable_for_another_machine_is_passed_over(mirror, make):
    mirror.nomad(make.zipped("nomad", make.program("x")), arch="arm64")
    with pytest.raises(ToolError, match=r"mirror: its nomad is for amd64, not linux/arm64"):
        resolve("nomad", "1.11.3", "arm64")
    mirror.nomad(make.zipped("nomad", make.program("x", "arm64")), arch="arm64")
    assert resolve("nomad", "1.11.3", "arm64").arch == "arm64"


def test_an_archive_without_the_tool_is_passed_over(mirror, make):
    mirror.nomad(make.zipped("something-else", make.program("x")))
    with pytest.raises(ToolError, match=r"mirror: it holds no nomad"):
        resolve("nomad", "1.11.3")


def test_zips_may_be_lzma_compressed(mirror, make):
    mirror.nomad(make.zipped("nomad", make.program("lzma", padding=100_000), zipfile.ZIP_LZMA))
    assert resolve("nomad", "1.11.3").path.read_bytes() == make.program("lzma", padding=100_000)


def test_what_a_killed_run_left_behind_is_cleared(mirror, make, cache):
    mirror.nomad(make.zipped("nomad", make.program("x")))
    left = cache / "tools/nomad/1.11.3/amd64/.staging"
    left.mkdir(parents=True)
    (left / "nomad").write_bytes(b"half a prog")
    resolve("nomad", "1.11.3")
    assert [entry.tool.sha256 for entry in entries()] == [hashlib.sha256(make.program("x")).hexdigest()]
    assert not left.exists()


def test_processes_that_want_the_same_tool_fetch_it_once(mirror, make):
    mirror.nomad(make.zipped("nomad", make.program("x", padding=4 << 20)))
    ask = "from hashistack.toolchain import resolve; print(resolve('nomad', '1.11.3').path)"
    running = [subprocess.Popen([sys.executable, "-c", ask], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    paths = {process.communicate(timeout=60)[0] for process in running}
    assert [process.returncode for process in running] == [0] * 4
    assert len(paths) == 1
    assert len(mirror.archives_asked()) == 1

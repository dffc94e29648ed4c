"""What a first build of the machine image says: its stages to the user, all of it to a file that an error names."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from hashistack.local.image import debootstrap
from hashistack.local.image.debootstrap import LOG, ImageError

PACKAGES = 120
SAYS = f"""\
#!/bin/sh
echo "I: Target architecture can be executed"
echo "I: Retrieving InRelease"
for n in $(seq {PACKAGES}); do echo "I: Retrieving p$n 1.0"; echo "I: Validating p$n 1.0"; done
echo "I: Extracting base-files..."
echo "I: Installing core packages..."
for n in $(seq {PACKAGES}); do echo "I: Unpacking p$n..."; done
for n in $(seq {PACKAGES}); do echo "I: Configuring p$n..."; done
for last; do :; done
"""


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A build's directory, with a `unshare` that runs what stands in for debootstrap, as root would."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "debootstrap").write_text(
        SAYS + '[ -z "$FAILS" ] || { echo "E: no route to $last"; exit 1; }\nmkdir "$tree"\n'
    )
    (programs / "unshare").write_text(
        '#!/bin/sh\nshift\nfor one; do before=$arg; arg=$one; done\nexport tree="$before"\nexec "$@"\n'
    )
    for program in programs.iterdir():
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("HASHISTACK_DEBIAN_MIRROR", "http://me:a-password@mirror.example.com/debian")
    made = tmp_path / "work" / "build"
    made.mkdir(parents=True)
    return made


def test_a_build_tells_its_stages_and_keeps_every_line(work: Path) -> None:
    told: list[str] = []
    debootstrap.build(work, "amd64", told.append)
    assert told == [f"machine image: {stage}" for stage in debootstrap._STAGES.values()]
    log = work.parent / LOG.format(user=0)
    assert len(log.read_text().splitlines()) > 4 * PACKAGES
    assert log.stat().st_mode & 0o777 == 0o600


def test_an_error_names_the_file_and_neither_has_the_mirrors_password(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAILS", "yes")
    with pytest.raises(ImageError) as failed:
        debootstrap.build(work, "amd64", lambda text: None)
    log = work.parent / LOG.format(user=0)
    text = str(failed.value)
    assert f"All that it said: {log}" in text
    assert "E: no route to http://mirror.example.com/debian" in text
    assert log.read_text().endswith("E: no route to http://mirror.example.com/debian\n")
    assert "a-password" not in text + log.read_text()


def test_a_later_build_begins_the_file_anew_and_follows_no_link(work: Path, tmp_path: Path) -> None:
    log, elsewhere = work.parent / LOG.format(user=0), tmp_path / "precious"
    elsewhere.write_text("kept")
    log.symlink_to(elsewhere)
    debootstrap.build(work, "amd64", lambda text: None)
    first = log.read_text()
    subprocess.run(["rm", "-rf", work / "tree", work / "rootfs.tar"], check=True)
    debootstrap.build(work, "amd64", lambda text: None)
    assert (log.read_text(), elsewhere.read_text()) == (first, "kept")

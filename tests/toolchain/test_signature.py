"""Releases that the catalog does not pin: the vendor's signature vouches for them, or nothing does."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pysequoia import Cert, SignatureMode, Tsk, sign

from hashistack.toolchain import ToolError, entries, resolve
from hashistack.toolchain.signature import FINGERPRINT, signer
from hashistack.toolchain.tool import SignatureRefused, Wanted

from .conftest import VENDOR

VERSION = "2.0.9"
FOLDER, SUMS = f"nomad/{VERSION}", f"nomad_{VERSION}_SHA256SUMS"
OTHER = Tsk.generate("Somebody <else@example.com>")


def fingerprint(key: Tsk) -> str:
    return key.extract_certificate().fingerprint.upper()


def publish(site, make, where: str = "official/") -> str:
    return site.nomad(make.zipped("nomad", make.program("any release")), version=VERSION, site=where)


def test_any_release_that_the_vendor_signs_is_taken_without_a_digest(site, make):
    archive = publish(site, make)
    tool = resolve("nomad", VERSION)
    assert tool.path.read_bytes() == make.program("any release")
    (entry,) = entries()
    assert (entry.origin.source, entry.origin.archive) == ("official release", archive)
    assert entry.origin.signer == fingerprint(VENDOR)
    asked = len(site.asked)
    assert resolve("nomad", VERSION) == tool
    assert len(site.asked) == asked


def refused(text: str) -> SignatureRefused:
    with pytest.raises(SignatureRefused) as caught:
        resolve("nomad", VERSION)
    told = str(caught.value)
    assert told.startswith(f"nomad {VERSION} linux/amd64: {SUMS}")
    assert text in told
    assert "refused; nothing was kept" in told
    assert "HASHISTACK_RELEASE_KEY=FILE" in told
    assert entries() == []
    return caught.value


def test_checksums_that_were_changed_after_they_were_signed_are_refused(site, make):
    publish(site, make)
    site.files[f"/official/{FOLDER}/{SUMS}"] += b"0" * 64 + b"  another.zip\n"
    refused(f"{SUMS} is not signed by {fingerprint(VENDOR)}")


def test_an_unknown_key_is_refused_and_named(site, make):
    publish(site, make)
    site.sign(f"official/{FOLDER}", SUMS, OTHER)
    told = str(refused(f"is not signed by {fingerprint(VENDOR)}"))
    assert "its signature names " in told
    assert "names ?" not in told


def test_what_is_no_signature_is_refused(site, make):
    publish(site, make)
    site.files[f"/official/{FOLDER}/{SUMS}.sig"] = b"<html>not found</html>"
    refused(f"{SUMS}.sig is no signature")


def test_an_expired_key_is_refused_and_a_renewed_one_is_a_file_away(site, make, tmp_path, monkeypatch):
    publish(site, make)
    whole = VENDOR.extract_certificate()
    expires = datetime.now(UTC) + timedelta(seconds=2)  # a key can't expire before it is made
    old = whole.set_expiration(expires, VENDOR.certifier())
    (tmp_path / "old.asc").write_bytes(bytes(old))
    monkeypatch.setenv("HASHISTACK_RELEASE_KEY", str(tmp_path / "old.asc"))
    while datetime.now(UTC) <= expires:
        time.sleep(0.05)
    refused(
        f"the key {fingerprint(VENDOR)} (HASHISTACK_RELEASE_KEY={tmp_path / 'old.asc'}) expired on {expires:%Y-%m-%d}"
    )
    monkeypatch.setenv("HASHISTACK_RELEASE_KEY", str(tmp_path / "vendor.asc"))
    assert resolve("nomad", VERSION).source == "official release"


def test_a_pin_needs_no_signature(site, make):
    archive = publish(site, make)
    site.sign(f"official/{FOLDER}", SUMS, OTHER)
    assert resolve("nomad", VERSION, sha256=archive).source == "official release"
    with pytest.raises(SignatureRefused):  # the pin vouched for those bytes alone
        resolve("nomad", VERSION)


def test_a_file_that_the_signed_checksums_do_not_list_is_not_taken(site, make):
    site.publish(f"official/{FOLDER}", "another.zip", b"", SUMS)
    with pytest.raises(ToolError, match=f"{SUMS} does not list nomad_{VERSION}_linux_amd64.zip"):
        resolve("nomad", VERSION)


def test_a_site_without_a_signature_is_passed_over(site, make):
    publish(site, make)
    del site.files[f"/official/{FOLDER}/{SUMS}.sig"]
    with pytest.raises(ToolError, match=r"SUMS.sig answers 404, and no digest is given to go without the signature"):
        resolve("nomad", VERSION)


@pytest.mark.parametrize("directory", [False, True])
def test_a_mirror_needs_the_signature_for_what_no_recipe_pins(mirror, make, tmp_path, monkeypatch, directory):
    def lay_out() -> None:
        if directory:
            mirror.write(tmp_path / "mirror")
            monkeypatch.setenv("HASHISTACK_MIRROR", str(tmp_path / "mirror"))

    archive = publish(mirror, make, "")
    lay_out()
    with pytest.raises(ToolError, match=r"mirror: .*SUMS.sig.*, and no digest is given to go without the signature"):
        resolve("nomad", VERSION)
    assert resolve("nomad", VERSION, sha256=archive).source == "mirror"
    mirror.sign(FOLDER, SUMS, OTHER)
    lay_out()
    with pytest.raises(SignatureRefused, match="is not signed by"):
        resolve("nomad", VERSION)
    mirror.sign(FOLDER, SUMS, VENDOR)
    lay_out()
    assert resolve("nomad", VERSION).source == "mirror"


@pytest.mark.parametrize("content", [None, b"no key"])
def test_a_key_that_cannot_be_read_is_named(site, make, tmp_path, monkeypatch, content):
    publish(site, make)
    file = tmp_path / "broken.asc"
    if content:
        file.write_bytes(content)
    monkeypatch.setenv("HASHISTACK_RELEASE_KEY", str(file))
    with pytest.raises(SignatureRefused, match=r"HASHISTACK_RELEASE_KEY=.*broken.asc is no OpenPGP key: "):
        resolve("nomad", VERSION)


def test_a_release_that_is_not_to_be_had_names_one_that_is(site):
    with pytest.raises(ToolError, match=r'or declare one that is pinned here: versions: \{nomad: "1.11.3"\}'):
        resolve("nomad", VERSION)


def test_the_key_in_the_package_is_the_vendors(monkeypatch):
    monkeypatch.delenv("HASHISTACK_RELEASE_KEY")
    from hashistack.toolchain import signature

    file = Path(signature.__file__).with_name("hashicorp.asc")
    assert Cert.from_bytes(file.read_bytes()).fingerprint.upper() == FINGERPRINT
    grouped = " ".join(FINGERPRINT[at : at + 4] for at in range(0, 40, 4))
    assert grouped in (Path(__file__).parents[2] / "SECURITY.md").read_text()
    somebodys = sign(OTHER.signer(), b"x", mode=SignatureMode.DETACHED, armor=False)
    with pytest.raises(SignatureRefused, match=f"not signed by {FINGERPRINT} .hashistack's copy of HashiCorp's."):
        signer(Wanted("nomad", VERSION, "amd64"), SUMS, b"x", bytes(somebodys))

"""Free text that reaches machines (tags, node metadata): data only, never a program or a secret."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from hashistack.spec.problems import FieldError, show
from hashistack.spec.secret_detection import looks_secret, names_secret

# What a shell, HCL or a template language would expand, or what breaks a line of configuration.
_UNSAFE = re.compile(r"\$\(|\$\{|%\{|\{\{|`|[\x00-\x1f\x7f]")
_META_KEY = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_TAG_KEY = re.compile(r"[A-Za-z0-9_.:/=+@ -]{1,127}[A-Za-z0-9_.:/=+@-]|[A-Za-z0-9_.:/=+@-]")
_RESERVED = ("hashistack",)
_CLOUD_RESERVED = ("aws:", "goog")


def _plain(value: str) -> str:
    found = _UNSAFE.search(value)
    if found:
        raise FieldError(
            f"has the unsafe characters {show(found[0])}", "Give plain text on one line, without expressions."
        )
    if looks_secret(value):
        raise FieldError(
            "looks like a secret, and the specification holds none",
            "Put it into Vault, or use a Pulumi secret; here, name it only.",
        )
    return value


def _key(value: str, form: re.Pattern[str], what: str, spoken: str) -> str:
    if looks_secret(value):
        raise FieldError("looks like a secret, and the specification holds none", "Remove it, and make a new one.")
    if names_secret(value):
        raise FieldError(
            "names a secret, and the specification holds none", "Put it into Vault, or use a Pulumi secret."
        )
    for prefix in _RESERVED:
        if value.lower().startswith(prefix):
            raise FieldError(f'begins with "{prefix}", which is ours', "Choose another key.")
    if not form.fullmatch(value):
        raise FieldError(f"is not a valid {what} key", f"Use {spoken}.")
    return value


def _meta_key(value: str) -> str:
    return _key(value, _META_KEY, "meta", 'letters, digits, "-" and "_", in parts joined by single dots')


def _tag_key(value: str) -> str:
    for prefix in _CLOUD_RESERVED:
        if value.lower().startswith(prefix):
            raise FieldError(f'begins with "{prefix}", a prefix that is reserved by the cloud', "Choose another key.")
    return _key(value, _TAG_KEY, "tag", "1 to 128 letters, digits, spaces and _ . : / = + - @")


PlainText = Annotated[str, AfterValidator(_plain)]
MetaKey = Annotated[str, AfterValidator(_meta_key)]
TagKey = Annotated[str, AfterValidator(_tag_key)]

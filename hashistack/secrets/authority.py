"""The certificate authority's handler."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from hashistack.provider.handler import Context, Diff, Failure, Handler, Props, changed
from hashistack.secrets.lifetime import Clock, lifetime_failures, renewal_due, utc_now, validity
from hashistack.secrets.names import common_name_failures

if TYPE_CHECKING:
    from hashistack.secrets import pki


class AuthorityHandler(Handler):
    """Inputs: common_name, validity_days, renew_before_days?, rotate?.

    Outputs: cert_pem, key_pem, not_after.
    """

    secret = frozenset({"key_pem"})

    def __init__(self, now: Clock = utc_now) -> None:
        self._now = now

    def check(self, news: Props) -> list[Failure]:
        return common_name_failures(news) + lifetime_failures(news)

    def diff(self, ctx: Context, id: str, olds: Props, news: Props) -> Diff:
        update = changed(olds, news, among=("common_name", "validity_days", "rotate"))
        if not update and renewal_due(olds, news, self._now()):
            update = ("not_after",)
        return Diff(update=update)

    def create(self, ctx: Context, news: Props) -> tuple[str, Props]:
        from hashistack.secrets import pki  # here and below: an `up` without changes needs no cryptography

        made = pki.authority(news["common_name"], validity(news), self._now())
        return f"ca-{uuid.uuid4()}", outputs(made)

    def update(self, ctx: Context, id: str, olds: Props, news: Props) -> Props:
        from hashistack.secrets import pki

        old = (olds["cert_pem"], olds["key_pem"])
        return outputs(pki.authority(news["common_name"], validity(news), self._now(), predecessor=old))


def outputs(made: pki.Issued) -> Props:
    """The state's part of an issued certificate; `not_after` as ISO 8601."""
    return {"cert_pem": made.cert_pem, "key_pem": made.key_pem, "not_after": made.not_after.isoformat()}

"""The role certificate's handler."""

from __future__ import annotations

import uuid

from hashistack.provider.handler import (
    UNKNOWN,
    Context,
    Diff,
    Failure,
    Handler,
    Props,
    ResourceFailed,
    changed,
)
from hashistack.secrets.authority import outputs
from hashistack.secrets.lifetime import Clock, lifetime_failures, renewal_due, utc_now, validity
from hashistack.secrets.names import common_name_failures, dns_name_failures, ip_address_failures

_REISSUED_FOR = (
    "ca_cert_pem",
    "ca_key_pem",
    "common_name",
    "dns_names",
    "ip_addresses",
    "rotate",
    "usages",
    "validity_days",
)


class RoleCertificateHandler(Handler):
    """Inputs: `_REISSUED_FOR` and renew_before_days?. Outputs: cert_pem, key_pem, not_after."""

    secret = frozenset({"key_pem", "ca_key_pem"})

    def __init__(self, now: Clock = utc_now) -> None:
        self._now = now

    def check(self, news: Props) -> list[Failure]:
        usages = news.get("usages")
        failures = [
            *common_name_failures(news),
            *dns_name_failures(news),
            *ip_address_failures(news),
            *lifetime_failures(news),
        ]
        if usages is UNKNOWN or (isinstance(usages, list) and usages and set(usages) <= {"server", "client"}):
            return failures
        return [*failures, Failure("usages", f'must be a list of "server", "client" or both, not {usages!r}')]

    def diff(self, ctx: Context, id: str, olds: Props, news: Props) -> Diff:
        update = changed(olds, news, among=_REISSUED_FOR)
        if not update and renewal_due(olds, news, self._now()):
            update = ("not_after",)
        return Diff(update=update)

    def create(self, ctx: Context, news: Props) -> tuple[str, Props]:
        return f"cert-{uuid.uuid4()}", self._issue(ctx, news)

    def update(self, ctx: Context, id: str, olds: Props, news: Props) -> Props:
        return self._issue(ctx, news)

    def _issue(self, ctx: Context, news: Props) -> Props:
        from hashistack.secrets import pki  # here: an `up` without changes needs no cryptography

        try:
            made = pki.certificate(
                news["ca_cert_pem"],
                news["ca_key_pem"],
                common_name=news["common_name"],
                dns_names=news.get("dns_names") or (),
                ip_addresses=news.get("ip_addresses") or (),
                usages=news["usages"],
                validity=validity(news),
                now=self._now(),
            )
        except ValueError as error:
            raise ResourceFailed(
                f"certificate {ctx.name}: ca_cert_pem and ca_key_pem must be of one authority: {error}"
            ) from None
        return outputs(made)

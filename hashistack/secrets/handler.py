"""The handler of a cluster's key material: makes what is missing, old or asked for anew, and keeps the rest."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from hashistack.provider.handler import UNKNOWN, Context, Diff, Failure, Handler, Props, changed
from hashistack.secrets.lifetime import Clock, days_failures, renewal_due, renewal_failures, utc_now
from hashistack.secrets.names import common_name_failures, role_failures
from hashistack.secrets.tokens import gossip_key, name_failures, token_ids

if TYPE_CHECKING:
    from hashistack.secrets.pki import Issued

CA: Final = "ca"
"""The authority's name among the roles', so no role may have it."""

_AUTHORITY = ("common_name", "ca_validity_days", "rotate_ca")
_CERTIFICATES = ("validity_days", "rotate_certificates")
_ALL = (*_AUTHORITY, *_CERTIFICATES, "roles", "gossip", "rotate_gossip", "tokens", "rotate_tokens")


class ClusterSecretsHandler(Handler):
    """Inputs: common_name and ca_validity_days of the authority; roles (name to common_name, dns_names, ip_addresses
    and usages), validity_days and renew_before_days? of their certificates; gossip and tokens (names); rotate_ca?,
    rotate_certificates?, rotate_gossip?, rotate_tokens?.

    Outputs: certificates, keys (PEM) and not_after (ISO 8601) by role, and of ``ca``; gossip_keys, ids by name.
    """

    secret = frozenset({"keys", "gossip_keys", "ids"})

    def __init__(self, now: Clock = utc_now) -> None:
        self._now = now

    def check(self, news: Props) -> list[Failure]:
        return [
            *common_name_failures(news),
            *days_failures(news, "ca_validity_days"),
            *_roles_failures(news.get("roles")),
            *days_failures(news, "validity_days"),
            *renewal_failures(news),
            *name_failures(news, "gossip"),
            *name_failures(news, "tokens"),
        ]

    def diff(self, ctx: Context, id: str, olds: Props, news: Props) -> Diff:
        update = changed(olds, news, among=_ALL)
        if not update and self._due(olds, news):
            update = ("not_after",)
        return Diff(update=update)

    def create(self, ctx: Context, news: Props) -> tuple[str, Props]:
        import uuid  # here and below: an `up` without changes makes nothing

        return f"secrets-{uuid.uuid4()}", self._made({}, news)

    def update(self, ctx: Context, id: str, olds: Props, news: Props) -> Props:
        return self._made(olds, news)

    def _due(self, olds: Props, news: Props) -> frozenset[str]:
        """The roles whose certificates are to be made; all of them and ``ca`` where the authority is."""
        roles, ends, now = news["roles"], olds.get("not_after", {}), self._now()
        if CA not in ends or changed(olds, news, among=_AUTHORITY):
            return frozenset({CA, *roles})
        if renewal_due(ends[CA], news["ca_validity_days"], None, now):
            return frozenset({CA, *roles})
        days, before = news["validity_days"], news.get("renew_before_days")
        all_anew = bool(changed(olds, news, among=_CERTIFICATES))
        return frozenset(
            role
            for role, wanted in roles.items()
            if all_anew or olds["roles"].get(role) != wanted or renewal_due(ends[role], days, before, now)
        )

    def _made(self, olds: Props, news: Props) -> Props:
        from hashistack.secrets import pki

        due, now = self._due(olds, news), self._now()
        kept = {CA, *news["roles"]} - due
        certificates, keys, ends = ({name: olds[part][name] for name in kept} for part in _ISSUED)

        def issued(name: str, made: Issued) -> None:
            certificates[name], keys[name], ends[name] = made.cert_pem, made.key_pem, made.not_after.isoformat()

        if CA in due:
            old = (olds["certificates"][CA], olds["keys"][CA]) if olds else None
            issued(CA, pki.authority(news["common_name"], _days(news["ca_validity_days"]), now, predecessor=old))
        for role in due - {CA}:
            validity, wanted = _days(news["validity_days"]), news["roles"][role]
            issued(role, pki.certificate(certificates[CA], keys[CA], **wanted, validity=validity, now=now))
        return {
            **dict(zip(_ISSUED, (certificates, keys, ends), strict=True)),
            "gossip_keys": {
                **{name: gossip_key() for name in news["gossip"]},
                **_kept(olds, news, "gossip_keys", "gossip"),
            },
            "ids": {**token_ids(news["tokens"]), **_kept(olds, news, "ids", "tokens")},
        }


_ISSUED = ("certificates", "keys", "not_after")


def _kept(olds: Props, news: Props, part: str, names: str) -> Props:
    """What of the old `part` has one of the new `names`; nothing when its rotation is asked for."""
    if changed(olds, news, among=(f"rotate_{names}",)):
        return {}
    return {name: value for name, value in olds.get(part, {}).items() if name in news[names]}


def _days(number: float) -> timedelta:
    return timedelta(days=number)


def _roles_failures(roles: Any) -> list[Failure]:
    if roles is UNKNOWN:
        return []
    if not isinstance(roles, dict) or CA in roles:
        return [Failure("roles", f"must be a mapping of roles, none of which is called {CA}, not {roles!r}")]
    return [
        Failure(f"roles.{role}.{bad.path}", bad.reason)
        for role, wanted in roles.items()
        if wanted is not UNKNOWN
        for bad in role_failures(wanted)
    ]

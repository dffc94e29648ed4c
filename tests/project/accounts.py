"""Who asks: access and identity tokens of service accounts, as Google gives them out to machines."""

from __future__ import annotations

import json
import secrets
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

LIFETIME = 3599.0
"""Seconds that an access token is good for."""


class Tokens:
    """All that were given out; safe to use from several threads. clock: seconds since the epoch."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock, self._lock = clock, threading.Lock()
        self._known: dict[str, tuple[str, float]] = {}
        self._renewable: dict[str, str] = {}

    def credentials(self, whose: str) -> dict[str, str]:
        """Application-default credentials of a user, as `gcloud auth application-default login` leaves them."""
        token = f"1//{secrets.token_urlsafe(60)}"
        with self._lock:
            self._renewable[token] = whose
        return {"type": "authorized_user", "client_id": "test", "client_secret": "test", "refresh_token": token}

    def renewed(self, refresh_token: str) -> dict[str, Any] | None:
        """What https://oauth2.googleapis.com/token answers to such credentials; None to those that are nobody's."""
        with self._lock:
            whose = self._renewable.get(refresh_token)
        return whose and {"access_token": self.issue(whose), "expires_in": int(LIFETIME), "token_type": "Bearer"}

    def issue(self, whose: str, lifetime: float = LIFETIME) -> str:
        """A new access token of an account, by its email."""
        token = f"ya29.c.{secrets.token_urlsafe(150)}"
        with self._lock:
            self._known[token] = (whose, self.clock() + lifetime)
        return token

    def whose(self, token: str) -> str | None:
        """The email of the account that an access token is of; None for one that is nobody's or has expired."""
        with self._lock:
            email, expires = self._known.get(token, ("", 0.0))
        return email if self.clock() < expires else None

    def void(self) -> None:
        """No token that was given out is good any more."""
        with self._lock:
            self._known.clear()

    def identity(self, claims: Mapping[str, Any]) -> str:
        """An identity token with these claims, signed as Google's are (RS256); good for an hour."""
        now = int(self.clock())
        head = {"alg": "RS256", "kid": "test", "typ": "JWT"}
        body = {"iss": "https://accounts.google.com", "iat": now, "exp": now + 3600, **claims}
        text = ".".join(_encoded(json.dumps(each).encode()) for each in (head, body))
        signature = self.key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{text}.{_encoded(signature)}"

    @cached_property
    def key(self) -> rsa.RSAPrivateKey:
        """What signs identity tokens."""
        return rsa.generate_private_key(65537, 2048)


def _encoded(content: bytes) -> str:
    return urlsafe_b64encode(content).decode().rstrip("=")

"""HTTP to one product's API: TLS, token, fail-over across its servers, blocking queries, one error class.

The only module of the project that opens a connection to Nomad, Consul or Vault.
"""

from __future__ import annotations

import ssl
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import httpx

from hashistack import call_log
from hashistack.errors import HashistackError

CONNECT_SECONDS = 2.0
READ_SECONDS = 10.0
PAUSE_SECONDS = 0.2
"""Between two rounds over all addresses, when a call has a deadline."""

TRIES = 4
"""How often a lone address is asked where several would be asked once each: a load balancer is behind it."""

CHUNK_BYTES = 1 << 18
"""What of a file that is sent is held in memory at a time."""
FILE_SECONDS = 300.0
"""How long a server may say nothing while a file goes to or comes from it: it writes or restores a snapshot."""

Made = TypeVar("Made")

Method = Literal["GET", "PUT", "DELETE", "POST"]
"""All may be repeated. These APIs take PUT wherever their documentation says POST, but for one of Consul's."""


class ApiError(HashistackError):
    """A call failed: which one, and what the server said.

    Attributes:
        product: nomad, consul or vault.
        status: the HTTP status, or None when no server answered.
        excerpt: the start of the server's answer (or the transport's error), without secrets.
    """

    def __init__(self, product: str, method: str, path: str, status: int | None, excerpt: str) -> None:
        said = f"answered {status}" if status is not None else "did not answer"
        super().__init__(f"{product}: {method} {path} {said}: {excerpt}" if excerpt else f"{product}: {said}")
        self.product, self.method, self.path, self.status, self.excerpt = (
            product,
            method,
            path,
            status,
            excerpt,
        )


@dataclass(frozen=True)
class Answer:
    """A decoded answer; `index` is the position for the next blocking query (0 where there is none).

    next_page: what asks for the rest of a list that comes in pages (Nomad's `next_token`), "" at its end.
    """

    status: int
    data: Any
    index: int
    next_page: str = ""


def tls_context(ca_pem: str, cert_pem: str = "", key_pem: str = "") -> ssl.SSLContext:
    """A client context that trusts the cluster's CA alone and, with `cert_pem`, shows that certificate."""
    context = ssl.create_default_context(cadata=ca_pem)
    if cert_pem:
        # ssl reads a chain from files only: a private one (0600) that lives as long as the call does.
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as chain:
            chain.write(cert_pem.rstrip() + "\n" + key_pem)
            chain.flush()
            context.load_cert_chain(chain.name)
    return context


class Api:
    """One product's API on all of its servers.

    A lone address is a load balancer's. Each call there is a connection of its own, since only a new connection may
    lead to another server.

    Args:
        product: its name in errors.
        addresses: base URLs; the one that answered last is asked first.
        token: the header's name and value; ("", "") asks without one.
        secrets: values struck out of every error text.
        index_header: the header that carries the blocking query's index.
        server_name: whom the certificate must name; "" takes the address's own host.
        remedy: what errors say to do where no server can be reached.
    """

    def __init__(
        self,
        product: str,
        addresses: Sequence[str],
        context: ssl.SSLContext,
        token: tuple[str, str] = ("", ""),
        secrets: Sequence[str] = (),
        index_header: str = "",
        server_name: str = "",
        remedy: str = "",
    ) -> None:
        self.product = product
        self.addresses = tuple(addresses)
        self._token = token
        self._secrets = tuple(secret for secret in secrets if secret)
        self._index_header = index_header
        self._first = 0
        self._extensions = {"sni_hostname": server_name} if server_name else {}
        self._remedy = remedy
        kept = 0 if len(self.addresses) == 1 else 20
        limits = httpx.Limits(max_connections=32, max_keepalive_connections=kept)
        # trust_env=False: a proxy of the environment must never see the cluster's tokens.
        self._http = httpx.Client(verify=context, trust_env=False, limits=limits)

    def close(self) -> None:
        """Close the kept connections."""
        self._http.close()

    def call(
        self,
        method: Method,
        path: str,
        *,
        body: Any = None,
        params: Mapping[str, str | int] | None = None,
        token: tuple[str, str] | None = None,
        accept: Sequence[int] = (),
        address: str | None = None,
        seconds: float = 0.0,
        index: int = 0,
        hold: float = 0.0,
    ) -> Answer:
        """Call `path` on the first server that answers.

        Args:
            body: sent as JSON.
            token: header name and value for this call only; None takes the API's own.
            accept: statuses other than 2xx that are an answer, not an error.
            address: ask this server alone.
            seconds: keep trying this long while no server answers or all say 5xx; 0 asks each once.
            hold: makes it a blocking query: the server answers when something changed since `index` (an
                earlier answer's), or after this many seconds.

        Raises:
            ApiError: no server answered, or the answer's status is an error.
        """
        if hold:
            params = {**(params or {}), "index": index, "wait": f"{max(1, int(hold * 1000))}ms"}
        sent = token or self._token
        return self._first_of(
            lambda base: self._ask(base, method, path, body, params, sent, accept, hold), address, seconds
        )

    def download(
        self, path: str, file: Path, *, token: tuple[str, str] | None = None, seconds: float = 0.0
    ) -> Mapping[str, str]:
        """GET `path` of the first server that answers into `file`, piece by piece; answers the headers.

        What `file` held is gone. It is not whole before this returns. `seconds` is as in `call`.

        Raises:
            ApiError: no server answered, the answer's status is an error, or it broke off.
        """

        def ask(base: str) -> Mapping[str, str]:
            with self._stream(base, "GET", path, token or self._token) as reply, file.open("wb") as out:
                for piece in reply.iter_raw():
                    out.write(piece)
                return dict(reply.headers)

        return self._first_of(ask, None, seconds)

    def upload(
        self,
        path: str,
        file: Path,
        start: int,
        size: int,
        *,
        token: tuple[str, str] | None = None,
        seconds: float = 0.0,
    ) -> None:
        """PUT `size` bytes of `file`, from byte `start` on, to `path` on the first server that answers, piece by piece.

        `seconds` is as in `call`.

        Raises:
            ApiError: no server answered, or the answer's status is an error.
        """

        def ask(base: str) -> None:
            content = _pieces(file, start, size)
            with self._stream(base, "PUT", path, token or self._token, content, size) as reply:
                reply.read()

        self._first_of(ask, None, seconds)

    def _first_of(self, ask: Callable[[str], Made], address: str | None, seconds: float = 0.0) -> Made:
        deadline = time.monotonic() + seconds
        while True:
            error: ApiError | None = None
            for base in (address,) if address else self._order():
                try:
                    answer = ask(base)
                except ApiError as failure:
                    # 3xx: another server does this, at an address that may be good inside the cluster alone. 429: so
                    # says a Consul that still reads its log (`node/watch/catch-up`).
                    if failure.status is not None and 400 <= failure.status < 500 and failure.status != 429:
                        raise
                    # What a server answers says more than the silence of another one.
                    error = error if error and error.status and not failure.status else failure
                else:
                    if base in self.addresses:
                        self._first = self.addresses.index(base)
                    return answer
            if error and time.monotonic() + PAUSE_SECONDS >= deadline:
                error.remedy = "" if error.status else self._remedy
                raise error
            time.sleep(PAUSE_SECONDS)

    def _order(self) -> tuple[str, ...]:
        if len(self.addresses) == 1:
            return self.addresses * TRIES
        return self.addresses[self._first :] + self.addresses[: self._first]

    def _ask(
        self,
        base: str,
        method: Method,
        path: str,
        body: Any,
        params: Mapping[str, str | int] | None,
        token: tuple[str, str],
        accept: Sequence[int],
        hold: float,
    ) -> Answer:
        # The servers add up to 1/16 of the wait themselves.
        timeout = httpx.Timeout(READ_SECONDS + hold * 17 / 16, connect=CONNECT_SECONDS)
        headers = {token[0]: token[1]} if token[0] else {}
        how: dict[str, Any] = {"headers": headers, "timeout": timeout, "extensions": self._extensions}
        try:
            with call_log.call(self.product, f"{method} {base}{path}") as ended:
                reply = self._http.request(method, base + path, params=params, json=body, **how)
                ended(reply.status_code)
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError) as failure:
            raise self._silent(base, method, path, failure) from None
        if not reply.is_success and reply.status_code not in accept:
            raise ApiError(self.product, method, path, reply.status_code, self._clean(reply.text))
        index = int(reply.headers.get(self._index_header) or 0)
        return Answer(reply.status_code, self._decoded(reply), index, reply.headers.get("X-Nomad-NextToken", ""))

    @contextmanager
    def _stream(
        self,
        base: str,
        method: Method,
        path: str,
        token: tuple[str, str],
        content: Iterator[bytes] | None = None,
        size: int = 0,
    ) -> Iterator[httpx.Response]:
        # A snapshot is compressed already, and its digest is that of the bytes as they are.
        headers = {"Accept-Encoding": "identity", **({token[0]: token[1]} if token[0] else {})}
        if content:
            headers["Content-Length"] = str(size)
        more: dict[str, Any] = {"content": content, "extensions": self._extensions}
        timeout = httpx.Timeout(FILE_SECONDS, connect=CONNECT_SECONDS)
        try:
            with (
                call_log.call(self.product, f"{method} {base}{path}") as ended,
                self._http.stream(method, base + path, headers=headers, timeout=timeout, **more) as reply,
            ):
                ended(reply.status_code)
                if not reply.is_success:
                    reply.read()
                    raise ApiError(self.product, method, path, reply.status_code, self._clean(reply.text))
                yield reply
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError) as failure:
            raise self._silent(base, method, path, failure) from None

    def _silent(self, base: str, method: Method, path: str, failure: Exception) -> ApiError:
        reason = str(failure) or type(failure).__name__
        return ApiError(self.product, method, path, None, self._clean(f"{base}: {reason}"))

    @staticmethod
    def _decoded(reply: httpx.Response) -> Any:
        if not reply.content:
            return None
        if "json" in reply.headers.get("content-type", ""):
            return reply.json()
        return reply.text

    def _clean(self, text: str) -> str:
        for secret in (*self._secrets, self._token[1]):
            if secret:
                text = text.replace(secret, "[secret]")
        return " ".join(text.split())[:300]


def _pieces(file: Path, start: int, size: int) -> Iterator[bytes]:
    with file.open("rb") as opened:
        opened.seek(start)
        while size and (piece := opened.read(min(size, CHUNK_BYTES))):
            size -= len(piece)
            yield piece

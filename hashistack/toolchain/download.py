"""Downloads over HTTP that survive a cut: streamed into a `.part` file and resumed by range.

The part file carries the expected digest in its name, so bytes of two different archives never meet in it.
"""

import shutil
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import httpx

from hashistack import call_log
from hashistack.toolchain import cache, digest
from hashistack.toolchain.ticker import Ticker
from hashistack.toolchain.tool import DigestRefused, Unavailable, Wanted

# a machine without a route must not wait: what can be reached answers within three seconds
_TIMEOUT: Final = httpx.Timeout(20, connect=3)
_FRUITLESS: Final = 3  # attempts in a row that brought nothing before we give up


def content(url: str) -> bytes:
    """A small file. Raises Unavailable with the reason."""
    try:
        with call_log.call("download", f"GET {_shown(url)}") as ended:
            answer = httpx.get(url, timeout=_TIMEOUT, follow_redirects=True)
            ended(answer.status_code)
        answer.raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unavailable(_reason(url, error)) from None
    return answer.content


def archive(wanted: Wanted, url: str, sha256: str, ticker: Ticker) -> Path:
    """Download `url`, whose digest must be `sha256`; the caller deletes the file's directory when done.

    Raises Unavailable when it can't be had (what came so far is kept for the next try), DigestRefused when it
    came whole and is something else (nothing is kept).
    """
    target = cache.root() / "downloads" / sha256 / url.rpartition("/")[2]
    part = target.with_name(target.name + ".part")
    target.parent.mkdir(parents=True, exist_ok=True)
    resumed = part.exists()
    _stream(url, part, ticker)
    if resumed and digest.of_file(part) != sha256:
        part.unlink()  # what an earlier run left may be damaged: once more from the start
        _stream(url, part, ticker)
    actual = digest.of_file(part)
    if actual != sha256:
        shutil.rmtree(target.parent)
        raise DigestRefused(
            f"{wanted.label}: downloaded {actual}, expected {sha256} "
            f"(by the checksums beside {_shown(url)}): refused; nothing was kept",
            "try again later; if it stays so, something between here and there changes what is sent",
        )
    return part.rename(target)


def _stream(url: str, part: Path, ticker: Ticker) -> None:
    """Bring `part` to its full length, resuming after each cut for as long as attempts bring something."""
    fruitless = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            _attempt(url, part, before, ticker)
            return
        except httpx.HTTPStatusError as error:
            raise Unavailable(_reason(url, error)) from None
        except httpx.HTTPError as error:
            fruitless = 0 if part.exists() and part.stat().st_size > before else fruitless + 1
            if fruitless == _FRUITLESS:
                raise Unavailable(_reason(url, error)) from None


def _attempt(url: str, part: Path, have: int, ticker: Ticker) -> None:
    headers = {"Range": f"bytes={have}-"} if have else {}
    with (
        call_log.call("download", f"GET {_shown(url)}") as ended,
        httpx.stream("GET", url, headers=headers, timeout=_TIMEOUT, follow_redirects=True) as answer,
    ):
        ended(answer.status_code)
        if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            return  # nothing is missing; whether it is right, the digest says
        answer.raise_for_status()
        resumes = answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        received = have if resumes else 0
        whole = received + int(answer.headers.get("Content-Length", 0))
        ticker.doing(f"downloading {whole / 1e6:.0f} MB" if whole else "downloading")
        with part.open("ab" if resumes else "wb") as file:
            for block in answer.iter_raw(1 << 18):
                file.write(block)
                received += len(block)
                ticker.note(f"downloading, {received / 1e6:.0f} of {whole / 1e6:.0f} MB")


def _reason(url: str, error: Exception) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"{_shown(url)} answers {error.response.status_code}"
    return f"{_shown(url)}: {error or type(error).__name__}"


def _shown(url: str) -> str:
    """`url` without a user and password, which a mirror may ask for."""
    try:
        parts = urlsplit(url)
    except ValueError:  # it is no URL, and nobody's
        return "the mirror's address"
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=""))

"""Whether the registries of a specification answer, by the CAs that it gives: a look from this machine."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from hashistack.component.findings import Finding
from hashistack.spec import ClusterSpec

_PATIENCE: Final = 3  # seconds


def findings(spec: ClusterSpec) -> Iterator[Finding]:
    """One finding for each registry, and mirror, that the specification says something of.

    One whose certificate its own CA did not sign is refused. Another that does not answer is only worth knowing: it may
    be reached from the machines alone, or be back tomorrow.
    """
    cas = {one.host: one.ca for one in spec.registries}
    asked = [(f"registries[{i}]", one.host) for i, one in enumerate(spec.registries) if not one.mirrors]
    asked += [
        (f"registries[{i}].mirrors[{j}]", urlsplit(mirror).netloc)
        for i, one in enumerate(spec.registries)
        for j, mirror in enumerate(one.mirrors)
    ]
    first = {host: path for path, host in reversed(asked)}
    for host, path in first.items():
        yield _answers(host, path, cas.get(host))


def _answers(host: str, path: str, ca: str | None) -> Finding:
    sentence = f"the registry {host} answers (spec.{path})"
    connection = http.client.HTTPSConnection(host, timeout=_PATIENCE, context=ssl.create_default_context(cadata=ca))
    try:
        connection.request("GET", "/v2/")
        status = connection.getresponse().status
    except ssl.SSLCertVerificationError as error:
        remedy = f"give the certificate of the CA that signs the registry's as `ca` of the entry with host {host}"
        return Finding(sentence, False if ca else None, error.verify_message, remedy)
    except (OSError, http.client.HTTPException) as error:
        return Finding(sentence, None, f"not from this machine: {error}", "images of it can't be pulled until it does")
    finally:
        connection.close()
    if status in (200, 401):  # what the protocol answers: https://distribution.github.io/distribution/spec/api/
        return Finding(
            sentence, True, "with a certificate that its CA has signed" if ca else "with a trusted certificate"
        )
    return Finding(sentence, None, f"HTTP {status} at /v2/, which is no registry's answer", "correct its host")

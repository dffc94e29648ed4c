"""An account at moto for the real engine and commands: what is asked of AWS, with no machine that boots."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest
from moto.server import ThreadedMotoServer
from moto.servicequotas.responses import ServiceQuotasResponse


@contextmanager
def account(patch: pytest.MonkeyPatch) -> Iterator[Mapping[str, str]]:
    """What the environment needs: credentials, and where AWS is. Its quotas, which moto does not know, are high."""
    quota = json.dumps({"Quota": {"Value": 1000.0}})
    patch.setattr(ServiceQuotasResponse, "get_service_quota", lambda self: quota)
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    keys = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "testing")
    yield {"AWS_ENDPOINT_URL": f"http://{host}:{port}", **keys}
    server.stop()

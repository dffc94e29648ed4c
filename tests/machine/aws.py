"""AWS as one machine sees it: the metadata service, and moto behind what verifies signatures and reads calls."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

from ..region.metadata import Instance, Metadata
from ..region.operations import Call, NotInTheModel, call
from ..region.signatures import Keyring, Refused, Request

REGION = "eu-central-1"
BUCKET, ASG, ID = "x-bundles", "x-web-asg", "i-0123456789abcdef0"
"""What the region of a test has: a bucket, a group, and the instance that is this machine."""
IMAGE = "ami-12c6146b"
"""The one that there is: tests/images.json."""
HOP_BY_HOP = ("connection", "transfer-encoding", "content-length", "date", "server")


@dataclass
class Fault:
    """What the next call of this operation gets instead of an answer.

    ``status`` 0: the connection is cut after ``body``; ``performed``: the call is made all the same, and only its
    answer is lost.
    """

    operation: str
    status: int
    body: str = ""
    performed: bool = False


@dataclass
class Aws:
    """Started servers. ``calls``: all that was made with a good signature; ``refused``: why others were not taken."""

    keyring: Keyring = field(default_factory=Keyring)
    instances: dict[str, Instance] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    waiting: set[tuple[str, str, str]] = field(default_factory=set)
    """Lifecycle actions that wait: group, hook, instance."""
    heartbeats: int = 0
    """Of those that wait: how often somebody said that they still do."""
    url: str = ""
    metadata_url: str = ""

    def __post_init__(self) -> None:
        self._clients: dict[str, Any] = {}
        # moto looks whether an object is there, and writes it a moment later (If-None-Match).
        self._one_at_a_time = threading.Lock()
        self.metadata = Metadata(self.instances.get, self.keyring)

    def client(self, service: str) -> Any:
        """boto3 on the same moto, for what a test prepares and looks up."""
        if service not in self._clients:
            keys = {"aws_access_key_id": "AKIATEST", "aws_secret_access_key": "test"}
            self._clients[service] = boto3.client(  # type: ignore[call-overload]
                service, region_name=REGION, endpoint_url=self.moto, **keys
            )
        return self._clients[service]

    @property
    def operations(self) -> list[str]:
        return [made.operation for made in self.calls]

    @contextmanager
    def running(self) -> Iterator[Aws]:
        moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        moto.start()
        self._moto = moto.get_host_and_port()
        self.moto = "http://{}:{}".format(*self._moto)

        class Handler(_Handler):
            aws = self

        front = _Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=front.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{front.server_port}"
        self.metadata_url = self.metadata.start()
        self.client("ec2").describe_instances()  # the first call takes moto seconds, longer than a machine waits
        try:
            yield self
        finally:
            self.metadata.stop()
            front.shutdown()
            front.server_close()
            moto.stop()

    def reset(self) -> None:
        """All as at the start: nothing is there, nothing was asked."""
        for instance in self.instances.values():
            self.metadata.rotate(instance)
        self.metadata.outage = lambda instance, path: None
        self.metadata.requests.clear()
        for noted in (self.instances, self.calls, self.refused, self.faults, self.waiting):
            noted.clear()
        self.heartbeats = 0
        connection = http.client.HTTPConnection(*self._moto, timeout=30)
        connection.request("POST", "/moto-api/reset")
        connection.getresponse().read()
        connection.close()

    def answer(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        """What AWS answers. Status 0: nothing, the connection is cut."""
        try:
            signed = self.keyring.verify(request)
            made = call(signed.service, request)
        except (Refused, NotInTheModel) as refused:
            self.refused.append(str(refused))
            code, status = (refused.code, refused.status) if isinstance(refused, Refused) else ("ValidationError", 400)
            return _error(request, status, code, str(refused))
        self.calls.append(made)
        fault = next((fault for fault in self.faults if fault.operation == made.operation), None)
        if fault:
            self.faults.remove(fault)
            if fault.performed:
                self._forward(request)
            return fault.status, {}, fault.body.encode()
        if made.operation in ("CompleteLifecycleAction", "RecordLifecycleActionHeartbeat"):
            return self._at_hook(request, made)
        return self._forward(request)

    def _at_hook(self, request: Request, made: Call) -> tuple[int, dict[str, str], bytes]:
        """moto lacks it."""
        names = ("AutoScalingGroupName", "LifecycleHookName", "InstanceId")
        action = tuple(made.parameters[name] for name in names)
        if action not in self.waiting or made.parameters.get("LifecycleActionResult", "CONTINUE") != "CONTINUE":
            text = f"No active Lifecycle Action found with instance ID {made.parameters['InstanceId']}"
            return _error(request, 400, "ValidationError", text)
        if made.operation == "CompleteLifecycleAction":
            self.waiting.remove(action)  # type: ignore[arg-type]
        else:
            self.heartbeats += 1
        return 200, {}, f"<{made.operation}Response/>".encode()

    def _forward(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        with self._one_at_a_time:
            connection = http.client.HTTPConnection(*self._moto, timeout=30)
            path = request.url.split("/", 3)[3]
            connection.request(request.method, f"/{path}", request.body, dict(request.headers))
            response = connection.getresponse()
            body = response.read()
            connection.close()
        headers = {name: value for name, value in response.getheaders() if name.lower() not in HOP_BY_HOP}
        return response.status, headers, body


def _error(request: Request, status: int, code: str, text: str) -> tuple[int, dict[str, str], bytes]:
    """An error in the form of the API that was asked."""
    if request.header("x-amz-target"):
        return status, {}, json.dumps({"__type": code, "Message": text}).encode()
    error = f"<Error><Code>{code}</Code><Message>{text}</Message></Error>"
    return status, {}, (f"<ErrorResponse>{error}</ErrorResponse>" if request.body else error).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Who asked has gone, as a test that kills a machine means it to."""


class _Handler(BaseHTTPRequestHandler):
    aws: Aws
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = f"http://{self.headers['Host']}{self.path}"
        status, headers, answer = self.aws.answer(Request(self.command, url, tuple(self.headers.items()), body))
        if status == 0:
            # As long as it says, and no longer: the answer breaks off.
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + answer if answer else b"")
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in {**headers, "Content-Length": f"{len(answer)}"}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_PUT = do_POST = _answer

    def log_message(self, format: str, *args: object) -> None:
        """Nothing to standard error."""

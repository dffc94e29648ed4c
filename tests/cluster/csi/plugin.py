"""A CSI plugin, controller and node in one, as the machines run it: a volume is a directory, published by a bind mount.

What of the protocol Nomad asks of it and no more. Messages are made by hand: their fields are texts, other messages
and small numbers. https://github.com/container-storage-interface/spec/blob/master/csi.proto
"""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

VOLUMES = Path("/volumes")
CONTROLLER_SERVICE = CREATE_DELETE_VOLUME = 1
MS_BIND, MNT_DETACH = 4096, 2
LIBC = ctypes.CDLL(None, use_errno=True)


def field(number: int, value: str | bytes | int) -> bytes:
    """A field of a message, on the wire."""
    if isinstance(value, int):
        return bytes([number << 3, value])
    content = value.encode() if isinstance(value, str) else value
    return bytes([number << 3 | 2]) + varint(len(content)) + content


def varint(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + varint(value >> 7)


def fields(message: bytes) -> list[tuple[int, bytes]]:
    """The texts and messages of a message, by their numbers, in order."""
    found, at = [], 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at, value, shift = at + 1, value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value

    while at < len(message):
        key = number()
        if key & 7 == 2:
            size = number()
            found.append((key >> 3, message[at : at + size]))
            at += size
        else:
            number()
    return found


def text(message: bytes, number: int) -> str:
    return next((value.decode() for key, value in fields(message) if key == number), "")


def create(request: bytes) -> bytes:
    identity = text(request, 1).replace("/", "-")
    (VOLUMES / identity).mkdir(exist_ok=True)
    return field(1, field(2, identity))


def delete(request: bytes) -> bytes:
    shutil.rmtree(VOLUMES / text(request, 1), ignore_errors=True)
    return b""


def validate(request: bytes) -> bytes:
    """Whatever is asked of a volume, it can."""
    confirmed = {2: 1, 3: 2, 4: 3}
    return field(1, b"".join(field(confirmed[key], value) for key, value in fields(request) if key in confirmed))


def publish(request: bytes) -> bytes:
    source, target = VOLUMES / text(request, 1), Path(text(request, 4))
    target.mkdir(parents=True, exist_ok=True)
    done(LIBC.mount(os.fsencode(source), os.fsencode(target), None, MS_BIND, None))
    return b""


def unpublish(request: bytes) -> bytes:
    target = Path(text(request, 2))
    if os.path.ismount(target):
        done(LIBC.umount2(os.fsencode(target), MNT_DETACH))
    target.rmdir()
    return b""


def done(code: int) -> None:
    if code:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def main(node: str) -> None:
    services: dict[str, dict[str, Callable[[bytes], bytes]]] = {
        "Identity": {
            "GetPluginInfo": lambda _: field(1, "directories.test") + field(2, "1"),
            "GetPluginCapabilities": lambda _: field(1, field(1, field(1, CONTROLLER_SERVICE))),
            "Probe": lambda _: field(1, field(1, 1)),
        },
        "Controller": {
            "ControllerGetCapabilities": lambda _: field(1, field(1, field(1, CREATE_DELETE_VOLUME))),
            "CreateVolume": create,
            "DeleteVolume": delete,
            "ValidateVolumeCapabilities": validate,
        },
        "Node": {
            "NodeGetCapabilities": lambda _: b"",
            "NodeGetInfo": lambda _: field(1, node),
            "NodePublishVolume": publish,
            "NodeUnpublishVolume": unpublish,
        },
    }
    server = grpc.server(ThreadPoolExecutor(4))
    for name, methods in services.items():
        handlers = {
            method: grpc.unary_unary_rpc_method_handler(lambda request, _, answer=answer: answer(request))
            for method, answer in methods.items()
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(f"csi.v1.{name}", handlers),))
    server.add_insecure_port(os.environ["CSI_ENDPOINT"])
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main(sys.argv[1])

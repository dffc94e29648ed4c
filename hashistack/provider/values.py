"""Between the protocol's property values and plain Python values.

The SDK's own conversion (`pulumi.provider.experimental.property_value`) takes an unknown for a string and
can't send one back, so previews need this one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from google.protobuf import struct_pb2

from hashistack.provider.handler import UNKNOWN, Props

# The protocol's own markers (sdk/go/common/resource/sig.go and plugin/rpc.go in pulumi/pulumi).
SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 (a marker, not a secret)
OUTPUT: Final = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
UNKNOWN_STRINGS: Final = frozenset(
    {
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # bool
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # number
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",  # string
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # array
        "030794c1-ac77-496b-92df-f27374a8bd58",  # asset
        "e48ece36-62e2-4504-bad9-02848725956a",  # archive
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # object
    }
)
_UNKNOWN_STRING: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


def plain(value: struct_pb2.Value) -> Any:
    """One property value as plain Python; secrets and outputs are unwrapped."""
    match value.WhichOneof("kind"):
        case "bool_value":
            return value.bool_value
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() else number
        case "string_value":
            return UNKNOWN if value.string_value in UNKNOWN_STRINGS else value.string_value
        case "list_value":
            return [plain(item) for item in value.list_value.values]
        case "struct_value":
            fields = value.struct_value.fields
            if SIGNATURE not in fields:
                return {key: plain(item) for key, item in fields.items()}
            if fields[SIGNATURE].string_value in (SECRET, OUTPUT):
                return plain(fields["value"]) if "value" in fields else UNKNOWN
            raise TypeError("assets, archives and resource references are not inputs of hashistack's resources")
        case _:
            return None


def props(struct: struct_pb2.Struct) -> Props:
    """All of a resource's properties as plain Python."""
    return {key: plain(value) for key, value in struct.fields.items()}


def holds_secret(value: struct_pb2.Value) -> bool:
    """Whether a property value is a secret or has one somewhere inside."""
    kind = value.WhichOneof("kind")
    if kind == "list_value":
        return any(holds_secret(item) for item in value.list_value.values)
    if kind != "struct_value":
        return False
    fields = value.struct_value.fields
    signature = fields[SIGNATURE].string_value if SIGNATURE in fields else ""
    if signature == SECRET or (signature == OUTPUT and fields["secret"].bool_value):
        return True
    return any(holds_secret(item) for item in fields.values())


def secret_names(*structs: struct_pb2.Struct) -> frozenset[str]:
    """Names of the top-level properties that hold a secret in any of `structs`."""
    return frozenset(key for struct in structs for key, value in struct.fields.items() if holds_secret(value))


def wired(value: object) -> struct_pb2.Value:
    """One plain Python value as a property value; raises TypeError for what the protocol can't carry."""
    if value is None:
        return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
    if value is UNKNOWN:
        return struct_pb2.Value(string_value=_UNKNOWN_STRING)
    if isinstance(value, bool):
        return struct_pb2.Value(bool_value=value)
    if isinstance(value, int | float):
        return struct_pb2.Value(number_value=float(value))
    if isinstance(value, str):
        return struct_pb2.Value(string_value=value)
    if isinstance(value, Mapping):
        fields = {str(key): wired(item) for key, item in value.items()}
        return struct_pb2.Value(struct_value=struct_pb2.Struct(fields=fields))
    if isinstance(value, list | tuple):
        return struct_pb2.Value(list_value=struct_pb2.ListValue(values=[wired(item) for item in value]))
    raise TypeError(f"a {type(value).__name__} cannot be a resource's property")


def struct(values: Mapping[str, object], secret: Iterable[str] = ()) -> struct_pb2.Struct:
    """Plain properties as the protocol's struct, those named in `secret` as secrets."""
    hidden = frozenset(secret)
    return struct_pb2.Struct(
        fields={key: _hidden(wired(value)) if key in hidden else wired(value) for key, value in values.items()}
    )


def _hidden(value: struct_pb2.Value) -> struct_pb2.Value:
    fields = {SIGNATURE: struct_pb2.Value(string_value=SECRET), "value": value}
    return struct_pb2.Value(struct_value=struct_pb2.Struct(fields=fields))

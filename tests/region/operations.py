"""Which operation of AWS a request asks for, with its parameters, read and checked by botocore's own service models."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import botocore.session
from botocore.model import ListShape, OperationModel, ServiceModel, Shape, StructureShape
from botocore.validate import ParamValidator

from .signatures import Request


@dataclass(frozen=True)
class Call:
    """One call as an SDK would make it: ``Call("ec2", "DescribeInstances", {"Filters": [...]})``."""

    service: str
    operation: str
    parameters: dict[str, Any]


class NotInTheModel(Exception):
    """AWS has no such operation, or not with these parameters."""


def call(service: str, request: Request) -> Call:
    """The call that ``request`` is.

    Raises:
        NotInTheModel: the service's model has no such operation, a parameter that is not the operation's, one of the
            wrong type, or one missing.
    """
    model = _model(service)
    protocol = model.metadata["protocol"]
    if protocol in ("query", "ec2"):
        name, parameters = _query(model, request)
    elif protocol == "json":
        name, parameters = _json(model, request)
    else:
        name, parameters = _s3(model, request)
    operation = _operation(model, name)
    if operation.input_shape:
        given = {**parameters, **({"Body": b""} if "Body" in parameters else {})}
        report = ParamValidator().validate(given, operation.input_shape)
        if report.has_errors():
            raise NotInTheModel(f"{service} {name}: {report.generate_report()}")
    return Call(service, name, parameters)


@cache
def _model(service: str) -> ServiceModel:
    return botocore.session.get_session().get_service_model(service)


def _operation(model: ServiceModel, name: str) -> OperationModel:
    if name not in model.operation_names:
        raise NotInTheModel(f"{model.service_id} has no operation {name}")
    return model.operation_model(name)


def _query(model: ServiceModel, request: Request) -> tuple[str, dict[str, Any]]:
    """A form with the fields Action and Version, structures and lists flattened to names with dots."""
    fields = dict(parse_qsl(request.body.decode(), keep_blank_values=True, strict_parsing=True))
    name, version = fields.pop("Action", ""), fields.pop("Version", "")
    shape = _operation(model, name).input_shape
    if version != model.api_version:
        raise NotInTheModel(f"{model.service_id} {name}: version {version!r}, the model's is {model.api_version}")
    found = _unflattened(fields, "", shape, model.metadata["protocol"]) if shape else {}
    if fields:
        raise NotInTheModel(f"{model.service_id} {name} has no parameter {', '.join(sorted(fields))}")
    return name, found or {}


def _unflattened(fields: dict[str, str], name: str, shape: Shape, protocol: str) -> Any:
    """Takes what belongs to this shape out of ``fields``; None when nothing does."""
    if isinstance(shape, StructureShape):
        dot = f"{name}." if name else ""
        members = {
            member: _unflattened(fields, dot + _serialized(member, of, protocol), of, protocol)
            for member, of in shape.members.items()
        }
        return {member: value for member, value in members.items() if value is not None} or None
    if isinstance(shape, ListShape):
        # EC2's lists are always flat, the others' mostly not.
        flat = protocol == "ec2" or shape.serialization.get("flattened")
        base = name if flat else f"{name}.{shape.member.serialization.get('name', 'member')}"
        values = []
        while (value := _unflattened(fields, f"{base}.{len(values) + 1}", shape.member, protocol)) is not None:
            values.append(value)
        return values or None
    text = fields.pop(name, None)
    if text is None or shape.type_name in ("string", "timestamp", "blob"):
        return text
    if shape.type_name == "boolean":
        return {"true": True, "false": False}.get(text, text)
    return int(text) if re.fullmatch(r"-?\d+", text) else text


def _serialized(member: str, shape: Shape, protocol: str) -> str:
    if protocol != "ec2":
        return str(shape.serialization.get("name", member))
    if "queryName" in shape.serialization:
        return str(shape.serialization["queryName"])
    name = str(shape.serialization.get("name", member))
    return name[0].upper() + name[1:]


def _json(model: ServiceModel, request: Request) -> tuple[str, dict[str, Any]]:
    expected = f"application/x-amz-json-{model.metadata['jsonVersion']}"
    if request.header("content-type") != expected:
        raise NotInTheModel(f"{model.service_id}: content type {request.header('content-type')}, not {expected}")
    prefix, _, name = (request.header("x-amz-target") or "").partition(".")
    if prefix != model.metadata["targetPrefix"]:
        raise NotInTheModel(f"{model.service_id}: x-amz-target {prefix}.{name}")
    parameters: dict[str, Any] = json.loads(request.body)
    shape = _operation(model, name).input_shape
    if shape and (unknown := parameters.keys() - shape.members.keys()):
        raise NotInTheModel(f"{model.service_id} {name} has no parameter {', '.join(sorted(unknown))}")
    return name, parameters


def _s3(model: ServiceModel, request: Request) -> tuple[str, dict[str, Any]]:
    """An object's own operations, with the bucket in the host name or in the path."""
    parts = urlsplit(request.url)
    path = unquote(parts.path).lstrip("/")
    virtual = re.match(r"(?P<bucket>.+)\.s3[.-]", parts.hostname or "")
    bucket, key = (virtual["bucket"], path) if virtual else (*path.split("/", 1), "")[:2]
    name = {"GET": "GetObject", "PUT": "PutObject", "HEAD": "HeadObject", "DELETE": "DeleteObject"}.get(request.method)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    # Other operations on an object have a word in the query, such as `?acl`; a version is these ones' own.
    if not (name and bucket and key) or query.keys() - {"versionId"}:
        raise NotInTheModel(f"S3: {request.method} {request.url} is no operation on an object")
    shape = _operation(model, name).input_shape
    assert isinstance(shape, StructureShape)
    parameters: dict[str, Any] = {"Bucket": bucket, "Key": key}
    if "versionId" in query:
        parameters["VersionId"] = query["versionId"]
    for member, of in shape.members.items():
        if of.serialization.get("location") == "header":
            value = request.header(of.serialization["name"])
            if value is not None:
                parameters[member] = value
    if request.method == "PUT":
        parameters["Body"] = request.body
        parameters.pop("ContentLength", None)
    return name, parameters

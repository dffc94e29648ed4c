"""Every planned resource, as the provider would send it, judged by Google's discovery documents."""

from __future__ import annotations

import pytest

from .conftest import planned
from .discovery import NotInTheDocument, faults_of, judge
from .plan import Plan
from .wire import ELSEWHERE, SENT, sent


def test_every_resource_is_as_google_has_it(made: Plan) -> None:
    faults = {
        resource.name: found
        for resource in made
        if resource.type in SENT and (found := faults_of(*_document(resource)))
    }
    assert faults == {}


def _document(resource: object) -> tuple[str, str, object]:
    return sent(resource)  # type: ignore[arg-type]


def test_no_type_of_resource_is_left_out(made: Plan) -> None:
    types = {resource.type for resource in made if resource.type.startswith("gcp:")}
    assert types - SENT.keys() - ELSEWHERE == set()


def test_the_judge_would_notice() -> None:
    """A field that there is not, another type, a value that is none, and one that is Google's to write."""
    template = planned("minimal").one("InstanceTemplate", "server")
    api, schema, document = sent(template)
    properties = document["properties"]
    assert faults_of(api, schema, document) == []
    for name, value, said in (
        ("machineTyp", "n2-standard-2", "properties.machineTyp is no field"),
        ("machineType", 2, "properties.machineType is 2, and no string"),
        ("canIpForward", "yes", 'properties.canIpForward is "yes", and no boolean'),
        ("keyRevocationActionType", "SOON", "properties.keyRevocationActionType is SOON, and none of"),
    ):
        (fault,) = faults_of(api, schema, {"properties": {**properties, name: value}})
        assert fault.startswith(said)
    (fault,) = faults_of("secretmanager", "Secret", {"createTime": "2026-01-01T00:00:00Z"})
    assert fault == "createTime is Google's to write"


@pytest.mark.parametrize(
    ("method", "path", "query", "body", "said"),
    [
        ("POST", "/compute/v1/projects/p/nowhere", {}, None, "compute has no POST"),
        ("GET", "/compute/v1/projects/p/aggregated/instances", {"filtr": "x"}, None, "filtr is no parameter"),
        ("GET", "/compute/v1/projects/p/aggregated/instances", {}, {"a": 1}, "it takes no body"),
        (
            *("POST", "/compute/v1/projects/p/regions/r/instanceGroupManagers/g/deleteInstances", {}),
            *({"instances": "zones/a/instances/i"}, 'instances is "zones/a/instances/i", and no array'),
        ),
    ],
)
def test_requests_that_google_would_refuse(
    method: str, path: str, query: dict[str, str], body: object, said: str
) -> None:
    with pytest.raises(NotInTheDocument, match=said):
        judge("compute", method, path, query, body)


def test_a_request_that_google_takes() -> None:
    path = "/compute/v1/projects/p/regions/r/instanceGroupManagers/g/resize"
    assert judge("compute", "POST", path, {"size": "4"}) == "compute.regionInstanceGroupManagers.resize"

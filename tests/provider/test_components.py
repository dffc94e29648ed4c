"""Components for programs in other languages: the schema that they are checked by, and the plugin that makes them."""

from __future__ import annotations

import asyncio
import inspect
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pulumi

from hashistack.aws.args import AwsClusterArgs
from hashistack.aws.pools.client_pool import AwsPoolOptions, WarmPool
from hashistack.aws.pools.launch import Volume
from hashistack.component import schema
from hashistack.jobs.resource import NomadJob
from hashistack.provider.component_types import SCHEMA, made
from hashistack.version import VERSION

if TYPE_CHECKING:
    from .conftest import Project

PROGRAM = """
import pulumi
from hashistack.provider.link import link

link()

class Cluster(pulumi.ComponentResource):
    nomad_address: pulumi.Output[str]

    def __init__(self, name, inputs):
        outputs = dict.fromkeys(("nomad_address", "connection"))
        super().__init__("hashistack:index:LocalCluster", name, {**inputs, **outputs}, remote=True)

Cluster("shop", {"spec": SPEC, "timeout_seconds": 60})
"""


def test_the_schema_is_that_of_the_types() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == schema.text(), "run python -m hashistack.component.schema"


def described(found: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every property in the schema, with what is said of it."""
    for key, value in found.items() if isinstance(found, Mapping) else ():
        if key in ("properties", "inputProperties"):
            yield from ((f"{path}.{name}", one.get("description", "")) for name, one in value.items())
        yield from described(value, f"{path}.{key}")


def test_every_property_says_what_it_is() -> None:
    told = dict(described(schema.schema()))
    assert len(told) > 150
    assert [path for path, text in told.items() if not text] == []
    assert [path for path in told if path.rpartition(".")[2] in ("pulumi", "urn", "id")] == [], "reserved by the engine"


def test_every_reference_leads_somewhere_and_what_is_secret_says_so() -> None:
    whole = schema.schema()
    refs = {one.split('"')[0] for one in json.dumps(whole).split('"$ref": "')[1:]}
    assert {ref.removeprefix("#/types/") for ref in refs} - {"pulumi.json#/Any"} == {*whole["types"]} - {
        name for name in whole["types"] if f"#/types/{name}" not in refs
    }
    for name in ("AwsCluster", "GcpCluster", "LocalCluster"):
        cluster = whole["resources"][f"hashistack:index:{name}"]
        assert cluster["isComponent"]
        assert cluster["requiredInputs"] == ["spec"]
        assert cluster["properties"]["connection"]["secret"]


def test_the_plugin_answers_with_the_schema_and_its_version() -> None:
    # In a process of its own: Pulumi's messages and Google's, which other tests load, have a name in common.
    program = (
        "from hashistack.provider.server import Provider; print(Provider(None, None).GetSchema(None, None).schema)"
    )
    said = json.loads(
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    )
    assert said == {**json.loads(SCHEMA.read_text()), "version": VERSION}


def test_a_job_takes_in_other_languages_what_it_takes_in_python() -> None:
    resource = ("self", "name", "opts")
    taken = [name for name in inspect.signature(NomadJob.__init__).parameters if name not in resource]
    assert sorted(schema.JOB["inputProperties"]) == sorted(taken)
    assert sorted(schema.JOB["properties"]) == sorted(NomadJob.outputs)


def test_a_docstring_that_forgets_a_field_is_noticed() -> None:
    @dataclass
    class Forgetful:
        """size: how large. what: not a field, so this is still of the size; count, color: of two."""

        size: int
        count: int
        color: str

    assert schema.described(Forgetful) == {
        "size": "How large. what: not a field, so this is still of the size.",
        "count": "Of two.",
        "color": "Of two.",
    }


def test_arguments_are_made_as_their_types_want_them() -> None:
    asyncio.run(_made_as_their_types_want_them())


async def _made_as_their_types_want_them() -> None:
    """An output wants a loop that runs."""
    bucket = pulumi.Output.from_input("arn")
    pool = {"volumes": [{"device": "/dev/sdf", "size_gib": 20.0}], "warm_pool": {"size": 2.0}}
    found = made(
        AwsClusterArgs,
        {"spec": {"clients": [{"name": "web", "desired": 2.0}]}, "pools": {"web": pool}, "kms_key_arn": bucket},
    )
    assert found == AwsClusterArgs(
        spec={"clients": [{"name": "web", "desired": 2}]},
        pools={"web": AwsPoolOptions(volumes=[Volume("/dev/sdf", 20)], warm_pool=WarmPool(2))},
        kms_key_arn=bucket,
    )
    assert isinstance(found.spec["clients"][0]["desired"], int)  # type: ignore[index]
    assert made(Sequence[str], ["a"]) == ["a"]


def test_the_engine_takes_the_schema(project: Project) -> None:
    project.run("schema", "check", str(SCHEMA))


def test_a_program_that_knows_the_schema_alone_previews_a_cluster(project: Project) -> None:
    spec = {"name": "shop", "clients": [{"name": "web", "desired": 1}]}
    project.write(PROGRAM.replace("SPEC", repr(spec)))
    said = project.run("preview")
    for one in ("LocalCluster", "LocalServerPool", "LocalClientPool", "LocalReady"):
        assert f"hashistack:index:{one}" in said
    assert "error" not in said


def test_what_is_wrong_with_the_arguments_is_told_as_to_a_python_program(project: Project) -> None:
    project.write(PROGRAM.replace("SPEC", repr({"servers": {"count": 4}, "clients": [{"name": "web"}]})))
    said = project.run("preview", fails=True)
    assert "spec.servers.count: must be 3 or 5 (got 4)" in said
    assert "hashistack/local/" not in said, "a trace of ours"

"""What `record` sees of a program, and what it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
import pytest

from hashistack.provider.resource import HashistackResource
from hashistack.testing import Aws, Cloud, record


@pytest.fixture(autouse=True)
def pulumi_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path))


class Thing(HashistackResource):
    resource_type = "hashistack:index:Thing"
    outputs = ("made",)

    made: pulumi.Output[str]

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None, **props: Any) -> None:
        super().__init__(name, props, opts)


class Box(pulumi.ComponentResource):
    def __init__(self, name: str, registers: bool = True) -> None:
        super().__init__("hashistack:index:Box", name)
        options = pulumi.ResourceOptions(parent=self, ignore_changes=["size"], protect=True, retain_on_delete=True)
        self.first = Thing(f"{name}-first", options, size=1, word=pulumi.Output.secret("hush"))
        self.second = Thing(f"{name}-second", pulumi.ResourceOptions(parent=self), of=[self.first.made])
        if registers:
            self.register_outputs({"made": self.second.made})


class Makes(Cloud):
    def outputs(self, type: str, name: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"made": f"{name} of {inputs.get('word', 'nothing')}"} if type.endswith(":Thing") else {}


def test_resources_are_seen_with_their_options() -> None:
    made = record(lambda: Box("box").second.made, Makes())
    box, first, second = (made.named(name) for name in ("box", "box-first", "box-second"))
    assert (box.custom, first.custom, first.parent) == (False, True, box.urn)
    assert (first.ignore_changes, first.protect, first.retain_on_delete) == (("size",), True, True)
    assert (first.inputs["size"], first.inputs["word"], first.secret_inputs) == (1, "hush", {"word"})
    assert (second.inputs["of"], second.secret_inputs) == (["box-first of hush"], frozenset())
    assert first.urn in second.depends_on
    assert made.outputs == {box.urn: {"made": "box-second of nothing"}}
    assert made.result == "box-second of nothing"
    assert [each.name for each in made.of("hashistack:index:Thing")] == ["box-first", "box-second"]


def test_recordings_know_nothing_of_each_other() -> None:
    for _ in range(2):
        made = record(lambda: Box("box", registers=False).second.made, Makes())
        assert len(made.resources) == 3 and made.outputs == {}


def test_exports_are_seen() -> None:
    made = record(lambda: pulumi.export("made", Thing("early").made), Makes())
    assert made.exports == {"made": "early of nothing"}


def test_what_the_program_raises_is_raised() -> None:
    def program() -> None:
        raise pulumi.RunError("no such zone")

    with pytest.raises(pulumi.RunError, match="no such zone"):
        record(program)
    with pytest.raises(LookupError, match="0 resources are called 'absent'"):
        record(lambda: None).named("absent")


def test_an_error_after_the_program_is_raised_too() -> None:
    """An output is computed when its resource is made, which may be after the program's last line."""

    def wrong(made: str) -> str:
        raise ZeroDivisionError(made)

    def program() -> None:
        Thing("late", word=Thing("early").made.apply(wrong))

    with pytest.raises(ZeroDivisionError, match="early of nothing"):
        record(program, Makes())


def test_a_default_provider_is_refused_where_the_engine_would() -> None:
    from pulumi_aws import get_region, s3

    for program in (lambda: s3.Bucket("bucket").id, lambda: get_region().region):
        with pytest.raises(RuntimeError, match="default provider for 'aws' disabled"):
            record(program, Aws(), disable_default_providers=["aws"])


def test_a_call_without_an_answer_is_an_error() -> None:
    from pulumi_aws import get_billing_service_account

    with pytest.raises(LookupError, match="no answer for aws:index/getBillingServiceAccount"):
        record(lambda: get_billing_service_account().arn, Aws())


def test_aws_answers_for_its_region() -> None:
    from pulumi_aws import get_region

    made = record(lambda: get_region().region, Aws("eu-north-1"))
    assert (made.result, [call.token for call in made.calls]) == ("eu-north-1", ["aws:index/getRegion:getRegion"])

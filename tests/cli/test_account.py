"""`doctor --account`: each cluster's own platform is asked, and an account only about a project's clusters."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from hashistack.aws.operations import AwsOperations
from hashistack.cli.main import app
from hashistack.cli.preflight import of_account
from hashistack.component.findings import Finding


def engine(*providers: str) -> Any:
    made = {f"c{index}": SimpleNamespace(provider=provider) for index, provider in enumerate(providers)}
    return SimpleNamespace(connections=lambda: made)


def test_the_account_is_asked_about_each_cluster_that_is_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    said = Finding("EC2 would start a machine", False, "web: Unsupported")
    monkeypatch.setattr(AwsOperations, "account", lambda self, connection: [said])
    assert of_account(engine("aws", "local", "aws")) == [said, said]


@pytest.mark.parametrize("providers", [(), ("local",)])
def test_without_one_that_is_told(providers: tuple[str, ...]) -> None:
    (found,) = of_account(engine(*providers))
    assert (found.ok, found.remedy.partition(":")[0]) == (None, "hashistack up first")


def test_an_account_is_asked_about_a_projects_clusters_alone() -> None:
    done = CliRunner().invoke(app, ["doctor", "--account"])
    assert done.exit_code == 2
    assert "needs -C DIR" in done.output

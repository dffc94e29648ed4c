"""A resource's whole life under the real engine."""

from __future__ import annotations

import json
from typing import Any


def test_create_update_replace_refresh_and_delete(probed: Any) -> None:
    project, world = probed.project, probed.world
    probed.program('p = Probe("one", world=world, value="a")\npulumi.export("length", p.length)')
    assert "+ 2 created" in project.up()
    assert json.loads((world / "one").read_text()) == "a"
    assert project.outputs() == {"length": 1}

    assert "2 unchanged" in project.up()

    probed.program('p = Probe("one", world=world, value="bcd")\npulumi.export("length", p.length)')
    preview = project.run("preview", "--diff")
    assert '"a" => "bcd"' in preview, preview
    assert "length: 1 => 3" in preview, preview  # known before the update, from the handler's preview
    assert json.loads((world / "one").read_text()) == "a"
    assert "~ 1 updated" in project.up()
    assert json.loads((world / "one").read_text()) == "bcd"

    probed.program('Probe("one", world=world, value="bcd", kind="other")')
    assert "+-1 replaced" in project.up()

    (world / "one").write_text('"drifted"')
    assert "~ 1 updated" in project.run("refresh", "--yes", "--skip-preview")
    assert "~ 1 updated" in project.up()
    assert json.loads((world / "one").read_text()) == "bcd"

    (world / "one").unlink()
    project.run("refresh", "--yes", "--skip-preview")
    assert project.state() == {}
    assert "+ 1 created" in project.up()

    (world / "one").unlink()  # what is gone already is deleted without an error
    assert "- 2 deleted" in project.run("destroy", "--yes", "--skip-preview")


def test_an_input_that_is_taken_away_is_a_change(probed: Any) -> None:
    project = probed.project
    probed.program('Probe("one", world=world, value="a", mode="x")')
    project.up()
    probed.program('Probe("one", world=world, value="a")')
    assert "~ 1 updated" in project.up()
    assert "2 unchanged" in project.up()


def test_a_preview_shows_unknown_outputs_and_makes_nothing(probed: Any) -> None:
    probed.program(
        'p = Probe("one", world=world, value="a")\n'
        'Probe("two", world=world, value=p.echo)\n'
        'pulumi.export("echo", p.echo)\npulumi.export("length", p.length)'
    )
    text = probed.project.run("preview")
    assert "echo  : [unknown]" in text, text
    assert "length: 1" in text, text
    assert list(probed.world.iterdir()) == []


def test_six_are_made_side_by_side(probed: Any) -> None:
    probed.program('for n in range(6):\n    Probe(f"p{n}", world=world, value=n, mode="waits for the others")')
    assert "+ 7 created" in probed.project.up("--parallel", "6")


def test_secrets_stay_secret(probed: Any) -> None:
    """A handler's own, and an input's that comes back as an output."""
    project = probed.project
    probed.program(
        'p = Probe("one", world=world, value=pulumi.Output.secret("sesame"))\n'
        'pulumi.export("hidden", p.hidden)\npulumi.export("value", p.echo)'
    )
    printed = project.up()
    state = project.state()["one"]
    for text in (printed, json.dumps(state["inputs"]), json.dumps(state["outputs"]["value"])):
        assert "sesame" not in text
    assert "hidden: [secret]" in printed
    assert project.outputs()["hidden"] == "hidden sesame"

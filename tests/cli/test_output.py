"""How lines reach who has no terminal: one a step, and a sign of life each half minute."""

from __future__ import annotations

import json
import time

import pytest

from hashistack.cli import output as module
from hashistack.cli.commands.rollout import _show
from hashistack.cli.events import Line
from hashistack.cli.output import SILENCE_SECONDS, Output, Show, sparing
from hashistack.ops.rollout.events import StepEvent


@pytest.mark.parametrize("output", list(Output))
def test_without_a_terminal_a_line_a_step_and_one_each_half_minute(
    output: Output, capsys: pytest.CaptureFixture[str]
) -> None:
    with Show(output) as show:
        for tenth in range(1000):  # 100 s in which a build tells more than anybody reads
            show.line(Line("now", f"machine image: package {tenth}", tenth / 10))
            show.idle(tenth / 10, "making image")
            if tenth == 500:
                show.line(Line("done", "image, tools, network", tenth / 10))
    lines = capsys.readouterr().out.splitlines()
    assert SILENCE_SECONDS == 30
    assert len(lines) == 3, lines  # at 30 s, the step at 50 s, and at 80 s
    if output is Output.JSON:
        told = [json.loads(line) for line in lines]
        assert [(one["event"], one["seconds"]) for one in told] == [("now", 30.0), ("done", 50.0), ("now", 80.0)]
    else:
        assert lines[0] == "   … machine image: package 300 30s"


def test_a_tool_that_is_built_for_minutes_is_told_of_each_half_minute() -> None:
    said: list[str] = []
    now = 0
    progress = sparing(said.append, lambda: now)
    for now in range(0, 100, 2):
        doing = "downloading, 3.1 MB" if now < 20 else "compiling"
        progress(f"pulumi 3.259.0: {doing}, {now} s")
    assert [text.rpartition(" ")[0].rpartition(" ")[2] for text in said] == ["0", "20", "50", "80"]


@pytest.mark.parametrize("output", list(Output))
def test_a_rollouts_long_step_is_told_while_it_goes_on(
    output: Output, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TICK_SECONDS", 0.001)
    monkeypatch.setattr(module, "SILENCE_SECONDS", 0.0)
    told, began = "", time.monotonic()
    with Show(output) as show, show.alive(began):
        _show(StepEvent(0.0, "web: drain web-1", "begun"), show, 0.0)
        while told.count("web: drain web-1") < 3 and time.monotonic() - began < 60:
            told += capsys.readouterr().out
    told += capsys.readouterr().out
    assert told.count("web: drain web-1") >= 3
    after = len(told)
    assert len(told + capsys.readouterr().out) == after, "nothing is told after the end"

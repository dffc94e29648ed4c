"""How lines reach who has no terminal: one a step, and a sign of life each half minute."""

from __future__ import annotations

import json

import pytest

from hashistack.cli.events import Line
from hashistack.cli.output import SILENCE_SECONDS, Output, Show


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

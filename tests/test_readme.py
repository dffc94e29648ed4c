"""README.md's example is a program that works."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest

README = Path(__file__).parent.parent / "README.md"


class Recording(pulumi.runtime.Mocks):
    """Makes every resource at once and remembers it."""

    def __init__(self) -> None:
        self.made: dict[str, str] = {}

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.made[args.name] = args.typ.rpartition(":")[2]
        return args.name, dict(args.inputs)

    def call(self, args: pulumi.runtime.MockCallArgs) -> dict[str, Any]:
        raise AssertionError(f"the example calls {args.token}")


@pytest.fixture
def recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recording]:
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path))  # the plugin is linked there
    monkeypatch.setattr(pulumi.runtime.settings, "SETTINGS", pulumi.runtime.settings.SETTINGS)
    mocks = Recording()
    pulumi.runtime.set_mocks(mocks, preview=True)
    yield mocks


def test_the_example_runs_and_is_twenty_lines(recording: Recording) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(program.splitlines()) == 20

    @pulumi.runtime.test
    def run() -> None:
        exec(compile(program, str(README), "exec"), {"__name__": "__main__"})  # noqa: S102

    run()
    assert {"shop": "LocalCluster", "shop-web": "LocalClientPool", "shop-batch": "LocalClientPool"}.items() <= (
        recording.made.items()
    )
    assert recording.made["shop-ready"] == "LocalReady"

"""What local clusters refuse, besides what every platform does."""

from __future__ import annotations

from hashistack.local.checks import problems
from hashistack.spec import ClusterSpec


def test_a_driver_that_the_machine_image_lacks_is_refused() -> None:
    clients = [{"name": "web"}, {"name": "jvm", "drivers": ["exec", "java"]}, {"name": "vm", "drivers": ["qemu"]}]
    assert [str(problem) for problem in problems(ClusterSpec.parse({"name": "x", "clients": clients}))] == [
        f"spec.clients[{index}].drivers: the machine image of local clusters has no {driver}."
        ' Use "docker" there: an image with it does the same.'
        for index, driver in ((1, "java"), (2, "qemu"))
    ]
    assert problems(ClusterSpec.parse({"name": "x"})) == []

"""What can't be put into a cluster is told before anything is written."""

from __future__ import annotations

from typing import Any

import pytest
from docker.errors import ImageNotFound

from hashistack.local.images import NotLoaded, load


class _Host:
    """A Docker with one image, and a cluster without a machine."""

    api: Any

    def __init__(self) -> None:
        self.images = self.api = self

    def get(self, image: str) -> None:
        if image != "there:1":
            raise ImageNotFound(image)

    def containers(self, **asked: Any) -> list[Any]:
        return []


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ("web", "web: Nomad pulls the tag `latest` from a registry each time. Next: docker tag web web:dev"),
        ("web:latest", "Next: docker tag web:latest web:dev, and load that"),
        ("registry.example:5000/web", "pulls the tag `latest`"),
        ("web:2", "web:2: this host's Docker has no such image. Next: docker build, or docker pull it"),
        ("there:1", "no running client of site has Docker. Next: hashistack status, or hashistack up"),
    ],
)
def test_an_image_that_cannot_be_loaded_is_refused(image: str, words: str) -> None:
    with pytest.raises(NotLoaded) as refusal:
        load(_Host(), "site", [image], print)  # type: ignore[arg-type]
    assert words in str(refusal.value)

"""Docker's lists without its SDK are those with it."""

from __future__ import annotations

import io
import secrets
import tarfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from hashistack.local.docker_client import DockerFailed
from hashistack.local.listing import Listing, has_image, listing


@pytest.fixture
def sdk() -> Iterator[docker.DockerClient]:
    client = docker.from_env(timeout=60)
    yield client
    client.close()


@pytest.fixture
def mark(sdk: docker.DockerClient) -> Iterator[str]:
    """A label that one network has and nothing else."""
    mark = f"hashistack.test={secrets.token_hex(4)}"
    name, _, value = mark.partition("=")
    made = sdk.api.create_network(f"hashistack-test-{value}", labels={name: value}, internal=True)
    yield mark
    sdk.api.remove_network(made["Id"])


def test_networks_by_label(sdk: docker.DockerClient, mark: str) -> None:
    (found,) = listing().networks(filters={"label": [mark]})
    (expected,) = sdk.api.networks(filters={"label": [mark]})
    assert (found["Id"], found["Labels"], found["IPAM"]) == (expected["Id"], expected["Labels"], expected["IPAM"])
    assert listing().networks(filters={"label": mark}) == [found]
    assert listing().networks(filters={"label": [mark, "hashistack.test=other"]}) == []


def test_containers(sdk: docker.DockerClient) -> None:
    here = listing()
    filters = {"label": "hashistack.cluster"}

    def ids(lists: Listing) -> set[str]:
        return {container["Id"] for container in lists.containers(all=True, filters=filters)}

    # Other tests may make and remove machines meanwhile: a list between two that agree agrees with them.
    for _ in range(20):
        before, between, after = ids(sdk.api), ids(here), ids(sdk.api)
        if before == after:
            assert between == before
            break
    else:
        pytest.fail("Docker's containers never stood still")


def test_images_by_name(sdk: docker.DockerClient) -> None:
    name = f"hashistack-test:{secrets.token_hex(4)}"
    assert not has_image(name)
    with io.BytesIO() as empty:
        tarfile.open(fileobj=empty, mode="w").close()
        sdk.api.import_image_from_data(empty.getvalue(), repository="hashistack-test", tag=name.partition(":")[2])
    try:
        assert has_image(name)
    finally:
        sdk.api.remove_image(name)
    with pytest.raises(DockerFailed, match=r"^Docker says: .*invalid reference"):
        has_image("No:Name")


def test_docker_refuses_in_its_own_words() -> None:
    with pytest.raises(DockerFailed, match=r"^Docker says: .*nonsense.* \(asked for /networks\)"):
        listing().networks(filters={"nonsense": "x"})


@pytest.mark.parametrize("host", ["unix://{nowhere}", "tcp://127.0.0.1:1"])
def test_a_docker_that_is_not_there(host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", host.format(nowhere=tmp_path / "docker.sock"))
    with pytest.raises(DockerFailed, match=r"^Docker does not answer: .*hashistack doctor"):
        listing().networks(filters={})

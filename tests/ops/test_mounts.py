"""Which jobs keep data on their machine past Nomad's volumes: the docker driver's `volumes` and `mount`."""

from __future__ import annotations

from typing import Any

import pytest

from hashistack.ops.api.mounts import keeps_data


def job(config: dict[str, Any] | None, driver: str = "docker", **task: Any) -> dict[str, Any]:
    return {
        "TaskGroups": [{"Tasks": [{"Driver": "exec", "Config": None}, {"Driver": driver, "Config": config, **task}]}]
    }


@pytest.mark.parametrize(
    "config",
    [
        {"volumes": ["/srv/db:/data"]},
        {"volumes": ["local/conf:/etc/x", "/srv/db:/data:rw"]},
        {"volumes": ["name:/data"], "volume_driver": "local"},
        {"mount": [{"type": "bind", "source": "/srv/db", "target": "/data"}]},
        {"mount": [{"type": "bind", "source": "/srv/db", "target": "/data", "readonly": False}]},
        {"mount": [{"type": "volume", "source": "db", "target": "/data"}]},
        {"mount": [{"target": "/data"}]},
        {"mounts": [{"type": "volume", "source": "db", "target": "/data"}]},
        {"mount": [{"type": "bind", "source": "/", "target": "/host"}]},
        {"mount": [{"type": "bind", "source": "/devices", "target": "/data"}]},
    ],
)
def test_what_is_written_to_the_machine_counts(config: dict[str, Any]) -> None:
    assert keeps_data(job(config))
    assert not keeps_data(job(config, driver="exec"))
    assert not keeps_data(job(config, CSIPluginConfig={"ID": "ebs"}))


@pytest.mark.parametrize(
    "config",
    [
        None,
        {"image": "x:1"},
        {"volumes": None, "mount": None},
        {"volumes": ["local/conf:/etc/x", "${NOMAD_ALLOC_DIR}/data:/data"]},
        {"volumes": ["/srv/db:/data:ro", "/srv/other:/o:z,ro"]},
        {"volumes": ["/var/run/docker.sock:/var/run/docker.sock", "/dev:/dev"]},
        {"mount": [{"type": "bind", "source": "local", "target": "/x"}]},
        {"mount": [{"type": "bind", "source": "/var/log", "target": "/x", "readonly": True}]},
        {"mount": [{"type": "tmpfs", "target": "/x"}]},
    ],
)
def test_what_is_read_or_the_tasks_own_does_not(config: dict[str, Any] | None) -> None:
    assert not keeps_data(job(config))


def test_a_job_without_groups_keeps_nothing() -> None:
    assert not keeps_data({"TaskGroups": None})
    assert not keeps_data({"TaskGroups": [{"Tasks": None}]})

"""Jobs as people write them: no node pool, no datacenters, containers and programs side by side."""

from __future__ import annotations

import io
import json
import secrets
import tarfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from .datacenter import Datacenter, Machine
from .project import until

IMAGE = "hashistack/pause:1"
"""Each client makes it of its own busybox: there is no registry here."""

SHOP = f"""
job "shop" {{
  group "container" {{
    network {{
      port "http" {{
        static = 18081
        to     = 8080
      }}
    }}
    service {{
      name = "container"
      port = "http"
      check {{
        type     = "http"
        path     = "/"
        interval = "1s"
        timeout  = "2s"
      }}
    }}
    task "web" {{
      driver = "docker"
      config {{
        image      = "{IMAGE}"
        entrypoint = ["busybox"]
        args       = ["httpd", "-f", "-p", "8080", "-h", "/local"]
        ports      = ["http"]
      }}
      template {{
        destination = "local/index.html"
        data        = "of a container\\n"
      }}
      resources {{
        cpu    = 20
        memory = 32
      }}
    }}
  }}

  group "bridge" {{
    network {{
      mode = "bridge"
      port "http" {{
        static = 18082
        to     = 8080
      }}
    }}
    service {{
      name = "bridged"
      port = "http"
    }}
    task "web" {{
      driver = "docker"
      config {{
        image      = "{IMAGE}"
        entrypoint = ["busybox"]
        args       = ["httpd", "-f", "-p", "8080", "-h", "/local"]
      }}
      template {{
        destination = "local/index.html"
        data        = "of a bridge network\\n"
      }}
      resources {{
        cpu    = 20
        memory = 32
      }}
    }}
  }}

  group "program" {{
    network {{
      port "http" {{
        static = 18083
      }}
    }}
    service {{
      name = "program"
      port = "http"
    }}
    task "web" {{
      driver = "exec"
      config {{
        command = "/bin/sh"
        args = [
          "-c", "exec $(command -v busybox-extras || command -v busybox) httpd -f -p 18083 -h local",
        ]
      }}
      template {{
        destination = "local/index.html"
        data        = "of a program\\n"
      }}
      resources {{
        cpu    = 20
        memory = 32
      }}
    }}
  }}
}}
"""
PLACES = {
    "http://container.service.consul:18081/": "of a container\n",
    "http://bridged.service.consul:18082/": "of a bridge network\n",
    "http://program.service.consul:18083/": "of a program\n",
}


@pytest.fixture(scope="module")
def shop(datacenter: Datacenter, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Datacenter]:
    file = tmp_path_factory.mktemp("jobs") / "shop.nomad.hcl"
    file.write_text(SHOP)
    datacenter.vendor("nomad", "job", "run", "-detach", str(file))
    try:
        until(lambda: datacenter.deployed("shop"), 180, lambda: str(datacenter.nomad("/v1/job/shop/allocations")))
        yield datacenter
    finally:
        datacenter.vendor("nomad", "job", "stop", "-purge", "-detach", "shop")


@pytest.mark.parametrize("group", ["container", "bridge", "program"])
def test_a_task_reaches_the_others_by_their_names(shop: Datacenter, group: str) -> None:
    ask = "/bin/curl -sS" if group == "program" else "busybox wget -q -O -"
    for url, text in PLACES.items():
        assert shop.exec("web", allocation(shop, group), *ask.split(), url) == text, url


def test_a_container_has_the_memory_that_its_task_asks_for(shop: Datacenter) -> None:
    machine, container = place(shop, "container")
    assert machine.sh(f"docker inspect -f '{{{{.HostConfig.Memory}}}}' {container}").strip() == str(32 << 20)
    limits = "/sys/fs/cgroup/memory/docker/%s/memory.limit_in_bytes /sys/fs/cgroup/docker/%s/memory.max"
    full = machine.sh(f"docker inspect -f '{{{{.Id}}}}' {container}").strip()
    assert machine.sh(f"cat {limits.replace('%s', full)} 2>/dev/null || :").strip() == str(32 << 20)


def test_mounts_of_a_csi_plugin_are_seen_outside_its_container(shop: Datacenter) -> None:
    """Docker starts no container with the plugin's directory where the root is private, as in a plain container."""
    machine = shop.clients[0]
    machine.sh(
        f"mkdir -p /srv/csi && docker run --rm -v /srv/csi:/csi:rshared --entrypoint /usr/bin/busybox {IMAGE} true"
    )


def test_a_daemon_that_dies_is_started_again(shop: Datacenter) -> None:
    machine, _ = place(shop, "container")
    # The oldest: a daemon that starts a program has its name twice for a moment.
    daemon = machine.sh("pgrep -o -x dockerd").strip()
    machine.sh(f"kill -9 {daemon} || ! kill -0 {daemon}")
    again = f"[ $(pgrep -o -x dockerd) != {daemon} ] && docker info"
    until(lambda: machine.run(again)[0] == 0, 60, "dockerd runs again")
    until(lambda: not machine.complains(), 60, machine.complains)


def test_an_artifact_comes_by_git(datacenter: Datacenter, tmp_path: Path) -> None:
    machine = datacenter.clients[0]
    machine.sh(
        # Unless a try has done it whose output was lost.
        "curl -sf http://127.0.0.1:18084/repo.git/HEAD >/dev/null || {"
        " rm -rf /srv/git && mkdir -p /srv/git/work && cd /srv/git/work && git init -q && echo fetched >file"
        " && git add file && git -c user.name=t -c user.email=t@example.com commit -qm one"
        " && git clone -q --bare . ../repo.git && cd ../repo.git && git update-server-info"
        " && ($(command -v busybox-extras || command -v busybox) httpd -p 127.0.0.1:18084 -h /srv/git); }"
    )
    file = tmp_path / "git.nomad.hcl"
    file.write_text(
        f"""
job "fetches" {{
  type = "batch"
  constraint {{
    attribute = "${{node.unique.name}}"
    value     = "{machine.name}"
  }}
  group "fetches" {{
    task "fetches" {{
      driver = "exec"
      artifact {{
        source      = "git::http://127.0.0.1:18084/repo.git"
        destination = "local/repo"
      }}
      config {{
        command = "/bin/cat"
        args    = ["local/repo/file"]
      }}
      resources {{
        cpu    = 20
        memory = 32
      }}
    }}
  }}
}}
"""
    )
    try:
        datacenter.vendor("nomad", "job", "run", "-detach", str(file))
        until(lambda: _status(datacenter, "fetches") == "complete", 120, lambda: _status(datacenter, "fetches"))
        # Nomad's log comes a moment after the end that it tells of.
        logs = ("nomad", "alloc", "logs", "-job", "fetches")
        assert until(lambda: datacenter.vendor(*logs), 20, "it has said something") == "fetched\n"
    finally:
        datacenter.vendor("nomad", "job", "stop", "-purge", "-detach", "fetches")
        machine.sh("pkill -f '[1]27.0.0.1:18084'; rm -rf /srv/git")


def test_an_image_of_this_host_runs_and_stays(shop: Datacenter, docker_client: docker.DockerClient) -> None:
    machine = shop.clients[0]
    machine.sh(f"docker save -o /root/image.tar {IMAGE}")
    pieces, _ = machine.container.get_archive("/root/image.tar")
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as tar:
        archive = tar.extractfile("image.tar")
        assert archive
        (made,) = docker_client.images.load(archive.read())
    name = f"loaded-{secrets.token_hex(2)}"
    try:
        assert made.tag(name, "1")
        with pytest.raises(AssertionError, match="Nomad pulls the tag `latest`"):
            shop.project.run("load", name)
        assert f"loaded {name}:1 into 2 machines" in shop.project.run("load", f"{name}:1")
    finally:
        for tag in (f"{name}:1", IMAGE):
            docker_client.images.remove(tag)
    for client in shop.clients:
        client.sh(f"docker image inspect {name}:1")
    # As on a machine that comes later: its Docker has only what it loads when it starts.
    machine.sh(f"! docker image inspect {name}:1 || docker rmi {name}:1; sv -w 60 restart /etc/service/docker")
    until(lambda: machine.run(f"docker image inspect {name}:1")[0] == 0, 120, "the image is loaded again")


def _status(datacenter: Datacenter, job: str) -> str:
    found = datacenter.nomad(f"/v1/job/{job}/allocations")
    return str(found[0]["ClientStatus"]) if found else "no allocation"


def allocation(datacenter: Datacenter, group: str) -> str:
    found = json.loads(datacenter.vendor("nomad", "job", "allocs", "-json", "shop"))
    (running,) = (one for one in found if one["TaskGroup"] == group and one["ClientStatus"] == "running")
    return str(running["ID"])


def place(datacenter: Datacenter, group: str) -> tuple[Machine, str]:
    """The machine of the group's allocation, and its container's name."""
    identity = allocation(datacenter, group)
    node = datacenter.nomad(f"/v1/allocation/{identity}")["NodeName"]
    machine = next(machine for machine in datacenter.clients if machine.name == node)
    return machine, f"web-{identity}"

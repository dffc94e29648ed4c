"""The proxy before the servers, as a container of its own: whom it leads to, whom it refuses, and how it comes back."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from urllib.error import URLError
from urllib.request import HTTPSHandler, ProxyHandler, build_opener
from uuid import uuid4

import docker
import pytest
from docker.models.containers import Container

from hashistack.local import front, machines, proxy, ranges
from hashistack.local.docker_client import engine
from hashistack.local.handlers.api import ApiHandler
from hashistack.local.image.build import ensure
from hashistack.local.image.recipe import tag
from hashistack.local.resolver import resolver
from hashistack.provider.handler import Context, Diff, Props
from hashistack.secrets import pki
from hashistack.spec import ports as declared

from ..cluster.conftest import free_subnet
from ..cluster.datacenter import Machine
from ..cluster.project import until

pytestmark = pytest.mark.cluster
NAME = "server.global.nomad"


def test_the_ports_of_the_apis_are_those_of_the_specification() -> None:
    products = {"nomad": declared.NOMAD_HTTP, "consul": declared.CONSUL_HTTPS, "vault": declared.VAULT_API}
    assert {product: port.number for product, port in products.items()} == ranges.API_PORTS


def test_no_place_of_a_server_has_an_apis_own_port() -> None:
    taken = [port for slot in range(ranges.SLOTS) for port in ranges.ports(24000, slot).values()]
    taken += ranges.api_ports(24000).values()
    assert sorted(taken) == list(range(24000, 24000 + ranges.PORTS))
    assert ranges.api_address("10.213.4.0/24") == "10.213.4.254"


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    made = engine()
    ensure(made, print)
    yield made
    made.close()


@pytest.fixture(scope="module")
def authority() -> pki.Issued:
    return pki.authority("test CA", timedelta(days=2), datetime.now(UTC))


@pytest.fixture
def inputs(client: docker.DockerClient, authority: pki.Issued) -> Iterator[Props]:
    """`LocalApi`'s inputs, with a network of its own."""
    site = f"proxy-{uuid4().hex[:8]}"
    cidr = free_subnet(client)
    gateway = cidr.replace(".0/24", ".1")
    pool = docker.types.IPAMPool(subnet=cidr, gateway=gateway)
    marks = {"hashistack.cluster": site}
    network = client.networks.create(site, ipam=docker.types.IPAMConfig(pool_configs=[pool]), labels=marks)
    base = next(base for index in range(255, 0, -1) if ranges.ports_free(base := ranges.port_base(index)))
    yield {
        "site": site,
        "labels": marks,
        "network": network.id,
        "cidr": cidr,
        "gateway": gateway,
        "port_base": base,
        "image": tag(),
        "ca_pem": authority.cert_pem,
        "region": "global",
        "domain": "consul",
    }
    for container in client.containers.list(all=True, filters={"label": f"hashistack.cluster={site}"}):
        container.remove(v=True, force=True)
    network.remove()


def free_ports() -> Iterator[int]:
    """Ports of loopback that nobody has now, no cluster can have, and no connection is given meanwhile."""
    for port in range(ranges.FIRST_PORT - 1, 1024, -1):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        yield port


Server = Callable[[str], Container]


@pytest.fixture
def server(client: docker.DockerClient, inputs: Props, authority: pki.Issued) -> Server:
    """Starts a server that has the common name, speaks TLS at Vault's port, and says its own name at /name.

    Its health is a file, at first that of a standby.
    """
    names = {"common_name": NAME, "dns_names": [NAME], "ip_addresses": [], "usages": ["server"]}
    issued = pki.certificate(
        authority.cert_pem, authority.key_pem, validity=timedelta(days=1), now=datetime.now(UTC), **names
    )

    def start(name: str) -> Container:
        command = "cd /srv && exec openssl s_server -HTTP -quiet -accept 8200 -cert /srv/cert.pem -key /srv/key.pem"
        api, endpoint = client.api, client.api.create_endpoint_config(aliases=[f"servers.{machines.DOMAIN}"])
        made = api.create_container(
            tag(),
            name=f"{inputs['site']}-{name}",
            entrypoint=["sh", "-c", command],
            stop_signal="SIGKILL",
            labels=inputs["labels"],
            host_config=api.create_host_config(network_mode=inputs["network"]),
            networking_config={"EndpointsConfig": {inputs["network"]: endpoint}},
        )["Id"]
        files = {"srv/cert.pem": issued.cert_pem, "srv/key.pem": issued.key_pem, "srv/name": said(200, name)}
        files["srv/v1/sys/health"] = said(429, "")
        api.put_archive(made, "/", machines.tar({path: (text.encode(), 0o644) for path, text in files.items()}))
        api.start(made)
        return client.containers.get(made)

    return start


def said(status: int, body: str) -> str:
    return f"HTTP/1.0 {status} X\r\nContent-Length: {len(body)}\r\n\r\n{body}"


def health(server: Container, status: int) -> None:
    """What the server says of itself from now on: 200 is an active Vault, 429 a standby, 503 a sealed one."""
    assert server.put_archive("/srv/v1/sys", machines.tar({"health": (said(status, "").encode(), 0o644)}))


def met(inputs: Props) -> str:
    """Who answers at Vault's address; "" while nobody does."""
    context = ssl.create_default_context(cadata=inputs["ca_pem"])
    context.check_hostname = False
    opener = build_opener(ProxyHandler({}), HTTPSHandler(context=context))
    try:
        with opener.open(f"{proxy.addresses(inputs['port_base'])['vault']}/name", timeout=5) as answer:
            return str(answer.read().decode())
    except (URLError, OSError):
        return ""


def leads_to(inputs: Props, name: str, times: int = 12) -> None:
    """The address leads to that one, soon, and then each time: half of the servers are another."""
    until(lambda: [met(inputs) for _ in range(times)] == [name] * times, 60, f"the address leads to {name}")


def test_the_address_stays_and_leads_to_the_active_one(
    client: docker.DockerClient, inputs: Props, server: Server
) -> None:
    handler = ApiHandler()
    # Before there is any server, as in an `up`.
    _, made = handler.create(Context(), inputs)
    dns = f"127.0.0.1:{ranges.dns_port(inputs['port_base'])}"
    assert made == {"addresses": proxy.addresses(inputs["port_base"]), "dns": dns}
    assert handler.diff(Context(), inputs["site"], inputs, inputs) == Diff()
    first, second = server("first"), server("second")
    health(first, 200)
    leads_to(inputs, "first")
    # Leadership moves, and then the machine itself goes; its successor has another address.
    health(first, 429)
    health(second, 200)
    leads_to(inputs, "second")
    first.remove(force=True)
    third = server("third")
    leads_to(inputs, "second")
    second.kill()
    health(third, 200)
    leads_to(inputs, "third")
    # Nobody is active, as where all are sealed: whoever is there answers for himself.
    health(third, 503)
    until(lambda: met(inputs) == "third", 30, "a sealed one is reached")

    # Stopped, and lost: the next `up` sees it and brings it back, at the same address.
    (container,) = client.containers.list(
        filters={"label": [f"hashistack.cluster={inputs['site']}", "hashistack.role=api"]}
    )
    for gone in (container.stop, lambda: container.remove(force=True)):
        gone()
        assert handler.diff(Context(), inputs["site"], inputs, inputs).update
        handler.update(Context(), inputs["site"], inputs, inputs)
        assert handler.diff(Context(), inputs["site"], inputs, inputs) == Diff()
        until(lambda: met(inputs) == "third", 30, "the address is back")

    # Who is inside the network, as a task is, may not use the address that Consul trusts.
    inside = f"curl -sk --max-time 5 https://{ranges.api_address(inputs['cidr'])}:8200/name"
    assert Machine(third).sh("curl -sk --max-time 5 https://localhost:8200/name") == "third"
    assert Machine(third).run(inside)[0] != 0

    handler.delete(Context(), inputs["site"], {**inputs, **made})
    assert not client.containers.list(
        all=True, filters={"label": [f"hashistack.cluster={inputs['site']}", "hashistack.role"]}
    )


def test_another_ca_or_image_is_another_container(client: docker.DockerClient, inputs: Props) -> None:
    handler = ApiHandler()
    handler.create(Context(), inputs)
    before = {one["Names"][0]: one["Id"] for one in front.found(client.api, inputs["site"])}
    news = {**inputs, "ca_pem": inputs["ca_pem"] * 2}
    assert handler.diff(Context(), inputs["site"], inputs, news) == Diff(update=("ca_pem",))
    handler.update(Context(), inputs["site"], inputs, news)
    after = {one["Names"][0]: one["Id"] for one in front.found(client.api, inputs["site"])}
    # The resolver has nothing to do with it, and stays.
    assert [name.rpartition("-")[2] for name in before if before[name] != after[name]] == ["api"]
    front.ensure(
        client, [proxy.proxy(news, news["ca_pem"], "global"), resolver(news, "consul")]
    )  # as a rollout does, from what it knows
    assert {one["Names"][0]: one["Id"] for one in front.found(client.api, inputs["site"])} == after


def test_a_published_port_leads_to_machines_of_its_pool_where_something_listens(
    client: docker.DockerClient, inputs: Props
) -> None:
    def machine(pool: str, port: int) -> Container:
        """A client of a pool that says its pool at a port."""
        endpoint = client.api.create_endpoint_config(aliases=machines.aliases("any", "client", pool, 0))
        serve = f"mkdir -p /srv/www && echo {pool} >/srv/www/index.html && exec "
        serve += f"$(command -v busybox-extras || command -v busybox) httpd -f -p {port} -h /srv/www"
        made = client.api.create_container(
            tag(),
            name=f"{inputs['site']}-{uuid4().hex[:4]}",
            entrypoint=["sh", "-c", serve],
            stop_signal="SIGKILL",
            labels=inputs["labels"],
            host_config=client.api.create_host_config(network_mode=inputs["network"]),
            networking_config={"EndpointsConfig": {inputs["network"]: endpoint}},
        )["Id"]
        client.api.start(made)
        return client.containers.get(made)

    def says(host: int) -> str:
        try:
            with build_opener(ProxyHandler({})).open(f"http://127.0.0.1:{host}/", timeout=5) as answer:
                return str(answer.read().decode()).strip()
        except (URLError, OSError):
            return ""

    first, second = islice(free_ports(), 2)
    published = {"Web": [{"port": 8080, "host": first}], "batch": [{"port": 8080, "host": second}]}
    news, handler = {**inputs, "published": published}, ApiHandler()
    handler.create(Context(), inputs)
    assert handler.diff(Context(), inputs["site"], inputs, news) == Diff(update=("published",))
    handler.update(Context(), inputs["site"], inputs, news)
    assert handler.diff(Context(), inputs["site"], news, news) == Diff()
    assert dict(ranges.taken(client.api, [first, second])) == dict.fromkeys(
        (first, second), f"the cluster {inputs['site']}"
    )
    assert not dict(ranges.taken(client.api, [first, second], inputs["site"]))

    machine("Web", 9999)  # where nothing listens at the port
    there, _ = machine("Web", 8080), machine("batch", 8080)
    until(lambda: (says(first), says(second)) == ("Web", "batch"), 60, lambda: f"{says(first)}, {says(second)}")
    there.remove(force=True)
    until(lambda: not says(first), 30, "nobody answers")
    machine("Web", 8080)
    until(lambda: says(first) == "Web", 60, "the new machine answers")
    # Only loopback leads there: a task can ask the machine itself.
    inside = f"curl -s --max-time 5 http://{ranges.publisher_address(inputs['cidr'])}:10000/"
    assert Machine(machine("batch", 8080)).run(inside)[0] != 0

    handler.update(Context(), inputs["site"], news, inputs)
    assert not dict(ranges.taken(client.api, [first, second]))


def test_the_host_is_answered_by_whichever_servers_there_are(client: docker.DockerClient, inputs: Props) -> None:
    def consul(name: str, answer: str) -> Container:
        """A server whose Consul says of web.service.consul that it is at `answer`."""
        config = f"""server:
          interface: 0.0.0.0@8600
          access-control: 0.0.0.0/0 allow
          do-daemonize: no
          chroot: ""
          username: ""
          pidfile: ""
          directory: "/tmp"
          local-zone: "consul." static
          local-data: "web.service.consul. 0 IN A {answer}"
        """
        made = client.api.create_container(
            tag(),
            name=f"{inputs['site']}-{name}",
            entrypoint=["unbound", "-d", "-c", "/srv/unbound.conf"],
            stop_signal="SIGKILL",
            labels=inputs["labels"],
            host_config=client.api.create_host_config(network_mode=inputs["network"]),
            networking_config={
                "EndpointsConfig": {
                    inputs["network"]: client.api.create_endpoint_config(aliases=[f"servers.{machines.DOMAIN}"])
                }
            },
        )["Id"]
        client.api.put_archive(made, "/", machines.tar({"srv/unbound.conf": (config.encode(), 0o644)}))
        client.api.start(made)
        return client.containers.get(made)

    _, made = ApiHandler().create(Context(), inputs)
    address, _, port = made["dns"].partition(":")

    def says(wanted: str, name: str, tcp: bool = False) -> None:
        until(lambda: ask(address, int(port), name, tcp) == wanted, 60, f"{name} is {wanted}")

    first = consul("first", "10.1.1.1")
    says("10.1.1.1", "web.service.consul")
    says("10.1.1.1", "web.service.consul", tcp=True)
    # Another server takes its place, at another address: nothing tells the resolver.
    consul("second", "10.2.2.2")
    first.remove(force=True)
    says("10.2.2.2", "web.service.consul")
    says("code 3", "no.service.consul")  # NXDOMAIN
    says("code 5", "example.com")  # REFUSED
    says("code 5", f"servers.{machines.DOMAIN}")


def ask(address: str, port: int, name: str, tcp: bool) -> str:
    """The last address of a name (RFC 1035), else the code of the answer; "" where there is none."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    question = b"\x01\x02" + struct.pack(">5H", 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", 1, 1)
    with socket.socket(type=socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as asking:
        asking.settimeout(3)
        try:
            asking.connect((address, port))
            asking.sendall(struct.pack(">H", len(question)) + question if tcp else question)
            answer = asking.recv(4096)[2 if tcp else 0 :]
        except OSError:
            return ""
    if len(answer) < 12:
        return ""
    flags, _, answers = struct.unpack(">3H", answer[2:8])
    return ".".join(map(str, answer[-4:])) if answers else f"code {flags & 15}"

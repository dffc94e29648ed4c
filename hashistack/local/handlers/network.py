"""LocalNetwork's handler: a bridge network with a subnet and a block of host ports that are nobody else's."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from hashistack.local import labels, ranges
from hashistack.local.docker_client import DockerHandler, engine
from hashistack.local.removal import remove_network
from hashistack.provider.handler import Context, Diff, Props, ResourceFailed

if TYPE_CHECKING:
    import docker


class NetworkHandler(DockerHandler):
    """Inputs: site, labels, cidr (None: chosen here). Outputs: network (id), cidr, gateway, port_base."""

    def diff(self, ctx: Context, id: str, olds: Props, news: Props) -> Diff:
        if olds["site"] != news["site"]:
            return Diff(replace=("site",), delete_before_replace=True)
        # Another `network.cidr` is refused before (`spec.immutable`). Docker prunes the network of a cluster that is
        # stopped: it is made again, with the same range, and its machines keep their addresses.
        found = _find(news["site"])
        return Diff() if found and found["Id"] == olds["network"] else Diff(update=("network",))

    def update(self, ctx: Context, id: str, olds: Props, news: Props) -> Props:
        from docker.errors import APIError

        if found := _find(news["site"]):
            return _outputs(found)
        try:
            _make(news, IPv4Network(olds["cidr"]), olds["port_base"])
        except APIError as error:
            raise ResourceFailed(
                f"network {olds['cidr']} of this cluster was removed and can't be made again: Docker says: "
                f"{error.explanation}. Its machines are kept.",
                "remove the network that took its place (`docker network ls`), then repeat",
            ) from error
        return _outputs(engine().api.inspect_network(news["site"]))

    def create(self, ctx: Context, news: Props) -> tuple[str, Props]:
        client = engine()
        from docker.errors import APIError

        if found := _find(news["site"]):
            return found["Id"], _outputs(found)
        reserved = ranges.reserved(client.api)
        for index in range(ranges.CLUSTERS):
            cidr = IPv4Network(news["cidr"]) if news.get("cidr") else ranges.subnet(index)
            base = ranges.port_base(index)
            if base in reserved.port_bases or not ranges.ports_free(base):
                continue
            if reserved.has(cidr):
                if news.get("cidr"):
                    raise ResourceFailed(
                        f"network {cidr} belongs to another cluster, which may be stopped",
                        "choose another `network.cidr`, or leave it out",
                    )
                continue
            try:
                _make(news, cidr, base)
            except APIError as error:
                if "overlap" not in str(error.explanation):
                    raise ResourceFailed(f"network {cidr}: Docker says: {error.explanation}") from error
                if news.get("cidr"):
                    raise ResourceFailed(
                        f"network {cidr} overlaps one that Docker has. Choose another `network.cidr`, or leave it out."
                    ) from error
                continue
            found = client.api.inspect_network(news["site"])
            if _came_second(client.api, found):
                client.api.remove_network(found["Id"])
                continue
            return found["Id"], _outputs(found)
        raise ResourceFailed(
            f"no free /24 in {ranges.SUPERNET} with free ports on loopback is left. "
            "Remove clusters (`docker network ls`), or set `network.cidr`."
        )

    def delete(self, ctx: Context, id: str, olds: Props) -> None:
        client = engine()
        # It takes no machine with it. Those that are still in it were made by an `up` that was killed: LocalSite's
        # removal sweeps them, and it.
        if not client.api.containers(all=True, filters=labels.of(olds["site"])):
            remove_network(client, olds["network"], ctx.warn)


def _find(site: str) -> Props | None:
    found = engine().api.networks(filters=labels.of(site))
    return found[0] if found else None


def _came_second(api: docker.APIClient, network: Props) -> bool:
    """Whether another `up` took the same ports at the same moment, and is to have them."""
    marked = {"label": [f"{labels.PORT_BASE}={network['Labels'][labels.PORT_BASE]}"]}
    first = min(api.networks(filters=marked), key=lambda found: (found["Created"], found["Id"]))
    return bool(first["Id"] != network["Id"])


def _make(news: Props, cidr: IPv4Network, base: int) -> None:
    from docker.types import IPAMConfig, IPAMPool

    ipam = IPAMConfig(pool_configs=[IPAMPool(subnet=str(cidr), gateway=str(cidr[1]))])
    marks = {**news["labels"], labels.PORT_BASE: str(base)}
    engine().api.create_network(news["site"], driver="bridge", ipam=ipam, labels=marks, check_duplicate=True)


def _outputs(network: Props) -> Props:
    pool = network["IPAM"]["Config"][0]
    base = int(network["Labels"][labels.PORT_BASE])
    return {"network": network["Id"], "cidr": pool["Subnet"], "gateway": pool["Gateway"], "port_base": base}

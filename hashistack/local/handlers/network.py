"""LocalNetwork's handler: a bridge network with a subnet and a block of host ports that are nobody else's."""

from __future__ import annotations

from ipaddress import IPv4Network

from hashistack.local import labels, ranges
from hashistack.local.docker_client import DockerHandler, engine
from hashistack.local.listing import listing
from hashistack.local.removal import remove_containers, remove_network
from hashistack.provider.handler import Context, Diff, Props, ResourceFailed


class NetworkHandler(DockerHandler):
    """Inputs: site, labels, cidr (None: chosen here). Outputs: network (id), cidr, gateway, port_base."""

    def diff(self, ctx: Context, id: str, olds: Props, news: Props) -> Diff:
        wanted = news.get("cidr")
        moved = olds["site"] != news["site"] or (wanted is not None and wanted != olds["cidr"])
        if moved:
            return Diff(replace=("cidr",), delete_before_replace=True)
        # Somebody removed it behind our back: it is made again, with the same range.
        return Diff() if _find(news["site"]) else Diff(replace=("network",))

    def create(self, ctx: Context, news: Props) -> tuple[str, Props]:
        client = engine()
        from docker.errors import APIError

        if found := _find(news["site"]):
            return found["Id"], _outputs(found)
        for index in range(ranges.CLUSTERS):
            cidr = IPv4Network(news["cidr"]) if news.get("cidr") else ranges.subnet(index)
            base = ranges.port_base(index)
            if not ranges.ports_free(base):
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
            return found["Id"], _outputs(found)
        raise ResourceFailed(
            f"no free /24 in {ranges.SUPERNET} with free ports on loopback is left. "
            "Remove clusters (`docker network ls`), or set `network.cidr`."
        )

    def delete(self, ctx: Context, id: str, olds: Props) -> None:
        client = engine()
        # The pools went before it: what is still there was made by an `up` that was killed meanwhile.
        remove_containers(client, client.api.containers(all=True, filters=labels.of(olds["site"])))
        if found := _find(olds["site"]):
            remove_network(client, found["Id"], ctx.warn)


def _find(site: str) -> Props | None:
    found = listing().networks(filters=labels.of(site))
    return found[0] if found else None


def _make(news: Props, cidr: IPv4Network, base: int) -> None:
    from docker.types import IPAMConfig, IPAMPool

    ipam = IPAMConfig(pool_configs=[IPAMPool(subnet=str(cidr), gateway=str(cidr[1]))])
    marks = {**news["labels"], "hashistack.port_base": str(base)}
    engine().api.create_network(news["site"], driver="bridge", ipam=ipam, labels=marks, check_duplicate=True)


def _outputs(network: Props) -> Props:
    pool = network["IPAM"]["Config"][0]
    base = int(network["Labels"]["hashistack.port_base"])
    return {"network": network["Id"], "cidr": pool["Subnet"], "gateway": pool["Gateway"], "port_base": base}

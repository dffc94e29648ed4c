"""LocalApi's handler: addresses for APIs, names and published ports, whichever machines there are."""

from __future__ import annotations

from hashistack.local.docker_client import DockerHandler, engine
from hashistack.local.front import Front, ensure, remove, runs
from hashistack.local.proxy import addresses, proxy
from hashistack.local.publisher import publisher
from hashistack.local.ranges import dns_port
from hashistack.local.resolver import resolver
from hashistack.provider.handler import Context, Diff, Props, changed, is_known


class ApiHandler(DockerHandler):
    """Inputs: site, labels, network, cidr, gateway, port_base, image, ca_pem, region, domain, published (see LocalApi).

    Outputs: addresses (product to the address of its API), dns (address and port of the resolver). What is lost or
    stopped comes back with the next `up`.
    """

    def diff(self, ctx: Context, id: str, olds: Props, news: Props) -> Diff:
        if olds["site"] != news["site"]:
            return Diff(replace=("site",), delete_before_replace=True)
        differing = changed(olds, news)
        if differing or not is_known(news):
            return Diff(update=differing or ("image",))
        return Diff() if runs(engine().api, _plans(news)) else Diff(update=("addresses",))

    def preview(self, ctx: Context, olds: Props | None, news: Props) -> Props:
        return _outputs(news) if is_known(news["port_base"]) else {}

    def create(self, ctx: Context, news: Props) -> tuple[str, Props]:
        ensure(engine(), _plans(news))
        return str(news["site"]), _outputs(news)

    def update(self, ctx: Context, id: str, olds: Props, news: Props) -> Props:
        ensure(engine(), _plans(news))
        return _outputs(news)

    def delete(self, ctx: Context, id: str, olds: Props) -> None:
        remove(engine(), olds["site"])


def _plans(news: Props) -> list[Front]:
    apis, names = proxy(news, news["ca_pem"], news["region"]), resolver(news, news["domain"])
    return [apis, names, *publisher(news, news.get("published") or {})]


def _outputs(news: Props) -> Props:
    return {"addresses": addresses(news["port_base"]), "dns": f"127.0.0.1:{dns_port(news['port_base'])}"}

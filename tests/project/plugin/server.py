"""A stand-in for `pulumi-resource-gcp`, for tests: the real engine asks it, and it asks the project's APIs."""

from __future__ import annotations

from typing import Any

from hashistack.provider.handler import Props

from ...box.plugin import StandIn
from ..addresses import CIDR
from ..compute import COMPUTE, PROJECT, REGION, ZONES
from .resource import Resource

_configured: dict[str, Any] = {}


def answer(token: str, args: Props) -> Props:
    """What the function of this token says; raises LookupError for one that the stand-in doesn't have."""
    match token.rpartition(":")[2]:
        case "getClientConfig":
            return {
                "id": PROJECT,
                "project": PROJECT,
                "region": REGION,
                "zone": "",
                "accessToken": "",
                "defaultLabels": {},
            }
        case "getZones":
            return {**args, "id": PROJECT, "names": list(ZONES), "project": PROJECT}
        case "getImage":
            link = f"{COMPUTE}/projects/{args['project']}/global/images/{args['family']}-v20260101"
            return {**args, "id": link, "selfLink": link, "name": args["family"]}
        case "getSubnetwork":
            return {**args, "id": args["selfLink"], "ipCidrRange": CIDR}
    raise LookupError(f"the stand-in has no function {token}")


def main() -> None:
    """Serves the engine whose address is the first argument."""
    StandIn("10.2.0", Resource, answer, _configured).run()


if __name__ == "__main__":
    main()

"""What Google Cloud would say, and our own plugin: plausible ids and links, for `record`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hashistack.testing import plugin
from hashistack.testing.recording import Cloud

_COMPUTE = "https://www.googleapis.com/compute/v1"


@dataclass(frozen=True)
class Gcp(Cloud):
    """A project in one region with three zones, in which everything that is asked for is found."""

    region: str = "europe-west1"
    project: str = "x-project"

    def answer(self, token: str, args: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the invokes of our components return; others raise LookupError."""
        match token.rpartition(":")[2]:
            case "getClientConfig":
                return {"project": self.project, "region": self.region, "zone": "", "accessToken": "ya29.a-token"}
            case "getZones":
                return {"names": [f"{args['region']}-{letter}" for letter in "bcd"]}
            case "getImage":
                place = f"projects/{args['project']}/global/images/{args['family']}-v20260101"
                return {"selfLink": f"{_COMPUTE}/{place}"}
            case "getSubnetwork":
                return {"ipCidrRange": "10.9.0.0/16"}
            case "preflight" | "gcpPreflight":  # of our own plugin: nothing stands against the cluster
                return {"findings": "[]"}
        return super().answer(token, args)

    def outputs(self, type: str, name: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a resource of Google Cloud, or one of ours, says beside its inputs."""
        package, _, kind = type.rpartition(":")
        if package == "hashistack:index":
            return plugin.outputs(kind, inputs)
        place = f"projects/{self.project}/regions/{self.region}"
        named = {"name": inputs.get("name", name)}
        match kind:
            case "Account":
                return {"email": f"{inputs['accountId']}@{self.project}.iam.gserviceaccount.com", **named}
            case "Address":
                return {"address": "10.0.0.9", **named}
            case "BucketObject":
                return {"generation": 1764460800000000}
            case "CryptoKey":
                return {"id": f"{inputs['keyRing']}/cryptoKeys/{name}", **named}
            case "IAMCustomRole":
                return {"name": f"projects/{self.project}/roles/{inputs['roleId']}"}
            case "InstanceTemplate":
                link = f"{_COMPUTE}/projects/{self.project}/global/instanceTemplates/{name}"
                return {"selfLink": link, "selfLinkUnique": f"{link}?uniqueId=123", **named}
            case "KeyRing":
                return {"id": f"projects/{self.project}/locations/{inputs['location']}/keyRings/{name}", **named}
            case "RegionInstanceGroupManager":
                where = {"project": self.project, "region": self.region}
                return {"instanceGroup": f"{_COMPUTE}/{place}/instanceGroups/{name}", **where, **named}
            case "Secret":
                secret = f"projects/{self.project}/secrets/{inputs['secretId']}"
                return {"id": secret, "name": secret}
        return named

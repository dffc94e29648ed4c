"""What the provider sends for a planned resource: its inputs, in the form of the API's own schema.

Only what has another name or another place there is written down; everything else goes as it is, and Google's documents
then say whether there is such a field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hashistack.testing import Registered

Inputs = Mapping[str, Any]


def _without(inputs: Inputs, *names: str) -> dict[str, Any]:
    return {name: value for name, value in inputs.items() if name not in names}


def _renamed(inputs: Inputs, names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in inputs.items()}


def _template(inputs: Inputs) -> Inputs:
    disks = [
        {
            **_without(disk, "sourceImage", "diskType", "diskSizeGb", "labels", "diskEncryptionKey"),
            "initializeParams": {
                "sourceImage": disk.get("sourceImage"),
                "diskType": disk["diskType"],
                "diskSizeGb": str(int(disk["diskSizeGb"])),
                "labels": disk["labels"],
            },
            "diskEncryptionKey": {"kmsKeyName": disk["diskEncryptionKey"]["kmsKeySelfLink"]}
            if disk.get("diskEncryptionKey")
            else None,
        }
        for disk in inputs["disks"]
    ]
    shutdown = inputs["scheduling"]["gracefulShutdown"]
    longest = {"seconds": str(int(shutdown["maxDuration"]["seconds"]))}
    properties = {
        **_without(inputs, "name", "disks", "metadata", "serviceAccount", "scheduling"),
        "disks": disks,
        "metadata": {"items": [{"key": key, "value": value} for key, value in inputs["metadata"].items()]},
        "serviceAccounts": [inputs["serviceAccount"]],
        "scheduling": {**inputs["scheduling"], "gracefulShutdown": {**shutdown, "maxDuration": longest}},
    }
    return {"name": inputs.get("name"), "properties": properties}


def _manager(inputs: Inputs) -> Inputs:
    policy = _renamed(dict(inputs["updatePolicy"]), {})
    surge, unavailable = policy.pop("maxSurgeFixed"), policy.pop("maxUnavailableFixed")
    selections = (inputs.get("instanceFlexibilityPolicy") or {}).get("instanceSelections", [])
    return {
        **_without(
            inputs,
            *("updatePolicy", "distributionPolicyZones", "distributionPolicyTargetShape", "instanceFlexibilityPolicy"),
        ),
        "distributionPolicy": {
            "targetShape": inputs["distributionPolicyTargetShape"],
            "zones": [{"zone": f"zones/{zone}"} for zone in inputs["distributionPolicyZones"]],
        },
        "updatePolicy": {**policy, "maxSurge": {"fixed": surge}, "maxUnavailable": {"fixed": unavailable}},
        "instanceFlexibilityPolicy": {
            "instanceSelections": {each["name"]: _without(each, "name") for each in selections}
        },
    }


def _firewall(inputs: Inputs) -> Inputs:
    allowed = [{"IPProtocol": each["protocol"], "ports": each["ports"]} for each in inputs["allows"]]
    return {**_without(inputs, "allows"), "allowed": allowed}


def _subnetwork(inputs: Inputs) -> Inputs:
    logs = inputs.get("logConfig")
    return {**inputs, "logConfig": logs and {**logs, "enable": True}}


def _nat(inputs: Inputs) -> Inputs:
    nat = _renamed(
        _without(inputs, "router", "region", "subnetworks"),
        {"sourceSubnetworkIpRangesToNat": "sourceSubnetworkIpRangesToNat"},
    )
    subnetworks = [_renamed(each, {"sourceIpRangesToNats": "sourceIpRangesToNat"}) for each in inputs["subnetworks"]]
    return {"nats": [{**nat, "subnetworks": subnetworks}]}


def _check(inputs: Inputs) -> Inputs:
    kind = "HTTPS" if inputs.get("httpsHealthCheck") else "TCP"
    return {**inputs, "type": kind}


def _backend(inputs: Inputs) -> Inputs:
    seconds = inputs["connectionDrainingTimeoutSec"]
    return {
        **_without(inputs, "connectionDrainingTimeoutSec"),
        "healthChecks": [inputs["healthChecks"]],
        "connectionDraining": {"drainingTimeoutSec": seconds},
    }


def _network(inputs: Inputs) -> Inputs:
    return {**_without(inputs, "routingMode"), "routingConfig": {"routingMode": inputs["routingMode"]}}


def _forwarding(inputs: Inputs) -> Inputs:
    return _renamed(inputs, {"ipAddress": "IPAddress", "ipProtocol": "IPProtocol"})


def _bucket(inputs: Inputs) -> Inputs:
    rules = [
        {
            "action": rule["action"],
            "condition": _renamed(rule["condition"], {"matchesPrefixes": "matchesPrefix"}),
        }
        for rule in inputs["lifecycleRules"]
    ]
    own = ("uniformBucketLevelAccess", "publicAccessPrevention", "lifecycleRules", "forceDestroy")
    return {
        **_without(inputs, *own),
        "iamConfiguration": {
            "uniformBucketLevelAccess": {"enabled": inputs["uniformBucketLevelAccess"]},
            "publicAccessPrevention": inputs["publicAccessPrevention"],
        },
        "lifecycle": {"rule": rules},
    }


def _secret(inputs: Inputs) -> Inputs:
    return _without(inputs, "secretId", "deletionProtection", "project")


def _role(inputs: Inputs) -> Inputs:
    return {"title": inputs["title"], "includedPermissions": inputs["permissions"], "stage": "GA"}


SENT: Mapping[str, tuple[str, str, Callable[[Inputs], Inputs]]] = {
    "gcp:compute/address:Address": ("compute", "Address", dict),
    "gcp:compute/firewall:Firewall": ("compute", "Firewall", _firewall),
    "gcp:compute/forwardingRule:ForwardingRule": ("compute", "ForwardingRule", _forwarding),
    "gcp:compute/instanceTemplate:InstanceTemplate": ("compute", "InstanceTemplate", _template),
    "gcp:compute/network:Network": ("compute", "Network", _network),
    "gcp:compute/regionBackendService:RegionBackendService": ("compute", "BackendService", _backend),
    "gcp:compute/regionHealthCheck:RegionHealthCheck": ("compute", "HealthCheck", _check),
    "gcp:compute/regionInstanceGroupManager:RegionInstanceGroupManager": (
        "compute",
        "InstanceGroupManager",
        _manager,
    ),
    "gcp:compute/router:Router": ("compute", "Router", dict),
    "gcp:compute/routerNat:RouterNat": ("compute", "Router", _nat),
    "gcp:compute/subnetwork:Subnetwork": ("compute", "Subnetwork", _subnetwork),
    "gcp:dns/managedZone:ManagedZone": ("dns", "ManagedZone", dict),
    "gcp:kms/cryptoKey:CryptoKey": (
        "cloudkms",
        "CryptoKey",
        lambda it: _without(it, "keyRing", "name"),
    ),
    "gcp:kms/keyRing:KeyRing": ("cloudkms", "KeyRing", lambda it: _without(it, "location", "name")),
    "gcp:projects/iAMCustomRole:IAMCustomRole": ("iam", "Role", _role),
    "gcp:secretmanager/secret:Secret": ("secretmanager", "Secret", _secret),
    "gcp:serviceaccount/account:Account": ("iam", "ServiceAccount", lambda it: _without(it, "accountId")),
    "gcp:storage/bucket:Bucket": ("storage", "Bucket", _bucket),
}
"""Type to the API, the name of the schema, and what becomes of the inputs."""

ELSEWHERE = {
    "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember",
    "gcp:projects/iAMMember:IAMMember",
    "gcp:secretmanager/secretIamMember:SecretIamMember",
    "gcp:secretmanager/secretVersion:SecretVersion",
    "gcp:storage/bucketIAMMember:BucketIAMMember",
    "gcp:storage/bucketObject:BucketObject",
}
"""Types of which the provider sends no document of their own: one binding among others', or a content."""


def sent(resource: Registered) -> tuple[str, str, Inputs]:
    """The API, the name of the schema and the document that is sent for a planned resource."""
    return document(resource.type, resource.inputs)


def document(type: str, inputs: Inputs) -> tuple[str, str, Inputs]:
    """The same for a type of resource and its inputs."""
    api, schema, form = SENT[type]
    # Project and region are in the path, and the engine's protocol knows no integers.
    made = _without(form(_without(inputs, "region", "project")), "region", "project")
    return api, schema, _whole(made)


def _whole(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _whole(item) for name, item in value.items()}
    if isinstance(value, list):
        return list(map(_whole, value))
    return int(value) if isinstance(value, float) and value.is_integer() else value

"""What Google's provider asks for when it makes a declared resource, and the outputs that it learns by it.

The documents are those of `tests/gcp/wire.py`. Every request goes through Google's own library and the front's judge.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from threading import RLock
from typing import Any
from uuid import uuid4

import pulumi
from googleapiclient.http import MediaFileUpload, MediaInMemoryUpload

from hashistack.gcp.ops.session import Google

from ..box.asset import ASSET
from ..gcp.wire import SENT, document
from .compute import COMPUTE, PROJECT, REGION

_COLLECTIONS = {
    "Address": ("addresses", "address"),
    "Firewall": ("firewalls", "firewall"),
    "ForwardingRule": ("forwardingRules", "forwardingRule"),
    "InstanceTemplate": ("instanceTemplates", "instanceTemplate"),
    "Network": ("networks", "network"),
    "RegionBackendService": ("regionBackendServices", "backendService"),
    "RegionHealthCheck": ("regionHealthChecks", "healthCheck"),
    "RegionInstanceGroupManager": ("regionInstanceGroupManagers", "instanceGroupManager"),
    "Router": ("routers", "router"),
    "Subnetwork": ("subnetworks", "subnetwork"),
}
"""Kind to its collection in Compute Engine's API, and to what its methods call one of it."""
_GLOBAL = {"Firewall", "InstanceTemplate", "Network"}
_CHUNK = 64 << 20
_policies = RLock()

Inputs = Mapping[str, Any]


def make(google: Google, type: str, name: str, inputs: Inputs) -> dict[str, Any]:
    """Makes it; answers outputs beside the inputs, `id` among them where it is known. A type that is nothing to a
    machine makes nothing."""
    kind = type.rpartition(":")[2]
    body = {**document(type, inputs)[2]} if type in SENT else {}
    if kind in _COLLECTIONS:
        return _compute(google, kind, name, body)
    match kind:
        case "Bucket":
            google.ask("storage.buckets.insert", project=PROJECT, body={**body, "name": name})
            return {"id": name, "name": name}
        case "BucketObject":
            return {"generation": int(_upload(google, inputs)["generation"])}
        case "Secret":
            parent, secret = f"projects/{PROJECT}", inputs["secretId"]
            google.ask("secretmanager.projects.secrets.create", parent=parent, secretId=secret, body=body)
            return {"id": f"{parent}/secrets/{secret}", "name": f"{parent}/secrets/{secret}"}
        case "SecretVersion":
            payload = {"data": b64encode(inputs["secretData"].encode()).decode()}
            method = "secretmanager.projects.secrets.addVersion"
            return {"id": google.ask(method, parent=inputs["secret"], body={"payload": payload})["name"]}
        case "KeyRing":
            parent = f"projects/{PROJECT}/locations/{inputs['location']}"
            google.ask("cloudkms.projects.locations.keyRings.create", parent=parent, keyRingId=name, body=body)
            return {"id": f"{parent}/keyRings/{name}", "name": name}
        case "CryptoKey":
            ring, method = inputs["keyRing"], "cloudkms.projects.locations.keyRings.cryptoKeys.create"
            google.ask(method, parent=ring, cryptoKeyId=name, body=body)
            return {"id": f"{ring}/cryptoKeys/{name}", "name": name}
        case "Account":
            asked = {"accountId": inputs["accountId"], "serviceAccount": body}
            return dict(google.ask("iam.projects.serviceAccounts.create", name=f"projects/{PROJECT}", body=asked))
        case "IAMCustomRole":
            asked = {"roleId": inputs["roleId"], "role": body}
            return {"name": google.ask("iam.projects.roles.create", parent=f"projects/{PROJECT}", body=asked)["name"]}
        case "IAMMember":
            _bind(google, "cloudresourcemanager.projects", PROJECT, inputs)
        case "BucketIAMMember":
            _bind_bucket(google, inputs)
        case "SecretIamMember":
            _bind(google, "secretmanager.projects.secrets", inputs["secretId"], inputs)
        case "CryptoKeyIAMMember":
            _bind(google, "cloudkms.projects.locations.keyRings.cryptoKeys", inputs["cryptoKeyId"], inputs)
    return {}


def remove(google: Google, type: str, id: str, outputs: Inputs) -> None:
    """Deletes it, where that matters to anybody."""
    kind = type.rpartition(":")[2]
    if kind in _COLLECTIONS:
        collection, one = _COLLECTIONS[kind]
        place = {} if kind in _GLOBAL else {"region": REGION}
        asked = {"project": PROJECT, **place, one: outputs["name"], "requestId": str(uuid4())}
        google.ask(f"compute.{collection}.delete", **asked)
    match kind:
        case "Bucket":
            for page in google.pages("storage.objects.list", bucket=id, versions=True):
                for each in page.get("items", ()) if outputs["forceDestroy"] else ():
                    asked = {"bucket": id, "object": each["name"], "generation": each["generation"]}
                    google.ask("storage.objects.delete", **asked)
            google.ask("storage.buckets.delete", bucket=id)
        case "Secret":
            google.ask("secretmanager.projects.secrets.delete", name=id)
        case "Account":
            google.ask("iam.projects.serviceAccounts.delete", name=outputs["name"])
        case "IAMCustomRole":
            google.ask("iam.projects.roles.delete", name=outputs["name"])


def _compute(google: Google, kind: str, name: str, body: Inputs) -> dict[str, Any]:
    collection, _ = _COLLECTIONS[kind]
    place = {} if kind in _GLOBAL else {"region": REGION}
    name = body.get("name") or name
    asked = {"project": PROJECT, **place, "requestId": str(uuid4()), "body": {**body, "name": name}}
    google.ask(f"compute.{collection}.insert", **asked)
    path = f"projects/{PROJECT}/{'global' if kind in _GLOBAL else f'regions/{REGION}'}/{collection}/{name}"
    said: dict[str, Any] = {"id": path, "name": name, "selfLink": f"{COMPUTE}/{path}"}
    if kind == "InstanceTemplate":
        said["selfLinkUnique"] = f"{said['selfLink']}?uniqueId=42"
    if kind == "RegionInstanceGroupManager":
        where = {"project": PROJECT, "region": REGION, "instanceGroupManager": name}
        found = google.ask("compute.regionInstanceGroupManagers.get", **where)
        said.update(instanceGroup=found["instanceGroup"], project=PROJECT, region=REGION)
    if kind == "Address":
        found = google.ask("compute.addresses.get", project=PROJECT, region=REGION, address=name)
        said["address"] = found["address"]
    return said


def _upload(google: Google, inputs: Inputs) -> Mapping[str, Any]:
    if "content" in inputs:
        media = MediaInMemoryUpload(inputs["content"].encode(), inputs["contentType"], chunksize=_CHUNK, resumable=True)
    else:
        media = MediaFileUpload(_path(inputs["source"]), inputs["contentType"], chunksize=_CHUNK, resumable=True)
    asked = {"bucket": inputs["bucket"], "body": {"name": inputs["name"]}, "media_body": media}
    request, done = google.request("storage.objects.insert", **asked), None
    while done is None:
        _, done = google.sent("storage.objects.insert", request.next_chunk)
    return dict(done)


def _path(source: Any) -> str:
    return str(Path(source.path) if isinstance(source, pulumi.FileAsset) else source[ASSET]["path"])


def _bind(google: Google, collection: str, resource: str, inputs: Inputs) -> None:
    """One binding among others, in three steps as the provider does it."""
    with _policies:
        # Resource Manager's are POSTs, and Secret Manager's and KMS's versions of a policy are in the query.
        form = {"body": {"options": {"requestedPolicyVersion": 3}}}
        if not collection.startswith("cloudresourcemanager."):
            form = {"options_requestedPolicyVersion": 3}  # type: ignore[dict-item]
        policy = google.ask(f"{collection}.getIamPolicy", resource=resource, **form)
        body = {"policy": {**policy, "bindings": [*policy.get("bindings", ()), _binding(inputs)]}}
        google.ask(f"{collection}.setIamPolicy", resource=resource, body=body)


def _bind_bucket(google: Google, inputs: Inputs) -> None:
    with _policies:
        bucket = inputs["bucket"]
        policy = google.ask("storage.buckets.getIamPolicy", bucket=bucket, optionsRequestedPolicyVersion=3)
        body = {**policy, "version": 3, "bindings": [*policy.get("bindings", ()), _binding(inputs)]}
        google.ask("storage.buckets.setIamPolicy", bucket=bucket, body=body)


def _binding(inputs: Inputs) -> dict[str, Any]:
    made = {"role": inputs["role"], "members": [inputs["member"]]}
    return {**made, "condition": inputs["condition"]} if inputs.get("condition") else made

"""What stands against a cluster in its project, told before anything is made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pulumi
import pytest

from hashistack.component.findings import Finding, text
from hashistack.gcp.ops import preflight, session
from hashistack.gcp.ops.preflight import APIS, Look, answer, run
from hashistack.provider.handler import Context
from hashistack.spec import ClusterSpec
from hashistack.testing import Gcp, record

from ...project.api import Refused
from ...project.compute import PROJECT, REGION, ZONES
from ..cases import CLUSTERS, program
from .conftest import SITE, Site

ENABLED = [*APIS, "cloudkms.googleapis.com"]


def project(
    enabled: list[str] = ENABLED, types: Mapping[str, tuple[str, ...]] | None = None, quotas: Any = None
) -> Site:
    """One that has all it needs, but for what is said otherwise. types: machine type to the zones that have it."""
    made = Site()
    made.usage.enabled = tuple(enabled)
    made.project.types = {"n2-standard-2": ZONES} if types is None else types
    made.project.quotas = {"N2_CPUS": (100, 0), "CPUS": (100, 90), "SSD_TOTAL_GB": (2000, 0), **(quotas or {})}
    return made


def look(there: Site, spec: dict[str, Any] | None = None, region: str = REGION) -> list[Finding]:
    return run(Look(there.google, ClusterSpec.parse({"name": "prod", **(spec or {})}), PROJECT, region, SITE))


def bad(found: list[Finding], ok: bool | None = False) -> list[str]:
    return [str(one) for one in found if one.ok is ok]


def test_a_project_that_has_all_of_it() -> None:
    found = look(project())
    assert {one.ok for one in found} == {True}
    assert {one.sentence for one in found} == {sentence for sentence, _ in preflight._CHECKS}


def test_each_api_that_is_not_enabled_is_one_error_with_its_command() -> None:
    found = bad(look(project(enabled=[api for api in APIS if api != "secretmanager.googleapis.com"])))
    assert found == [
        f"the APIs are enabled: no. {api} is not, in project {PROJECT}. Next: gcloud services enable {api} --project"
        f" {PROJECT}"
        for api in ("secretmanager.googleapis.com", "cloudkms.googleapis.com")
    ]


def test_a_key_of_ones_own_needs_no_api_for_a_new_one() -> None:
    key = f"projects/{PROJECT}/locations/{REGION}/keyRings/own/cryptoKeys/vault"
    assert bad(look(project(enabled=[*APIS]), {"seal": {"type": "gcpckms", "key": key}})) == []


def test_names_for_the_network_need_cloud_dns() -> None:
    there = project(enabled=[*APIS, "cloudkms.googleapis.com"])
    asked = Look(there.google, ClusterSpec.parse({"name": "prod"}), PROJECT, REGION, SITE, forward_dns=True)
    (said,) = bad(run(asked))
    assert said.startswith(f"the APIs are enabled: no. dns.googleapis.com is not, in project {PROJECT}")


def test_a_region_that_there_is_not() -> None:
    (said,) = bad(look(project(), region="europe-west99"))[:1]
    assert said == (
        "the region and its zones are there: no. Google has no region europe-west99. Next: pulumi config set"
        " gcp:region NAME"
    )


def test_a_zone_that_there_is_not() -> None:
    zones = [ZONES[0], ZONES[1], f"{REGION}-z"]
    found = bad(look(project(), {"servers": {"zones": zones}}))
    assert any(f"{REGION} has no {REGION}-z. Next: name zones among" in one for one in found)


def test_a_type_that_a_zone_has_not() -> None:
    found = look(project(types={"n2-standard-2": ZONES, "c3-standard-4": ZONES[:2]}), _pool("c3-standard-4"))
    assert bad(found) == [
        "machines of these types are to be had: no. spec.clients[0]: c3-standard-4 is not offered in"
        f" {ZONES[2]}. Next: name another one, or other zones"
    ]


def test_of_several_types_one_that_is_missing_is_worth_knowing() -> None:
    pool = _pool("n2-standard-2", machine_types=["c3-standard-4"])
    found = look(project(), pool)
    assert bad(found) == []
    assert len([one for one in bad(found, None) if "c3-standard-4 is not offered" in one]) == 1


def _pool(machine_type: str, **more: Any) -> dict[str, Any]:
    return {"clients": [{"name": "w", "machine_type": machine_type, **more}]}


@pytest.mark.parametrize(
    ("quotas", "ok"),
    [
        ({"N2_CPUS": (13, 0)}, False),  # 4 servers and 3 clients of 2
        ({"N2_CPUS": (14, 0)}, True),
        ({"N2_CPUS": (20, 8)}, False),
        ({"SSD_TOTAL_GB": (300, 0)}, False),
    ],
)
def test_quotas(quotas: Any, ok: bool) -> None:
    found = bad(look(project(quotas=quotas)))
    assert (found == []) is ok, found
    assert ok or f"quotas?project={PROJECT}" in found[0]


def test_a_pool_that_could_not_grow_to_its_max_is_worth_knowing() -> None:
    found = look(project(quotas={"N2_CPUS": (20, 0)}), {"clients": [{"name": "w", "min": 2, "max": 9}]})
    assert bad(found) == []
    assert [one for one in bad(found, None) if "N2_CPUS" in one and "14 needed (up to 28)" in one]


def test_a_cluster_that_is_there_already_uses_its_own() -> None:
    there = project(quotas={"N2_CPUS": (14, 14)})
    there.pool("web", 2)
    assert bad(look(there)) == []


DENIED: dict[str, dict[str, Any]] = {
    "iam.disableServiceAccountCreation": {"booleanPolicy": {"enforced": True}},
    "compute.disableGuestAttributesAccess": {"booleanPolicy": {"enforced": True}},
    "gcp.resourceLocations": {"listPolicy": {"allowedValues": ["us-east1"]}},
    "compute.restrictLoadBalancerCreationForTypes": {"listPolicy": {"deniedValues": ["in:INTERNAL"]}},
    "compute.trustedImageProjects": {"listPolicy": {"allValues": "DENY"}},
}


def test_each_policy_of_the_organization_that_forbids_it_is_one_error() -> None:
    there = project()
    there.organization.update(DENIED)
    asked = Look(there.google, ClusterSpec.parse({"name": "prod"}), PROJECT, REGION, SITE, image_project="debian-cloud")
    found = bad(run(asked))
    assert len(found) == len(DENIED)
    for constraint, said in zip(DENIED, found, strict=True):
        assert said.startswith("the organization's policies allow it: no.")
        assert f"and {constraint} forbids that. Next: ask whoever keeps" in said
        assert f"org-policies describe {constraint} --effective --project {PROJECT})" in said


@pytest.mark.parametrize(
    ("policy", "ok"),
    [
        ({"listPolicy": {"allowedValues": [f"in:{REGION}-locations"]}}, True),
        ({"listPolicy": {"allowedValues": [REGION, "us-east1"]}}, True),
        ({"listPolicy": {"allValues": "ALLOW"}}, True),
        ({"listPolicy": {"deniedValues": ["us-east1"]}}, True),
        ({"restoreDefault": {}}, True),
        ({"listPolicy": {"allowedValues": ["in:eu-locations"]}}, None),
        ({"listPolicy": {"allowedValues": ["in:us-locations"], "deniedValues": [REGION]}}, False),
    ],
)
def test_where_resources_may_be(policy: dict[str, Any], ok: bool | None) -> None:
    there = project()
    there.organization["gcp.resourceLocations"] = policy
    (found,) = [one for one in look(there) if one.sentence == "the organization's policies allow it"]
    assert found.ok is ok


def test_of_a_cluster_that_is_there_no_policy_is_asked() -> None:
    there = project()
    there.organization.update(DENIED)
    there.pool("server", 3, role="server")
    assert bad(look(there)) == []


@pytest.mark.parametrize("reason", ["forbidden", "SERVICE_DISABLED"])
def test_what_these_credentials_may_not_see_stops_nothing(reason: str) -> None:
    there = project()
    there.apis.outage = lambda seen: (
        Refused(403, reason, "no", "serviceusage.googleapis.com") if seen.method.startswith("serviceusage") else None
    )
    found = look(there)
    assert bad(found) == []
    assert len(bad(found, None)) == 1


def test_without_an_answer_nothing_is_known_and_it_is_said_once() -> None:
    there = project()
    there.apis.away = True
    found = look(there)
    assert (bad(found), len(found)) == ([], 1)
    assert "Google does not answer" in str(found[0])


def test_the_plugins_function_answers_with_findings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_authorized", lambda: project(enabled=[]).apis.http)
    asked = {"spec": ClusterSpec.parse({"name": "prod"}).model_dump_json(), "project": PROJECT, "region": REGION}
    found = json.loads(answer(Context(), {**asked, "site": SITE})["findings"])
    assert sum(one["ok"] is False for one in found) == len(ENABLED)


def test_a_cluster_is_refused_with_all_of_it_before_anything_is_made() -> None:
    class Lacking(Gcp):
        def answer(self, token: str, args: Mapping[str, Any]) -> Mapping[str, Any]:
            if token == "hashistack:index:gcpPreflight":
                assert (args["project"], args["region"]) == (PROJECT, REGION)
                found = [Finding("the APIs are enabled", False, f"{api} is not", f"enable {api}") for api in APIS[:2]]
                return {"findings": text(found)}
            return super().answer(token, args)

        def outputs(self, type: str, name: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
            assert type in ("pulumi:providers:gcp", "hashistack:index:GcpCluster"), f"{type} is declared"
            return super().outputs(type, name, inputs)

    with pytest.raises(pulumi.RunError) as caught:
        record(program(CLUSTERS["minimal"]), Lacking(REGION))
    assert str(caught.value).splitlines() == [
        *(f"the APIs are enabled: no. {api} is not. Next: enable {api}" for api in APIS[:2]),
        "Nothing was made.",
    ]

"""The alerts of jobs/prometheus.nomad.hcl, by Prometheus' own tests of rules: each fires for its fault alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from .test_files import JOBS, read

WELL = {
    'consul_autopilot_failure_tolerance{machine="s1"}': "1",
    'consul_autopilot_failure_tolerance{machine="s2"}': "0",  # what it said when it led last
    'consul_server_isLeader{machine="s1"}': "1",
    'consul_server_isLeader{machine="s2"}': "0",
    'nomad_nomad_autopilot_failure_tolerance{machine="s1"}': "1",
    'vault_autopilot_failure_tolerance{machine="s1"}': "1",
    'consul_agent_tls_cert_expiry{machine="s1"}': str(20 * 86400),
    'nomad_client_host_disk_used_percent{machine="c1",disk="/"}': "80",
    'hashistack_machine_check{machine="c1",check="dns",state="answers"}': "1",
    'hashistack_machine_check{machine="c1",check="nomad",state="not ready"}': "1",
    'hashistack_machine_healthy{machine="c1"}': "1",
    "hashistack_snapshot_interval_seconds": "600",
    "hashistack_snapshot_taken_timestamp_seconds": "0",
    'up{job="nomad",machine="s1"}': "1",
}
"""Series to their value, of a cluster that is well; the tests begin at time 0."""

FAULTS: dict[str, tuple[str, str, dict[str, str]]] = {
    "consul's quorum": (
        'consul_autopilot_failure_tolerance{machine="s1"}', "0",
        {"alertname": "QuorumAtRisk", "product": "consul", "machine": "s1"},
    ),
    "nomad's quorum": (
        'nomad_nomad_autopilot_failure_tolerance{machine="s1"}', "0",
        {"alertname": "QuorumAtRisk", "product": "nomad", "machine": "s1"},
    ),
    "vault's quorum": (
        'vault_autopilot_failure_tolerance{machine="s1"}', "0",
        {"alertname": "QuorumAtRisk", "product": "vault", "machine": "s1"},
    ),
    "a certificate": (
        'consul_agent_tls_cert_expiry{machine="s1"}', str(13 * 86400),
        {"alertname": "CertificateExpires", "machine": "s1"},
    ),
    "a disk": (
        'nomad_client_host_disk_used_percent{machine="c1",disk="/"}', "95",
        {"alertname": "DiskFull", "machine": "c1", "disk": "/"},
    ),
    "DNS": (
        'hashistack_machine_check{machine="c1",check="dns",state="no answer"}', "1",
        {"alertname": "DnsSilent", "machine": "c1", "check": "dns", "state": "no answer"},
    ),
    "a machine": (
        'hashistack_machine_healthy{machine="c1"}', "0", {"alertname": "MachineUnhealthy", "machine": "c1"},
    ),
    "a snapshot": ("hashistack_snapshot_interval_seconds", "200", {"alertname": "SnapshotLate"}),
    "a target": (
        'up{job="nomad",machine="s1"}', "0", {"alertname": "TargetDown", "job": "nomad", "machine": "s1"},
    ),
}  # fmt: skip
"""What is wrong, to the series that says so, its value, and the alert that fires."""


def template(name: str) -> str:
    (group,) = read(JOBS / "prometheus.nomad.hcl")["TaskGroups"]
    (found,) = (one for one in group["Tasks"][0]["Templates"] if one["DestPath"] == f"local/{name}")
    return str(found["EmbeddedTmpl"])


def rules() -> list[dict[str, Any]]:
    """Those of the job, without their texts: promtool compares them too."""
    (group,) = yaml.safe_load(template("alerts.yml"))["groups"]
    return [{name: value for name, value in rule.items() if name != "annotations"} for rule in group["rules"]]


def judged(directory: Path, series: dict[str, str], alert: str, labels: dict[str, str]) -> None:
    """After ten minutes of these series `alert` fires with these labels, and no other does; none where it is ""."""
    (directory / "alerts.yml").write_text(yaml.safe_dump({"groups": [{"name": "cluster", "rules": rules()}]}))
    expected = [
        {
            "eval_time": "10m",
            "alertname": rule["alert"],
            "exp_alerts": [{"exp_labels": {**rule["labels"], **labels}}] if rule["alert"] == alert else [],
        }
        for rule in rules()
    ]
    given = [{"series": one, "values": f"{value}x20"} for one, value in series.items()]
    test = {"interval": "1m", "input_series": given, "alert_rule_test": expected}
    (directory / "test.yml").write_text(yaml.safe_dump({"rule_files": ["alerts.yml"], "tests": [test]}))
    promtool = Path(sys.executable).with_name("promtool")
    done = subprocess.run([promtool, "test", "rules", "test.yml"], cwd=directory, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_alert_fires_in_a_cluster_that_is_well(tmp_path: Path) -> None:
    judged(tmp_path, WELL, "", {})


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_fires_its_alert_alone(fault: str, tmp_path: Path) -> None:
    series, value, labels = FAULTS[fault]
    alert = labels["alertname"]
    more = {name: one for name, one in labels.items() if name != "alertname"}
    judged(tmp_path, {**WELL, series: value}, alert, more)


def test_each_alert_has_its_fault() -> None:
    assert {labels["alertname"] for _, _, labels in FAULTS.values()} == {rule["alert"] for rule in rules()}

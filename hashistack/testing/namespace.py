"""A part of a cluster that one test has alone: a Nomad namespace, a prefix of Consul's keys, a path of Vault's."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hashistack.testing.calls import plainly
from hashistack.testing.running_cluster import RunningCluster


@dataclass(frozen=True)
class Namespace:
    """cluster: whose it is. name: in Nomad.

    Consul's keys are those that begin with `key_prefix`. Vault's secrets are those below `vault_path`; a job of the
    namespace may read `<vault_path>/<job>`.
    """

    cluster: RunningCluster
    name: str

    @classmethod
    @plainly
    def make(cls, cluster: RunningCluster, about: str) -> Namespace:
        """A new one. about: what it is for, for who lists namespaces."""
        made = cls(cluster, f"test-{secrets.token_hex(4)}")
        cluster.api.nomad.make_namespace(made.name, about)
        return made

    @property
    def key_prefix(self) -> str:
        """Of Consul's keys, with a slash at its end."""
        return f"{self.name}/"

    @property
    def vault_path(self) -> str:
        """As the command `vault kv` takes it."""
        return f"kv/{self.name}"

    def run(self, file: str | Path, variables: Mapping[str, object] | None = None, **more: Any) -> str:
        """`RunningCluster.run` in this namespace."""
        return self.cluster.run(file, variables, namespace=self.name, **more)

    def stop(self, job: str) -> None:
        """`RunningCluster.stop` in this namespace."""
        self.cluster.stop(job, namespace=self.name)

    def logs(self, job: str, task: str | None = None, *, stderr: bool = False) -> str:
        """`RunningCluster.logs` in this namespace."""
        return self.cluster.logs(job, task, stderr=stderr, namespace=self.name)

    def exec(self, job: str, *command: str, task: str | None = None) -> subprocess.CompletedProcess[str]:
        """`RunningCluster.exec` in this namespace."""
        return self.cluster.exec(job, *command, task=task, namespace=self.name)

    @plainly
    def purge(self) -> None:
        """Stop its jobs, and remove it with its variables, keys and secrets."""
        nomad = self.cluster.api.nomad.within(self.name)
        for job in nomad.jobs():
            self.stop(job)
        nomad.remove_namespace(self.name)
        self.cluster.api.consul.delete_keys(self.key_prefix)
        self.cluster.api.vault.delete_secrets(self.name)

"""A run of pytest, as one of its processes sees it. What makes clusters is loaded when a test asks for one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hashistack.testing.options import Settings

if TYPE_CHECKING:
    from hashistack.testing.clusters import Clusters
    from hashistack.testing.running_cluster import RunningCluster

TTL: Final = "4h"
"""How long a cluster may stay unless HASHISTACK_TTL says it: longer than a run of tests, shorter than a night."""


@dataclass
class Run:
    """ends: this process outlives the run's others, and removes clusters. by_factory: those that are there now."""

    settings: Settings
    id: str
    worker: str
    ends: bool
    by_factory: list[RunningCluster] = field(default_factory=list)
    _clusters: Clusters[RunningCluster] | None = None
    _attached: RunningCluster | None = None

    @property
    def began(self) -> bool:
        """Whether a test of it has asked for a cluster, in whichever process."""
        return (root() / f"run-{self.id}").exists()

    @property
    def clusters(self) -> Clusters[RunningCluster]:
        """Its clusters. Raises HashistackError where what makes them is not installed."""
        if self._clusters is None:
            from hashistack.testing.clusters import Clusters, Policy

            policy = Policy(self.settings.reuse, self.settings.keep)
            self._clusters = Clusters(root(), self.id, self.worker, policy, bring_up(self.settings))
        return self._clusters

    def attached(self) -> RunningCluster:
        """The cluster that `--hashistack-attach` names. Raises HashistackError where there is none."""
        if self._attached is None:
            self._attached = bring_up(self.settings).attach(self.settings.attach)
        return self._attached

    def wanted(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """The specification with the versions that the options say. Raises HashistackError for a bad one."""
        from hashistack.errors import HashistackError

        versions: dict[str, str] = {}
        for word in self.settings.versions:
            product, sign, version = word.partition("=")
            if not sign or not version:
                raise HashistackError(
                    f"--hashistack-version {word}: must be PRODUCT=VERSION", "for example nomad=1.11.3"
                )
            versions[product] = version
        return {**spec, "versions": {**spec.get("versions", {}), **versions}} if versions else {**spec}


def bring_up(settings: Settings) -> Any:
    """What makes clusters; tests of this plugin put another in its place."""
    from hashistack.errors import HashistackError

    try:
        from hashistack.testing.bring_up import HostClusters
    except ModuleNotFoundError as missing:
        package = (missing.name or "").partition(".")[0]
        if package not in ("rich", "typer"):
            raise
        raise HashistackError(f"{package} is not installed", "pip install 'hashistack[local]'") from None
    return HostClusters(settings.timeout, os.environ.get("HASHISTACK_TTL") or TTL)


def root() -> Path:
    """Where clusters of tests have their projects: with the keys of what they are, so nobody else may read it."""
    from hashistack.home import home

    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else home() / ".local/state") / "hashistack" / "pytest"

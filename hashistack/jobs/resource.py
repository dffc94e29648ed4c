"""NomadJob, as a program declares it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi

from hashistack.provider.resource import HashistackResource


class NomadJob(HashistackResource):
    """A job in a cluster that another stack may have made. When `up` ends it is where it is to be, and a line says so.

    That is, a service's deployment has succeeded, a batch job has started, a periodic one is registered: see
    `jobs.progress`. Meanwhile and in the error: why there is no place for it, exit codes, and the last lines of logs of
    tasks that fail, without what looks like a secret. Where canaries wait for their promotion, how to give it.

    connection: the cluster's output of that name. job: HCL, or Nomad's own JSON. Another `connection` alone, as after
    a rotation, deploys nothing. Deleting it stops the job and forgets it. variables: values of the variables that the
    HCL declares, as of `nomad job run -var`: text, numbers, booleans, lists and maps. The others have their defaults.
    """

    resource_type = "hashistack:index:NomadJob"
    outputs = ("job_id", "job_version")

    job_id: pulumi.Output[str]
    """What Nomad calls the job."""
    job_version: pulumi.Output[int]
    """Nomad's number for what was deployed last."""

    def __init__(
        self,
        name: str,
        connection: pulumi.Input[str],
        job: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
        *,
        variables: Mapping[str, pulumi.Input[Any]] | None = None,
    ) -> None:
        given = {} if variables is None else {"variables": variables}
        super().__init__(name, {"connection": pulumi.Output.secret(connection), "job": job, **given}, opts)

"""NomadJob, as a program declares it."""

from __future__ import annotations

import pulumi

from hashistack.provider.resource import HashistackResource


class NomadJob(HashistackResource):
    """A job in a cluster that another stack may have made. When `up` ends, a service's deployment has succeeded.

    connection: the cluster's output of that name. job: HCL, or Nomad's own JSON. Another `connection` alone, as after
    a rotation, deploys nothing. Deleting it stops the job and forgets it.
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
    ) -> None:
        super().__init__(name, {"connection": pulumi.Output.secret(connection), "job": job}, opts)

"""A service on the cluster of another stack: that one is read, and never edited.

pulumi config set cluster organization/prod/main; this machine must reach the cluster's APIs.
"""

from pathlib import Path

import pulumi

from hashistack import NomadJob

config = pulumi.Config()
cluster = pulumi.StackReference(config.require("cluster"))

web = NomadJob(
    "web",
    connection=cluster.require_output("connection"),
    job=Path(__file__).with_name("web.nomad.hcl").read_text(),
)

pulumi.export("job", web.job_id)
pulumi.export("version", web.job_version)

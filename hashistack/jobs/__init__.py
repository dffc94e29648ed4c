"""NomadJob: a job as a resource of a Pulumi program."""

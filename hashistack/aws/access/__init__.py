"""Who may do what on AWS: roles, secrets, the seal, the bucket of artifacts."""

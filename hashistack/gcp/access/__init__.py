"""Who may do what on Google Cloud: service accounts, secrets, the seal, the bucket."""

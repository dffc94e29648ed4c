"""Where on this host the project is."""

METADATA, FRONT, KMS = "169.254.169.254", "169.254.169.252", "169.254.169.251"
"""Google's own address of the metadata server, which is the resolver too, and two beside it: for everything at
`*.googleapis.com`, and for Cloud KMS, whose gRPC has a server of its own."""

ZONES = {"metadata.google.internal": METADATA, "cloudkms.googleapis.com": KMS, ".googleapis.com": FRONT}
"""What the resolver knows."""

CIDR, API = "10.215.0.0/16", "10.215.255.9"
"""The machines' network, and the address in it that leads to the servers' APIs."""

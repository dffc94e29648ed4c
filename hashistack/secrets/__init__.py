"""Key material: authority, certificates, gossip keys and token ids as one Pulumi resource for each cluster."""

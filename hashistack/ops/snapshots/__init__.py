"""Nomad, Consul and Vault in one archive: taken, kept, checked, put back."""

"""The network of a cluster on Google Cloud, and who may reach what in it."""

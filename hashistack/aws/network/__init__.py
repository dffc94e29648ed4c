"""The network of a cluster on AWS, and who may reach what in it."""

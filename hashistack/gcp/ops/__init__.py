"""The operations of a cluster on Google Cloud."""

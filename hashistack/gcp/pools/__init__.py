"""The machines of a cluster on Google Cloud, in pools."""

"""The three products' APIs: one way to a running cluster, typed."""

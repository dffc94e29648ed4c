"""The handlers of a local cluster's resources."""

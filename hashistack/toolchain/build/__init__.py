"""Tools built from source at pinned Go modules."""

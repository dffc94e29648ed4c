"""A cluster on Amazon Web Services: the same specification, the same boot."""

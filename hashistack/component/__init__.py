"""What the components of every platform share."""

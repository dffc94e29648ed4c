"""`hashistack smoke --account`: one machine in a real account, and what the account did with it."""

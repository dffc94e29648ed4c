"""AWS as the operations see it, over boto3: pools, archives, the look at an account."""

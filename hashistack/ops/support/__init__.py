"""What somebody who helps needs of a cluster, in one archive without a secret."""

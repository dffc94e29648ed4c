"""What a cluster costs in a month, from prices that have a source and a date."""

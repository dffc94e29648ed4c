"""What the agents and services of a machine are told, as data."""

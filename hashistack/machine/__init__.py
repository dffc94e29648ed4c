"""How one machine is made: pure functions from a specification to files, and the programs that run there."""

"""What the platforms of virtual machines share: computed once, declared by each in its cloud's own resources."""

"""Machines of an old bundle replaced by new ones: look, plan, step, look again."""

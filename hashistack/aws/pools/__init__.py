"""Pools of machines on AWS: Auto Scaling groups and their launch templates."""

"""The role of a machine decides what runs on it. A module of its own: whoever only declares pools renders nothing."""

SERVER = "server"
"""The server pool's name, and its role. All other pools are of clients."""

"""For our tests, and those of stacks that use this package: `record` runs a program without an engine."""

from hashistack.testing.recording import Call, Recording, Registered, record

__all__ = ["Call", "Recording", "Registered", "record"]

"""For our tests, and those of stacks that use this package: `record` runs a program without an engine."""

from hashistack.testing.aws import Aws
from hashistack.testing.gcp import Gcp
from hashistack.testing.recording import Call, Cloud, Recording, Registered, record

__all__ = ["Aws", "Call", "Cloud", "Gcp", "Recording", "Registered", "record"]

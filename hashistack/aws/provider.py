"""The settings of the program's provider that whoever asks AWS beside it must share."""

from __future__ import annotations

import pulumi
from pulumi_aws import config


def profile(resource: pulumi.Resource | None) -> str | None:
    """The profile of the provider that `resource` has (`aws:profile`); None for the environment's credentials.

    An explicit provider keeps its settings to itself: its profile is not known here.
    """
    if resource is not None and resource.get_provider("aws:index:x") is not None:
        return None
    return config.profile

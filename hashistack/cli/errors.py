"""How a command tells that it can't go on."""

from __future__ import annotations

from hashistack.errors import HashistackError


class Refusal(HashistackError):
    """One clear text for the user: what is wrong, where, what to do next. The command ends with code 2."""


class Interrupted(Refusal):
    """The user pressed Ctrl-C while the engine was at work. The command ends with code 130."""

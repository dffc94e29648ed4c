"""How a command tells that it can't go on."""


class Refusal(Exception):
    """One clear text for the user: what is wrong, where, what to do next. The command ends with code 2."""

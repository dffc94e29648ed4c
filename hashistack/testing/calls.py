"""How what a test asks of its cluster fails, and what a name in it means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import ParamSpec, TypeVar

from hashistack.errors import HashistackError

Given = ParamSpec("Given")
Answered = TypeVar("Answered")


class CallFailed(HashistackError):
    """What a test asked of its cluster did not come true."""


def plainly(call: Callable[Given, Answered]) -> Callable[Given, Answered]:
    """A failure is shown at the test's own line, without the way through this package."""

    @wraps(call)
    def shown(*args: Given.args, **kwargs: Given.kwargs) -> Answered:
        __tracebackhide__ = True
        try:
            return call(*args, **kwargs)
        except HashistackError as error:
            failed = error
        raise failed.with_traceback(None) from None

    return shown


def service_of(name: str, domain: str) -> tuple[str, str]:
    """Tag, "" without, and service that a name means."""
    labels: Sequence[str] = name.removesuffix(".").removesuffix(f".service.{domain}").split(".")
    if len(labels) > 2 or not all(labels):
        raise CallFailed(f"{name} is no service's name", f"web, web.service.{domain} or TAG.web.service.{domain}")
    return ("", labels[0]) if len(labels) == 1 else (labels[0], labels[1])

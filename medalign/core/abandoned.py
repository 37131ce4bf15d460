"""Cancellation: work whose result nobody waits for any more stops at the next call of `go_on`."""

from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context

_is_abandoned: ContextVar[Callable[[], bool]] = ContextVar("is_abandoned", default=lambda: False)


class Abandoned(Exception):
    """The work was cancelled before it was finished."""


def until(is_so: Callable[[], bool]) -> Context:
    """A copy of this context where `go_on` asks this, as in those copied from it, which threads may have."""
    context = copy_context()
    context.run(_is_abandoned.set, is_so)
    return context


def go_on() -> None:
    """Raises Abandoned if nobody waits any more."""
    if _is_abandoned.get()():
        raise Abandoned

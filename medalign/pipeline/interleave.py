"""Several iterators at once, each in a thread of its own; their items in the order in which they arrive."""

import threading
from collections.abc import Iterator, Mapping
from contextvars import copy_context
from functools import partial
from queue import SimpleQueue
from typing import Any

from medalign.core.background import start

END = object()  # the last item of each


def interleave(sources: Mapping[str, Iterator[Any]]) -> Iterator[tuple[str, Any]]:
    """(name, item) for each item of each source, and (name, END) when one has none left.

    An error of a source is raised here, as if it were this iterator's own. Whoever closes this iterator early does not
    wait: each source is asked for nothing more once its next item is there; only the end of the process waits for that. The
    sources begin at once, each in a copy of the caller's context: who asks (a GPU is lent to a reader of a Space) and where
    notices go.
    """
    arrived: SimpleQueue[tuple[str, Any, BaseException | None]] = SimpleQueue()
    closed = threading.Event()

    def draw(name: str, source: Iterator[Any]) -> None:
        try:
            for item in source:
                if closed.is_set():
                    return
                arrived.put((name, item, None))
            arrived.put((name, END, None))
        except BaseException as error:
            arrived.put((name, None, error))

    for name, source in sources.items():
        start(partial(copy_context().run, draw, name, source), f"draw-{name}", stop=closed.set)

    def items() -> Iterator[tuple[str, Any]]:
        left = len(sources)
        try:
            while left:
                name, item, error = arrived.get()
                if error is not None:
                    raise error
                left -= item is END
                yield name, item
        finally:
            closed.set()

    return items()

"""Threads beside the caller's, which end before the process does.

A thread that is still in a library's C++ when the interpreter ends takes the whole process down with it ("terminate called
without an active exception", SIGABRT). So whoever ends the process waits for these, but not for ever.
"""

import atexit
import threading
import time
from collections.abc import Callable

WAIT_S = 20.0  # at the end of the process, for all of them together; one step of a large recogniser on a CPU takes some seconds

_running: dict[threading.Thread, Callable[[], None]] = {}  # and how each is told to stop


def start(work: Callable[[], None], name: str, *, stop: Callable[[], None] = lambda: None) -> threading.Thread:
    """Run `work` in a thread of its own.

    Args:
        stop: called at the end of the process, so that the work ends soon.
    """

    def run() -> None:
        try:
            work()
        finally:
            _running.pop(threading.current_thread(), None)

    thread = threading.Thread(target=run, name=name, daemon=True)  # others would be waited for without a limit
    _running[thread] = stop
    thread.start()
    return thread


@atexit.register
def _end() -> None:
    until = time.monotonic() + WAIT_S
    left = list(_running.items())
    for _, stop in left:
        stop()
    for thread, _ in left:
        thread.join(max(0.0, until - time.monotonic()))

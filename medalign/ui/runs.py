"""Which run of a browser session goes on: the one that was begun last, until its reader stops it or leaves.

Gradio's own `cancels` would stop a run as well, but say so only when the step is over that it is at, as of a press that failed,
to whatever run the reader has begun meanwhile; and would lose the newer run, which could then not be stopped.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from medalign.ui.wiring import Changes


class Started:
    """One run."""

    def __init__(self, runs: "Runs", session_id: str | None, told: Callable[[], None]):
        self._runs, self._session_id, self.told = runs, session_id, told
        self.last: Changes | None = None  # what the page shows for good, once the reader has stopped it

    @property
    def is_newest(self) -> bool:
        return self._runs.newest(self._session_id) is self

    @property
    def goes_on(self) -> bool:
        return self.last is None and self.is_newest


class Runs:
    """Plain class on purpose: one for a page and all of its readers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest: dict[str | None, Started] = {}  # by session; gone when it is over

    def newest(self, session_id: str | None) -> Started | None:
        return self._newest.get(session_id)

    @contextmanager
    def begin(self, session_id: str | None, told: Callable[[], None]) -> Iterator[Started]:
        """A run, over when the block ends; an earlier one of this session goes on no more.

        Args:
            told: called when this one goes on no more; returns at once.
        """
        run = Started(self, session_id, told)
        with self._lock:
            earlier, self._newest[session_id] = self.newest(session_id), run
        if earlier is not None:
            earlier.told()
        try:
            yield run
        finally:
            with self._lock:
                if run.is_newest:
                    del self._newest[session_id]

    def go_on(self, session_id: str | None) -> bool:
        """Whether one of this session does."""
        run = self.newest(session_id)
        return run is not None and run.goes_on

    def stop(self, session_id: str | None, last: Changes) -> None:
        """
        Args:
            last: what the page shows from now on. The run, which ends with its next step, says so again: a change may be on
                its way to the page.
        """
        run = self.newest(session_id)
        if run is not None:
            run.last = last
            run.told()

"""How often feedback is taken: a few dozen times a minute is a person, more is a script.

Counted in memory and not in the database, because what a session did must not stand beside what it said: it would tie one
person's submissions together. So each process counts for itself, and a restart begins anew.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable

from medalign.core.errors import FeedbackError

MAX_KEYS = 10_000  # remembered at once


class RateLimit:
    """At most `n` actions of one key within any `per_s` seconds."""

    def __init__(self, n: int = 60, per_s: float = 60.0, *, clock: Callable[[], float] = time.monotonic):
        self.n, self.per_s = n, per_s
        self._clock = clock
        self._lock = threading.Lock()
        self._times: dict[str, deque[float]] = {}

    def count(self, *keys: str | None) -> None:
        """Count one action for each key that is not None; the action is refused if any of them has had its share.

        Raises:
            FeedbackError: too many; says how many seconds to wait.
        """
        now = self._clock()
        with self._lock:
            histories = [self._recent(key, now) for key in keys if key is not None]
            waits = [times[0] + self.per_s - now for times in histories if len(times) >= self.n]
            if waits:
                raise FeedbackError(f"that was quick: wait {math.ceil(max(waits))} s, then go on; nothing is lost")
            for times in histories:
                times.append(now)

    def _recent(self, key: str, now: float) -> deque[float]:
        if key not in self._times and len(self._times) >= MAX_KEYS:
            self._times = {k: times for k, times in self._times.items() if times and times[-1] > now - self.per_s}
        times = self._times.setdefault(key, deque())
        while times and times[0] <= now - self.per_s:
            times.popleft()
        return times

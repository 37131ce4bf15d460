"""How often feedback is taken: a few dozen times a minute is a person, more is a script.

Counted in memory and not in the database, because what somebody did must not stand beside what they said: it would tie one
person's submissions together. So each process counts for itself, and a restart begins anew.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable

from medalign.core.errors import FeedbackError
from medalign.core.wording import count

N_ROWS = 500_000  # in a database, of feedback and of what it is about: some 100 MB
MAX_KEYS = 10_000  # remembered at once


class RateLimit:
    """At most `n` actions of one key within any `per_s` seconds."""

    def __init__(self, n: int = 60, per_s: float = 60.0, *, clock: Callable[[], float] = time.monotonic):
        self.n, self.per_s = n, per_s
        self._clock = clock
        self._lock = threading.Lock()
        self._times: dict[str, deque[float]] = {}

    def count(self, key: str) -> None:
        """Count one action, or refuse it. Raises FeedbackError: too many; says how long to wait."""
        now = self._clock()
        with self._lock:
            times = self._recent(key, now)
            if len(times) >= self.n:
                left_s = times[0] + self.per_s - now
                wait = f"{math.ceil(left_s)} s" if left_s <= 120 else count(math.ceil(left_s / 60), "minute")
                raise FeedbackError(f"that was quick: wait {wait}, then go on; nothing is lost")
            times.append(now)

    def _recent(self, key: str, now: float) -> deque[float]:
        if key not in self._times and len(self._times) >= MAX_KEYS:  # those that were quiet longest are forgotten
            last = sorted(self._times, key=lambda known: self._times[known][-1])
            self._times = {known: self._times[known] for known in last[MAX_KEYS // 2 :]}
        times = self._times.setdefault(key, deque())
        while times and times[0] <= now - self.per_s:
            times.popleft()
        return times

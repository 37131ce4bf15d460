"""Who uses the models and who comes next: one at a time, in the order of arrival, and everybody is told their place.

Gradio's own queue could not say that. It counts what all presses wait for together, so that waiting uploads have it refuse a
stored result as well; it tells a place only when somebody comes or begins; and it expects of every press what its button took
on average, whether the recording has a minute or an hour.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from medalign.core.errors import MedAlignError
from medalign.core.memory import return_freed_memory
from medalign.core.wording import about

MAX_WAITING = 16
MAX_DECODING = 4  # recordings at once; a stranger's file may take a core and hundreds of megabytes until it is refused
MAX_AUDIO_S = 4 * 3600.0  # decoded, and so in memory: 230 MB an hour
LOOK_S = 1.0  # between two looks of a reader who waits; who has left is noticed by then
REMEMBERED = 20  # the durations that an estimate rests on

T = TypeVar("T")
S = TypeVar("S")


@dataclass(frozen=True)
class Ahead:
    """What a reader who waits has before them."""

    n: int
    seconds: float | None  # None until anything is known


class Place:
    """One reader's place: `wait` for the turn, then use the models, and tell how long that will take where it is known."""

    def __init__(self, queue: "ModelQueue"):
        self._queue = queue
        self.size: float | None = None  # None: not ready, so others may go first
        self.began_at: float | None = None  # None: waiting
        self.ends_at: float | None = None  # as far as it was told
        self.is_left = False  # nobody waits for what comes of it: it ends with its next step

    def decode(self, load: Callable[[], T], on_ahead: Callable[[Ahead], S]) -> Generator[S, None, T]:
        """What `load` returns, once fewer than `MAX_DECODING` others are at it; gives what `told` makes of who is before it.

        It does not wait for the models: what can't be read is refused at once.
        """
        with self._queue.decoding(self):
            may_begin = False
            while not may_begin:
                if (ahead := self._queue.ahead(self)) is not None:
                    yield on_ahead(ahead)
                may_begin = self._queue.may_decode(self)
            return load()

    def wait(self, size: float) -> Iterator[Ahead]:
        """Until it is this place's turn; gives what is before it, every `LOOK_S`, and nothing where nothing is.

        Args:
            size: of the work, in any unit that durations go by, the same for all: seconds of audio.

        Raises:
            MedAlignError: together with what waits already it is too much.
        """
        self._queue.ready(self, size)
        while (ahead := self._queue.begin(self)) is not None:
            yield ahead
            self._queue.look_again(self)

    def begin(self) -> None:
        """The models are there, and the work begins: what others are told to expect does not rest on the loading."""
        self.began_at = self._queue.clock()

    def leave(self) -> None:
        self.is_left = True

    def tell(self, remaining_s: float | None) -> None:
        if remaining_s is not None:
            self.ends_at = self._queue.clock() + remaining_s


class ModelQueue:
    """Plain class on purpose: one for a page and all of its readers."""

    def __init__(
        self, max_waiting: int = MAX_WAITING, max_size: float = MAX_AUDIO_S, clock: Callable[[], float] = time.monotonic
    ):
        self.clock, self._max_waiting, self._max_size = clock, max_waiting, max_size
        self._changed = threading.Condition()
        self._places: list[Place] = []
        self._decoding: list[Place] = []  # the first `MAX_DECODING` are at it
        self._done: deque[tuple[float, float]] = deque(maxlen=REMEMBERED)  # size and seconds

    @contextmanager
    def join(self) -> Iterator[Place]:
        """A place at the end, given up however the block ends.

        Raises:
            MedAlignError: too many wait.
        """
        place = Place(self)
        with self._changed:
            if len(self._places) > self._max_waiting:
                raise MedAlignError(self._full())
            self._places.append(place)
        try:
            yield place
            if place.size is not None and place.began_at is not None and not place.is_left:
                self._done.append((place.size, self.clock() - place.began_at))
        finally:
            with self._changed:
                self._places.remove(place)
                self._changed.notify_all()
            # glibc keeps what a thread has freed for that thread, and a server has dozens: memory would grow with each that
            # has once run an analysis.
            return_freed_memory()

    @contextmanager
    def decoding(self, place: Place) -> Iterator[None]:
        with self._changed:
            self._decoding.append(place)
        try:
            yield
        finally:
            with self._changed:
                self._decoding.remove(place)
                self._changed.notify_all()

    def may_decode(self, place: Place) -> bool:
        """Whether few enough others are at it; if not at once, after a look at them for `LOOK_S` at most."""
        with self._changed:
            return self._changed.wait_for(lambda: self._decoding.index(place) < MAX_DECODING, LOOK_S)

    def ready(self, place: Place, size: float) -> None:
        with self._changed:
            held = sum(other.size for other in self._places if other.size is not None)
            if held and held + size > self._max_size:
                raise MedAlignError(self._full())
            place.size = size

    def begin(self, place: Place) -> Ahead | None:
        """None if this place's turn has come; it lasts until the place is given up."""
        with self._changed:
            if not self._is_next(place):
                return self.ahead(place)
            place.began_at = self.clock()
            return None

    def ahead(self, place: Place) -> Ahead | None:
        """Who came earlier, and who has the models; None if nobody."""
        with self._changed:
            earlier = self._places[: self._places.index(place)]
            before = [other for other in self._places if other in earlier or other.began_at is not None]
            return Ahead(len(before), self._seconds(before)) if before else None

    def look_again(self, place: Place) -> None:
        """Returns once it is this place's turn, after `LOOK_S` at the latest."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_next(place), LOOK_S)

    def _is_next(self, place: Place) -> bool:
        if any(other.began_at is not None for other in self._places):
            return False
        return next(other for other in self._places if other.size is not None) is place

    def _full(self) -> str:
        left = self._seconds([place for place in self._places if place.began_at is not None])
        when = about(left) if left is not None else "a few minutes"
        return f"the models are busy, and no more requests fit into the queue just now; please try again in {when}"

    def _seconds(self, places: list[Place]) -> float | None:
        left = [self._left(place) for place in places]
        return None if None in left else sum(filter(None, left))

    def _left(self, place: Place) -> float | None:
        now = self.clock()
        if place.is_left:
            return 0.0
        if place.ends_at is not None:
            return max(0.0, place.ends_at - now)
        rate, usual = self._usual()
        if rate is None:
            return None
        expected = usual if place.size is None else rate * place.size
        return max(0.0, expected - (now - place.began_at if place.began_at is not None else 0.0))

    def _usual(self) -> tuple[float | None, float]:
        """Seconds of work by size, and by request, from what is done and what is known of the one at work."""
        known = [*self._done]
        for place in self._places:
            if place.size is not None and place.began_at is not None and place.ends_at is not None and not place.is_left:
                known.append((place.size, place.ends_at - place.began_at))
        size, seconds = sum(size for size, _ in known), sum(seconds for _, seconds in known)
        return (seconds / size, seconds / len(known)) if size else (None, 0.0)

"""Two models on one recording, one after the other, step by step."""

import time
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass

from medalign.concepts import Concept
from medalign.core.abandoned import until
from medalign.core.analysis import Analysis
from medalign.core.audio import Recording
from medalign.report.comparison import Candidate
from medalign.ui.comparison_state import Entry
from medalign.ui.engine import Comparing
from medalign.ui.runs import Started
from medalign.ui.views import status_view

MIN_UPDATE_S = 0.5  # not more often than eyes can follow
NEWEST = 0.5  # weight of the newest estimate of the end among all before it: single ones jump
ESTIMATED_FROM = 0.08  # of an analysis; what is guessed before that is of its first step alone
WHICH = ("First", "Second")


@dataclass(frozen=True)
class Step:
    """How far a comparison has come."""

    words: str
    share: float  # of all of it, 0 to 1
    remaining_s: float | None  # None where nobody knows yet


def compared(
    comparing: Comparing, sides: Sequence[Candidate], recording: Recording, custom: Sequence[Concept], run: Started
) -> Generator[Step, None, list[Entry]]:
    """What either finds; fewer if the reader has stopped it.

    Raises:
        MedAlignError: a model can't be found, said before the first one runs.
        Abandoned: a model ended because nobody waits any more.
    """
    yield Step("Looking for both models.", 0.0, None)
    for side in sides:
        comparing.check(side)
    loaded = []
    for i, side in enumerate(sides):
        if not run.goes_on:
            return []
        yield Step(f"{WHICH[i]} model: preparing it.", 0.0, None)
        loaded.append(comparing.load(side))
    entries: list[Entry] = []
    context, ends = until(lambda: not run.goes_on), None
    for i, (side, (engine, n_bytes)) in enumerate(zip(sides, loaded, strict=True)):
        begun, shown_at, last_stage = time.monotonic(), 0.0, None
        after = sum(size for _, size in loaded[i + 1 :]) / n_bytes  # what comes after takes as long as its weights are larger
        with closing(engine.stream(recording, custom)) as items:
            # Looked at once more after the step: it may have been cancelled meanwhile.
            while run.goes_on and (item := context.run(next, items, None)) is not None and run.goes_on:
                if isinstance(item, Analysis):
                    entries.append(Entry(side, item, n_bytes))
                    break
                now = time.monotonic()
                if item.stage == last_stage and now - shown_at < MIN_UPDATE_S:
                    continue
                shown_at, last_stage = now, item.stage
                if item.remaining_s is not None and item.fraction >= ESTIMATED_FROM:
                    found = now + item.remaining_s + after * (now - begun + item.remaining_s)
                    ends = found if ends is None else ends + NEWEST * (found - ends)
                left_s = None if ends is None else max(ends - now, 0.0)
                words = status_view.stage_words(item.stage)
                yield Step(f"{WHICH[i]} model: {words[0].lower()}{words[1:]}.", (i + item.fraction) / len(sides), left_s)
        ends = time.monotonic() + after * (time.monotonic() - begun)  # as long as it took is known now
    return entries

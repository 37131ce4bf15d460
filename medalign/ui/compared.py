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
    entries: list[Entry] = []
    context, took_s = until(lambda: not run.goes_on), 0.0
    for i, side in enumerate(sides):
        n_after, begun = len(sides) - 1 - i, time.monotonic()
        yield Step(f"{WHICH[i]} model: preparing it.", i / len(sides), took_s or None)
        engine, n_bytes = comparing.load(side)
        loaded, shown_at, last_stage = time.monotonic(), 0.0, None
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
                left_s = item.remaining_s
                if left_s is not None:  # the model that comes after it takes about as long
                    left_s += n_after * (now - loaded + left_s)
                words = status_view.stage_words(item.stage)
                yield Step(f"{WHICH[i]} model: {words[0].lower()}{words[1:]}.", (i + item.fraction) / len(sides), left_s)
        took_s = time.monotonic() - begun
    return entries

"""Repetition loops: a recogniser that writes "No." twelve times may write it a hundred times more.

What it goes on with has no sound of its own: it is crowded into the end of the stretch, many words at one moment. A person who
says "No. No. No." takes time for each. So of a phrase that is repeated, what is faster than anybody speaks is left out.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from medalign.core.transcript import Segment, Transcript, Word

# Of a phrase, one after another, and of those without time; fewer are how people speak, or a recogniser's slip in the times.
LEAST_REPEATS = 4
LONGEST = 12  # words of a phrase
MIN_WORD_S = 0.1  # nobody says ten words a second, even the same ones


@dataclass(frozen=True)
class Repetition:
    """A phrase that was written more often than it can have been said."""

    start_s: float  # of all of it, with what was kept
    end_s: float
    phrase: str
    n_cut: int  # of the times that it was written


def without_repetitions(transcript: Transcript) -> tuple[Transcript, tuple[Repetition, ...]]:
    """The transcript without loops, and what was cut; the same transcript if there are none."""
    words = transcript.words
    letters = [re.sub(r"[^\w']", "", word.text).lower() for word in words]
    cut: set[int] = set()
    found: list[Repetition] = []
    first = 0
    while first < len(words):
        length, n_times = _phrase(letters, first)
        end = first + length * n_times
        starts = [first + i * length for i in range(n_times)]
        hurried = [start for start in starts[1:] if _seconds(words, start, length) < MIN_WORD_S * length]
        if len(hurried) >= LEAST_REPEATS:
            if hurried[-1] == starts[-1]:  # it may end in the middle of the phrase
                end += _alike(letters, first, end)
            cut |= {i for start in hurried for i in range(start, start + length)} | set(range(starts[-1] + length, end))
            phrase = " ".join(word.text for word in words[first : first + length])
            found.append(Repetition(words[first].start_s, words[end - 1].end_s, phrase, len(hurried)))
        first = end
    return (_without(transcript, cut), tuple(found)) if found else (transcript, ())


def _phrase(letters: Sequence[str], first: int) -> tuple[int, int]:
    """How long the phrase is that begins there and is repeated longest, and how many times it is there; (1, 1) if none is."""
    best = 1, 1
    for length in range(1, min(LONGEST, (len(letters) - first) // LEAST_REPEATS) + 1):
        n_times = 1 + _alike(letters, first, first + length) // length
        if n_times >= LEAST_REPEATS and length * n_times > best[0] * best[1]:
            best = length, n_times
    return best


def _alike(letters: Sequence[str], first: int, second: int) -> int:
    """How many words are the same from both places on."""
    n = 0
    while second + n < len(letters) and letters[first + n] == letters[second + n]:
        n += 1
    return n


def _seconds(words: Sequence[Word], start: int, length: int) -> float:
    """From the first word of a phrase to what follows, or to its own end: a word's end is the less certain of its times."""
    end = start + length
    ends_s = [*(word.end_s for word in words[start:end]), *(word.start_s for word in words[end : end + 1])]
    return max(ends_s) - words[start].start_s


def _without(transcript: Transcript, cut: set[int]) -> Transcript:
    segments: list[Segment] = []
    first = 0
    for segment in transcript.segments:
        words = tuple(word for i, word in enumerate(segment.words, first) if i not in cut)
        first += len(segment.words)
        if len(words) == len(segment.words):
            segments.append(segment)
        elif words:
            segments.append(segment.with_words(words, end_s=max(word.end_s for word in words)))
    return replace(transcript, segments=tuple(segments))

"""What was said, and when: the value that transcription hands to everything downstream.

Times are seconds from the start of the recording. Words lie inside their segment, segments never run backwards.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

UNKNOWN_SPEAKER = "unknown"
DOCTOR, PATIENT = "doctor", "patient"


@dataclass(frozen=True)
class Word:
    """One recognised word."""

    start_s: float
    end_s: float
    text: str  # with its punctuation, without surrounding blanks
    probability: float  # the recogniser's own, in [0, 1]; not calibrated


@dataclass(frozen=True)
class Segment:
    """A stretch of speech that the recogniser wrote as one line."""

    start_s: float
    end_s: float
    text: str
    words: tuple[Word, ...]
    speaker: str = UNKNOWN_SPEAKER
    mean_log_probability: float | None = None  # of its tokens, the recogniser's own; None if nobody measured it
    no_speech_probability: float | None = None  # the recogniser's own, of the stretch that it decoded at once
    original_text: str | None = None  # as the recogniser wrote it, where a person has changed the words
    original_speaker: str | None = None  # as it was guessed, where a person has said who speaks

    @classmethod
    def of(cls, words: Sequence[Word], **facts: Any) -> "Segment":
        """That of these words, at least one, from the first to the last end."""
        return cls(words[0].start_s, max(word.end_s for word in words), "", ()).with_words(words, **facts)

    def with_words(self, words: Sequence[Word], **facts: Any) -> "Segment":
        """With other words, and the text that they give; further fields by name."""
        return replace(self, text=" ".join(word.text for word in words), words=tuple(words), **facts)


@dataclass(frozen=True)
class Transcript:
    """A finished transcript; `segments` is empty when no speech was detected."""

    segments: tuple[Segment, ...]
    language: str | None = None

    @property
    def text(self) -> str:
        return " ".join(segment.text for segment in self.segments)

    @cached_property
    def words(self) -> tuple[Word, ...]:
        return tuple(word for segment in self.segments for word in segment.words)

    def text_between(self, start_s: float, end_s: float) -> str:
        """The words whose middle lies in [start_s, end_s), joined by blanks; empty if there are none."""
        middles_s, positions = self._by_middle
        found = positions[bisect_left(middles_s, start_s) : bisect_left(middles_s, end_s)]
        return " ".join(self.words[i].text for i in sorted(found))  # in the order of the transcript: words may overlap

    @cached_property
    def _by_middle(self) -> tuple[list[float], list[int]]:
        """The middle of each word in seconds, ascending, and the word's place in `words`; made once, for many stretches."""
        middles_s = [(word.start_s + word.end_s) / 2 for word in self.words]
        positions = sorted(range(len(middles_s)), key=middles_s.__getitem__)
        return [middles_s[i] for i in positions], positions

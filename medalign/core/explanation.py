"""Answers to a question about a recording that is analysed: where a phrase is said, and why a segment is doubted."""

from dataclasses import dataclass

from medalign.core.transcript import Word

SAID_FROM = 99.0  # percentile; below it, more than one text in a hundred fits better by chance


@dataclass(frozen=True)
class SearchHit:
    """A place that sounds like a phrase; `percentile` is the share (0-100) of fixed other texts that fit it worse."""

    start_s: float
    end_s: float
    score: float  # cosine
    percentile: float

    @property
    def is_likely(self) -> bool:
        """Whether the phrase was probably said here; somewhere it always fits best, said or not."""
        return self.percentile >= SAID_FROM


@dataclass(frozen=True)
class WordSupport:
    """One word of a segment: what the score loses without it. Positive: the sound speaks for the word."""

    word: Word
    support: float  # cosine with all words, minus cosine without this one


@dataclass(frozen=True)
class Explanation:
    """One segment: its sound against its words, against other texts, and word by word."""

    start_s: float
    end_s: float
    text: str
    score: float
    percentile: float  # share (0-100) of the other texts that fit the sound worse
    other_scores: tuple[float, ...]  # of the fixed other texts with the same sound, ascending
    words: tuple[WordSupport, ...]
    slices_s: tuple[tuple[float, float], ...]  # the segment's sound in pieces
    word_scores: tuple[tuple[float, ...], ...]  # for each word, how well it and its neighbours fit each piece: cosines

"""One passage explained: frozen values, made by `explanation`, shown by `passage_figures` and the page."""

from dataclasses import dataclass

from medalign.transcript import Word


@dataclass(frozen=True)
class WordSupport:
    """One word of a passage: what the score loses without it. Positive: the sound speaks for the word."""

    word: Word
    support: float  # cosine with all words, minus cosine without this one


@dataclass(frozen=True)
class Explanation:
    """One passage: its sound against its own words, against other texts, and word by word."""

    start_s: float
    end_s: float
    text: str
    score: float
    percentile: float  # share (0-100) of the other texts that fit the sound worse
    other_scores: tuple[float, ...]  # of the fixed other texts with the same sound, ascending
    words: tuple[WordSupport, ...]
    slices_s: tuple[tuple[float, float], ...]  # the passage's sound in pieces
    heard: tuple[tuple[float, ...], ...]  # for each word, how well it and its neighbours fit each piece: cosines

"""Words that few people use and that were not heard clearly: what the recogniser makes of a name that it does not know.

"My mother has copped" was COPD: no list of names has it, and no suggestion is near enough. In the human transcripts of days 1-3
of PriMock57 such words, heard clearly or not, are 2.3 in 10 minutes, misspelt medicines and diseases among them.
"""

from collections.abc import Sequence

from medalign.concepts.misheard import COMMON, frequency
from medalign.concepts.tokens import split_word
from medalign.core.transcript import Transcript, Word
from medalign.core.wording import LESS_CLEAR_BELOW

MIN_LETTERS = 5
PER_10_MINUTES = 3  # at most, the least clear ones


def unusual_words(transcript: Transcript, taken: Sequence[tuple[float, float]]) -> tuple[Word, ...]:
    """In order of time.

    Args:
        taken: stretches [start, end) in seconds that are read, suggested otherwise or marked already.
    """
    words = [
        word
        for word in transcript.words
        if word.probability < LESS_CLEAR_BELOW
        and any(map(_is_unusual, split_word(word.text)[0]))
        and not any(word.start_s < end_s and word.end_s > start_s for start_s, end_s in taken)
    ]
    if not words:
        return ()
    n = max(1, round(PER_10_MINUTES * transcript.words[-1].end_s / 600))
    return tuple(sorted(sorted(words, key=lambda word: word.probability)[:n], key=lambda word: word.start_s))


def _is_unusual(token: str) -> bool:
    return len(token) >= MIN_LETTERS and token.isalpha() and frequency(token) < COMMON

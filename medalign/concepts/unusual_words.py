"""Words that few people use and that were not heard clearly: what the recogniser makes of a name that it does not know.

"My mother has copped" was COPD: no list of names has it, and no suggestion is near enough. In the human transcripts of days 1-3
of PriMock57 such words, heard clearly or not, are 2.3 in 10 minutes, misspelt medicines and diseases among them.
"""

from collections.abc import Callable, Sequence

from medalign.concepts.misheard import COMMON, frequency
from medalign.concepts.tokens import split_word
from medalign.core.transcript import Transcript, Word
from medalign.core.wording import LESS_CLEAR_BELOW, UNCLEAR_BELOW

MIN_LETTERS, MIN_TELLING = 5, 3
PER_10_MINUTES = 3  # at most, the least clear ones
FILLS = 250_000_000  # in the dictionary's corpus: what stands there more often carries no fact


def unusual_words(transcript: Transcript, taken: Sequence[tuple[float, float]]) -> tuple[Word, ...]:
    """In order of time.

    Args:
        taken: stretches [start, end) in seconds that are read, suggested otherwise or marked already.
    """
    return _least_clear(transcript, _is_unusual, LESS_CLEAR_BELOW, taken)


def unclear_words(transcript: Transcript, taken: Sequence[tuple[float, float]]) -> tuple[Word, ...]:
    """Everyday words that were not made out, in order of time: "take low pyramid" was loperamide.

    Names and first words of sentences are none. Of those in the six examples, 3 of 5 are wrong. Arguments as `unusual_words`.
    """
    return _least_clear(transcript, _is_telling, UNCLEAR_BELOW, taken)


def _least_clear(
    transcript: Transcript, is_meant: Callable[[str], bool], below: float, taken: Sequence[tuple[float, float]]
) -> tuple[Word, ...]:
    words = [
        word
        for word in transcript.words
        if word.probability < below
        and is_meant(word.text)
        and not any(word.start_s < end_s and word.end_s > start_s for start_s, end_s in taken)
    ]
    if not words:
        return ()
    n = max(1, round(PER_10_MINUTES * transcript.words[-1].end_s / 600))
    return tuple(sorted(sorted(words, key=lambda word: word.probability)[:n], key=lambda word: word.start_s))


def _is_telling(word: str) -> bool:
    tokens = [token for token in split_word(word)[0] if len(token) >= MIN_TELLING and token.isalpha()]
    return word[:1].islower() and any(COMMON <= frequency(token) < FILLS for token in tokens)


def _is_unusual(word: str) -> bool:
    return any(len(token) >= MIN_LETTERS and token.isalpha() and frequency(token) < COMMON for token in split_word(word)[0])

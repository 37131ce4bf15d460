"""Answers to a question about a recording that is analysed: where a phrase is said, and why a segment is doubted."""

from collections.abc import Sequence
from dataclasses import dataclass

from medalign.core.analysis import Correction, Evidence
from medalign.core.errors import DataError
from medalign.core.transcript import Transcript, Word

MAX_PHRASE = 300  # characters; a longer one is a paragraph, and nothing sounds like it
CONTEXT = 4  # words of the same segment before and after those that were looked for


def checked_phrase(phrase: str) -> str:
    """A phrase to be looked for, with single blanks. Raises DataError: it is empty or too long."""
    phrase = " ".join(phrase.split())
    if not phrase or len(phrase) > MAX_PHRASE:
        raise DataError(f"a phrase of {len(phrase)} characters can't be searched for; give 1 to {MAX_PHRASE}")
    return phrase


def written(transcript: Transcript, phrase: str) -> tuple[Evidence, ...]:
    """Where the transcript has a phrase, whatever its punctuation and capitals; its last word may be the beginning of one.

    Returns:
        In order of time; the times are those of the phrase, the text is what stands around it.
    """
    wanted, found = [key for word in phrase.split() if (key := _key(word))], []
    for segment in transcript.segments:
        words = [word for word in segment.words if _key(word.text)]
        for i in range(len(words) - len(wanted) + 1 if wanted else 0):
            here = words[i : i + len(wanted)]
            keys = [_key(word.text) for word in here]
            if keys[:-1] == wanted[:-1] and keys[-1].startswith(wanted[-1]):
                around = words[max(0, i - CONTEXT) : i + len(wanted) + CONTEXT]
                found.append(Evidence(here[0].start_s, here[-1].end_s, " ".join(word.text for word in around)))
    return tuple(found)


def found_in_words(transcript: Transcript, corrections: Sequence[Correction], phrase: str) -> tuple[Evidence, ...]:
    """Where a phrase is written, and where words stand that sound like a name which begins so; in order of time."""
    wanted = phrase.casefold()
    suggested = [c for c in corrections if wanted and c.name.casefold().startswith(wanted)]
    places = [Evidence(c.start_s, c.end_s, f"{c.said} → {c.name}?") for c in suggested]
    return tuple(sorted([*written(transcript, phrase), *places], key=lambda place: place.start_s))


def _key(word: str) -> str:
    return "".join(character for character in word.casefold() if character.isalnum())


@dataclass(frozen=True)
class SearchHit:
    """A place that sounds more like a phrase than the others do; some place always does, said or not."""

    start_s: float
    end_s: float
    score: float  # cosine
    probability: float  # calibrated, that a medical phrase is said here
    is_likely: bool  # it passes the threshold that the sound of a concept has to pass


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

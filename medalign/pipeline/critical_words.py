"""Critical words: negations, numbers and medicines that may have been misheard, where an error costs most.

They are marked to be listened to, a few in ten minutes, the likeliest first; the transcript stays as it is. What speaks for an
error is the recogniser's own doubt of the word, and what kind of word it is: one that no dictionary has, looks like a medicine
and follows "taking" may have been one. Each kind has a logistic fit of its own, so that probabilities compare. More figures of
the recogniser's (neighbours, segment, timing), tried first, did no better on speech that they were not fitted on.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np

from medalign.concepts import ConceptBank
from medalign.concepts.lost_medicines import DOSE_UNITS
from medalign.concepts.mentions import mention_places
from medalign.concepts.misheard import COMMON, DOUBTED, frequency, spelt, suggest
from medalign.concepts.numbers import find_numbers
from medalign.concepts.pieces import pieces_of
from medalign.concepts.tokens import sentences, split_word, word_list, words_of
from medalign.core.analysis import Correction, CriticalKind, CriticalWord
from medalign.core.editing import by_recogniser
from medalign.core.transcript import Transcript, Word
from medalign.pipeline.calibration import Calibration
from medalign.pipeline.segment_quality import LEAST_PROBABILITY

PER_10_MINUTES = 3
APART = 2  # words between two marks, at least
NEGATIONS = words_of("no not none never nothing nobody nor neither without cannot nope nah deny denies denied")
SOUNDS_LIKE_NUMBER = words_of("to too for won ate tree sex sick fight fine")
BEFORE_MEDICINE = word_list("critical_words.before_medicine")
LEAST_LIKELY = -8.0  # log-odds of a name where none is near
SURE = 1e-5  # added to a probability and its complement before log-odds are taken
FITS: dict[CriticalKind, str] = {kind: f"critical {kind}" for kind in get_args(CriticalKind)}


def _twins(pairs: str) -> dict[str, str]:
    """What is easily taken for each other, in both directions."""
    return {word: twin for pair in pairs.split() for word, twin in (pair.split("/"), pair.split("/")[::-1])}


NEGATION_TWINS = _twins(
    "can/can't could/couldn't do/don't does/doesn't did/didn't is/isn't are/aren't was/wasn't were/weren't have/haven't "
    "has/hasn't had/hadn't would/wouldn't should/shouldn't will/won't with/without something/nothing ever/never know/no now/not"
)
NUMBER_TWINS = _twins(
    "thirteen/thirty fourteen/forty fifteen/fifty sixteen/sixty seventeen/seventy eighteen/eighty nineteen/ninety "
    "13/30 14/40 15/50 16/60 17/70 18/80 19/90"
)


@dataclass(frozen=True)
class Candidate:
    """A word of the transcript that may be wrong in a way that matters."""

    word: int
    kind: CriticalKind
    features: tuple[float, ...]
    alternative: str | None


def is_negation(token: str) -> bool:
    return token in NEGATIONS or token.endswith("n't")


def numbers_in(words: Sequence[Word]) -> list[tuple[int, int, float]]:
    """First and last word, and value; without "one" in words, which is a pronoun more often than not."""
    pieces = pieces_of(words)
    found = [number for number in find_numbers(pieces) if not number.vague and not (number.in_words and number.value == 1)]
    return [(pieces[n.start].word, pieces[n.end - 1].word, n.value) for n in found]


def candidates(transcript: Transcript, bank: ConceptBank, calibration: Calibration) -> list[Candidate]:
    """Every word that any of the three fits is for, with its features."""
    words = transcript.words
    texts = [(split_word(word.text)[0] or ("",))[0] for word in words]
    is_number = {i for first, last, _ in numbers_in(words) for i in range(first, last + 1)}
    names = _names(transcript, bank, calibration)
    found = []
    for i, (word, text) in enumerate(zip(words, texts, strict=True)):
        doubt = math.log(max(word.probability, LEAST_PROBABILITY))
        negates = any(map(is_negation, split_word(word.text)[0]))
        has_digit = any(c.isdigit() for c in word.text)
        if negates or text in NEGATION_TWINS:
            found.append(Candidate(i, "negation", (doubt, float(negates)), NEGATION_TWINS.get(text)))
        if i in is_number or has_digit or text in SOUNDS_LIKE_NUMBER or text in NUMBER_TWINS:
            found.append(Candidate(i, "number", (doubt, float(i in is_number)), NUMBER_TWINS.get(text)))
        is_odd = frequency(text) < COMMON
        is_amount = i in is_number or has_digit or text in DOSE_UNITS  # beside a name, and no part of one
        if not is_amount and (i in names or is_odd or word.probability < DOUBTED):
            log_odds, name = names.get(i, (LEAST_LIKELY, None))
            follows = not BEFORE_MEDICINE.isdisjoint(texts[max(0, i - 2) : i])
            found.append(Candidate(i, "medicine", (doubt, log_odds, float(is_odd), float(follows)), name))
    return found


def _names(transcript: Transcript, bank: ConceptBank, calibration: Calibration) -> dict[int, tuple[float, str]]:
    """The likeliest medicine that each word may have been, by letters alone, with its log-odds."""
    words, fit = transcript.words, calibration.fits["misheard name, shortlist"]
    names: dict[int, tuple[float, str]] = {}
    for sentence in sentences(transcript):
        probabilities = [words[token.word].probability for token in sentence]
        for suggestion in suggest(sentence, probabilities, mention_places(sentence, bank), bank):
            if bank[suggestion.concept_id].category == "medicine":
                probability = float(fit.probability(np.array((*suggestion.features, 0.0, 0.0))))  # the student unheard
                log_odds = max(LEAST_LIKELY, math.log((probability + SURE) / (1 - probability + SURE)))
                name = spelt(suggestion.name, bank[suggestion.concept_id])
                for token in sentence[suggestion.start : suggestion.end]:
                    names[token.word] = max(names.get(token.word, (-math.inf, "")), (log_odds, name))
    return names


def n_marks_in(duration_s: float, per_10_minutes: float = PER_10_MINUTES) -> int:
    return max(1, round(per_10_minutes * duration_s / 600))


def ranked(found: Sequence[Candidate], calibration: Calibration) -> list[tuple[float, Candidate]]:
    """The likeliest errors first, no two of them beside each other; those below their fit's threshold are left out."""
    fits = {kind: calibration.fits[name] for kind, name in FITS.items()}
    scored = [(float(fits[c.kind].probability(np.array(c.features))), c) for c in found]
    kept: list[tuple[float, Candidate]] = []
    for probability, candidate in sorted(scored, key=lambda pair: (-pair[0], pair[1].word)):
        is_free = all(abs(candidate.word - other.word) > APART for _, other in kept)
        if is_free and probability >= fits[candidate.kind].threshold:
            kept.append((probability, candidate))
    return kept


def find_critical_words(
    transcript: Transcript, corrections: Sequence[Correction], bank: ConceptBank, calibration: Calibration
) -> tuple[CriticalWord, ...]:
    """The few that most likely are wrong, in order of time; none if the student has no such fits.

    Words that a person wrote or no recogniser did, and names that are suggested otherwise already, are left alone.
    """
    if not transcript.words or not set(FITS.values()) <= calibration.fits.keys():
        return ()
    words = transcript.words
    measured = [(s, s.mean_log_probability is not None) for s in transcript.segments]
    is_doubted = [is_kept and is_measured for s, is_measured in measured for is_kept in by_recogniser(s)]
    for c in corrections:
        is_doubted[c.first_word : c.last_word + 1] = [False] * (c.last_word + 1 - c.first_word)
    found = [candidate for candidate in candidates(transcript, bank, calibration) if is_doubted[candidate.word]]
    likeliest = ranked(found, calibration)[: n_marks_in(words[-1].end_s)]
    marked = ((words[c.word], c, round(p, 4)) for p, c in sorted(likeliest, key=lambda pair: pair[1].word))
    return tuple(CriticalWord(w.start_s, w.end_s, w.text.strip(" .,;:!?"), c.kind, p, c.alternative) for w, c, p in marked)

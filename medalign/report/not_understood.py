"""What was said and is in no list of concepts: doses without a medicine, words that may be one, and unusual words.

Each leaves a trace at a glance and a place in "Use your ear"; no name is made up for it.
"""

from collections.abc import Sequence
from typing import Literal

from medalign.concepts.lost_medicines import LostMedicine, lost_medicines
from medalign.concepts.unusual_words import unusual_words
from medalign.core.analysis import Analysis, CriticalWord
from medalign.core.transcript import Word

LOST = "medicine not understood"  # stands for doses at which no medicine is found
PERHAPS = "word that may be a medicine"  # stands for words that the recogniser may have made of one
UNUSUAL = "unusual word, perhaps a disease or medicine"
REGULAR_MEDICATION = "CUSTOM:regular-medication"  # "any tablets?" names none


Kind = tuple[Literal["Medicines", "Uncertain"], str, Sequence[LostMedicine | CriticalWord | Word]]


def untold(analysis: Analysis, before: Analysis | None = None) -> list[Kind]:
    """Where each kind stands at a glance, what it is called there, and its places; only kinds that have any.

    Args:
        before: see `without_medicine`.
    """
    kinds: list[Kind] = [
        ("Medicines", LOST, without_medicine(analysis, before)),
        ("Medicines", PERHAPS, _perhaps_medicines(analysis)),
        ("Uncertain", UNUSUAL, not_understood(analysis)),
    ]
    return [kind for kind in kinds if kind[2]]


def without_medicine(analysis: Analysis, before: Analysis | None = None) -> tuple[LostMedicine, ...]:
    """Doses at which no medicine is found, suggested or already marked as perhaps lost.

    Args:
        before: the analysis before it was reviewed: a dose that lost its medicine by that is no news to whoever did it.
    """
    named = [c for c in analysis.concepts if c.category == "medicine" and c.concept_id != REGULAR_MEDICATION]
    places = [(e.start_s, e.words_end_s) for c in named for e in c.text_evidence]
    places += [(c.start_s, c.end_s) for c in analysis.corrections]
    places += [(word.start_s, word.end_s) for word in analysis.critical_words if word.kind == "medicine"]
    lost = lost_medicines(analysis.transcript, places)
    if before is None or not lost:
        return lost
    known = without_medicine(before)
    return tuple(place for place in lost if place in known)


def _perhaps_medicines(analysis: Analysis) -> list[CriticalWord]:
    """Words that the recogniser may have made of a medicine, and for which no name is suggested."""
    words = [word for word in analysis.critical_words if word.kind == "medicine"]
    return [word for word in words if not any(c.meets(word.start_s, word.end_s) for c in analysis.corrections)]


def not_understood(analysis: Analysis) -> tuple[Word, ...]:
    """Unusual words that nothing else says anything of."""
    taken = [(e.start_s, e.end_s) for c in analysis.concepts for e in c.text_evidence]
    for marked in (analysis.corrections, analysis.critical_words, without_medicine(analysis)):
        taken += [(place.start_s, place.end_s) for place in marked]
    taken += [(check.start_s, check.end_s) for check in analysis.alignment.segments if check.reason]
    return unusual_words(analysis.transcript, taken)

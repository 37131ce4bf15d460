"""What was said and is in no list of concepts: doses without a medicine, words that may be one, and unusual words.

Each leaves a trace at a glance and a place in "Use your ear"; no name is made up for it.
"""

from collections.abc import Sequence
from typing import Literal

from medalign.concepts.lost_medicines import LostMedicine, lost_medicines
from medalign.concepts.tokens import sentences
from medalign.concepts.unusual_words import unusual_words
from medalign.core.analysis import Analysis, CriticalWord
from medalign.core.transcript import Word

LOST = "medicine not understood"  # stands for doses at which no medicine is found
PERHAPS = "word that may be a medicine"  # stands for words that the recogniser may have made of one
UNUSUAL = "unusual word, perhaps a disease or medicine"
COMPLAINTS = ("finding", "diagnosis")  # for which something is taken
REGULAR_MEDICATION = "CUSTOM:regular-medication"  # "any tablets?" names none


Kind = tuple[Literal["Medicines", "Uncertain"], str, Sequence[LostMedicine | CriticalWord | Word]]


def untold(analysis: Analysis, before: Analysis | None = None) -> list[Kind]:
    """Where each kind stands at a glance, what it is called there, and its places; only kinds that have any.

    Args:
        before: see `without_medicine`.
    """
    kinds: list[Kind] = [
        ("Medicines", LOST, without_medicine(analysis, before)),
        ("Medicines", PERHAPS, [word for word in critical_words(analysis) if word.kind == "medicine"]),
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
    complaints = [(e.start_s, e.end_s) for c in analysis.concepts if c.category in COMPLAINTS for e in c.text_evidence]
    lost = lost_medicines(analysis.transcript, places, complaints)
    if before is None or not lost:
        return lost
    known = without_medicine(before)
    return tuple(place for place in lost if place in known)


def critical_words(analysis: Analysis) -> list[CriticalWord]:
    """Words that may be wrong, and for which no name is suggested; a medicine that stands in the sentence already, or is
    suggested elsewhere in it, is not lost."""
    left = [
        word for word in analysis.critical_words if not any(c.meets(word.start_s, word.end_s) for c in analysis.corrections)
    ]
    return [w for w in left if w.kind != "medicine" or not (_is_named_beside(analysis, w) or _joins(w))]


def _joins(word: CriticalWord) -> bool:
    """A word that only joins two others is no name, though "amoxicillin and clavulanate" has it."""
    return word.text.lower().strip(" .,;:!?") in ("and", "or", "with")


def _is_named_beside(analysis: Analysis, word: CriticalWord) -> bool:
    name = (word.alternative or "").lower()
    for said in sentences(analysis.transcript) if name else ():
        start_s, end_s = said[0].start_s, said[-1].end_s
        if not start_s <= word.start_s < end_s:
            continue
        if any(c.name.lower() == name and c.meets(start_s, end_s) for c in analysis.corrections):
            return True
        places = [(e, c.label) for c in analysis.concepts if c.category == "medicine" for e in c.text_evidence]
        return any(name in (label.lower(), (e.text or "").lower()) for e, label in places if start_s <= e.start_s < end_s)
    return False


def not_understood(analysis: Analysis) -> tuple[Word, ...]:
    """Unusual words that nothing else says anything of."""
    taken = [(e.start_s, e.end_s) for c in analysis.concepts for e in c.text_evidence]
    for marked in (analysis.corrections, analysis.critical_words, without_medicine(analysis)):
        taken += [(place.start_s, place.end_s) for place in marked]
    taken += [(check.start_s, check.end_s) for check in analysis.alignment.segments if check.reason]
    return unusual_words(analysis.transcript, taken)

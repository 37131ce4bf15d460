"""The consultation at a glance: problems, medicines, allergies, habits, past, family, what was denied, what is planned.

Nothing is generated: an entry is a concept of the table with its count, its numbers and one place to hear it. What only the
sound suggests is left out, since its status is not known.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from medalign.core.analysis import Alignment, ConceptFinding, CriticalKind, CriticalWord, Evidence, Measurement, Reason, Status
from medalign.core.wording import band

Title = Literal[
    "Problems", "Medicines", "Allergies", "Tests and procedures", "Habits",
    "Uncertain", "In the past", "Family", "Denied", "If, or planned",
]  # fmt: skip
ORDER: tuple[Title, ...] = get_args(Title)
BY_CATEGORY: dict[str, Title] = {
    "medicine": "Medicines",
    "procedure": "Tests and procedures",
    "measurement": "Tests and procedures",
    "habit": "Habits",
}
# Diagnoses that tell of one; and habits that analyses of earlier versions call findings.
HABITS = frozenset(["CUSTOM:alcohol-use", "ICD10CM:Z72.0", "ICD10CM:F10.20", "ICD10CM:F12.90", "ICD10CM:F17.200"])
ALLERGY_CODES = ("ICD10CM:Z88", "ICD10CM:Z91.0", "HP:0012393")
CHECK = " (check)"  # behind a number that can't be true of a person
BY_STATUS: dict[Status, Title] = {
    "uncertain": "Uncertain",
    "resolved": "In the past",
    "historical": "In the past",
    "family": "Family",
    "negated": "Denied",
    "hypothetical": "If, or planned",
}
SENSES = {  # in which sense a number was said, where it is not the patient's own and present one
    "negated": "denied",
    "family": "somebody else's",
    "hypothetical": "if, or planned",
    "uncertain": "asked, unsure or a limit",
    "resolved": "over",
    "historical": "in the past",
}


@dataclass(frozen=True)
class Entry:
    """One line of the summary."""

    label: str
    concept_id: str
    n_mentions: int
    numbers: tuple[str, ...]  # "500 mg", "3 weeks": what was said of it
    evidence: Evidence  # the first place


@dataclass(frozen=True)
class Section:
    title: Title
    entries: tuple[Entry, ...]


def summarize(concepts: Sequence[ConceptFinding], measurements: Sequence[Measurement]) -> tuple[Section, ...]:
    """Sections in the order of `ORDER`, none of them empty; inside, what is said most often comes first.

    Args:
        concepts: as `Analysis.concepts`, one row per concept and status.
    """
    found: dict[Title, list[Entry]] = {title: [] for title in ORDER}
    stated = {concept.concept_id for concept in concepts if concept.status == "present"}
    for concept in concepts:
        if concept.status is None or not concept.text_evidence:
            continue
        # Numbers go with the patient's own, present state; "my mother took 5 mg" is no dose of the patient.
        is_patients = concept.status == "present" or concept.concept_id not in stated and concept.status == "hypothetical"
        numbers = [m for m in measurements if m.concept_id == concept.concept_id] if is_patients else []
        found[_section_of(concept, concept.status)].append(
            Entry(
                concept.label,
                concept.concept_id,
                len(concept.text_evidence),
                tuple(dict.fromkeys(m.amount + CHECK * (not m.is_plausible) for m in numbers)),
                concept.text_evidence[0],
            )
        )
    return tuple(
        Section(title, tuple(sorted(entries, key=lambda e: (-e.n_mentions, e.evidence.start_s))))
        for title, entries in found.items()
        if entries
    )


def is_faint(concept: ConceptFinding) -> bool:
    """Heard only, and unlikely even so: a hint for the curious, not a finding."""
    if concept.agreement != "student_only" or concept.student is None:
        return False
    return band(concept.student.probability if concept.probability is None else concept.probability) == "unlikely"


def _section_of(concept: ConceptFinding, status: Status) -> Title:
    if status != "present":
        return BY_STATUS[status]
    if concept.concept_id.startswith(ALLERGY_CODES):
        return "Allergies"
    if concept.concept_id in HABITS:
        return "Habits"
    return BY_CATEGORY.get(concept.category, "Problems")


Kind = Reason | Literal["missed_speech"]
REASONS: dict[Kind, str] = {
    "mismatch": "the sound does not fit these words; they may be invented, or belong elsewhere",
    "transcription_error": "many of these words may be wrong",
    "missed_speech": "speech is heard, and nothing is written",
}


DOUBTS: dict[CriticalKind, str] = {
    "negation": "a negation may be dropped or invented here",
    "number": "a number may be wrong here",
    "medicine": "a medicine may be lost here",
}


def doubt_of(word: CriticalWord) -> str:
    """What may be wrong with a critical word, and what it is easily taken for."""
    return DOUBTS[word.kind] + (f"; perhaps “{word.alternative}”" if word.alternative else "")


@dataclass(frozen=True)
class Place:
    start_s: float
    end_s: float
    kind: Kind

    @property
    def reason(self) -> str:
        return REASONS[self.kind]


def places_to_check(alignment: Alignment) -> list[Place]:
    """Segments marked as wrong, and windows that hold speech and no word, in order of time.

    A student without fits of segment quality has only its windows to go by.
    """
    places = [Place(check.start_s, check.end_s, check.reason) for check in alignment.segments if check.reason]
    for window in alignment.windows:
        if window.is_mismatch and window.percentile is None:
            places.append(Place(window.start_s, window.end_s, "missed_speech"))
        elif window.is_mismatch and not alignment.segments:
            places.append(Place(window.start_s, window.end_s, "mismatch"))
    return sorted(places, key=lambda place: (place.start_s, place.end_s))

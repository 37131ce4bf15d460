"""The words and symbols for a concept's status and for agreement: one spelling on the whole page."""

from dataclasses import dataclass

from medalign.core.analysis import Agreement, ConceptFinding, Status
from medalign.core.review import Review


@dataclass(frozen=True)
class StatusWords:
    css: str  # class suffix
    mark: str  # a sign, so that colour never speaks alone
    label: str  # in the table
    tag: str  # in the transcript; empty for the plain case
    group: str  # heading of the table section


STATUSES: dict[Status | None, StatusWords] = {
    "present": StatusWords("present", "●", "Present", "", "Present"),
    "uncertain": StatusWords("uncertain", "?", "Uncertain", "unsure", "Uncertain, possible or planned"),
    "hypothetical": StatusWords("hypothetical", "?", "If, or planned", "if / plan", "Uncertain, possible or planned"),
    "negated": StatusWords("negated", "⊘", "Denied", "denied", "Denied: said not to be there"),
    "resolved": StatusWords("resolved", "✓", "Over", "over", "Over, or in the past"),
    "historical": StatusWords("historical", "↶", "In the past", "past", "Over, or in the past"),
    "family": StatusWords("family", "⚭", "In the family", "family", "In the family, not in the patient"),
    None: StatusWords("unknown", "◌", "Not known", "", "Heard in the sound only: sound alone does not tell the status"),
}

AGREEMENTS: dict[Agreement, tuple[str, str]] = {
    "both": ("●●", "Both"),
    "teacher_only": ("●○", "Only the words"),
    "student_only": ("○●", "Only the sound"),
}


def judged_as(concept: ConceptFinding, review: Review) -> str:
    """`not said`, `denied`: what the reader made of a row; empty where it stands as it was."""
    judged = review.of(concept)
    if judged is None or judged.was_said and judged.right == concept.status:
        return ""
    return STATUSES[judged.right].label.lower() if judged.was_said else "not said"

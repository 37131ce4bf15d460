"""The words and symbols for a concept's status and for agreement: one spelling on the whole page."""

from dataclasses import dataclass
from typing import Literal

from medalign.core.analysis import Agreement, ConceptFinding, Evidence, Status
from medalign.core.review import Judged, Review
from medalign.report.summary import is_suggested


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

# Where a concept is found; a name suggested for misheard words is in neither these nor the sound alone, see `SUGGESTED`.
Found = Agreement | Literal["suggested"]
SOURCES: dict[Found, tuple[str, str]] = {
    "both": ("●●", "Both"),
    "teacher_only": ("●○", "Only the words"),
    "suggested": ("≈", "Suggested for misheard words"),
    "student_only": ("○●", "Only the sound"),
}
SUGGESTED = "by their letters, by how well the recogniser finds the name to fit the sound, and by what the ear makes of it"


def source_of(concept: ConceptFinding) -> Found:
    """A key of `SOURCES`."""
    return "suggested" if concept.agreement == "teacher_only" and is_suggested(concept) else concept.agreement


# Of a medicine a status says what is done with it; see `medalign.core.review.DONE_AS`.
OF_MEDICINES: dict[Status, str] = {
    "present": "Taking", "uncertain": "Uncertain", "hypothetical": "Started, or to start", "negated": "Not taking",
    "resolved": "Finished", "historical": "Stopped, or in the past", "family": "In the family",
}  # fmt: skip


def label_of(status: Status | None, category: str) -> str:
    """A status in the words that a reader gives it in."""
    return OF_MEDICINES[status] if status and category == "medicine" else STATUSES[status].label


def judged_as(concept: ConceptFinding, review: Review) -> str:
    """`not said`, `denied`: what the reader made of a row; empty where it stands as it was."""
    return _as(concept, review.of(concept))


def mentions_judged_as(concept: ConceptFinding, review: Review) -> dict[Evidence, str]:
    """The same of single mentions of a row."""
    return {place: _as(concept, judged) for place, judged in review.of_mentions(concept).items()}


def _as(concept: ConceptFinding, judged: Judged | None) -> str:
    if judged is None or judged.was_said and judged.right == concept.status:
        return ""
    return label_of(judged.right, concept.category).lower() if judged.was_said else "not said"

"""What a rating is of, and how it is told."""

from typing import Any

from medalign.core.analysis import Status
from medalign.core.wording import clock
from medalign.feedback.records import MAX_SPAN, SEVERITIES, VERDICTS, ConceptRating, RecordingRating
from medalign.ui.session import Session
from medalign.ui.views.markup import text
from medalign.ui.views.statuses import STATUSES


def place_of(session: Session, concept_id: str, status: str | None) -> dict[str, Any]:
    """Where the row's first words are: kept with the rating, its text only if the reader agreed."""
    for concept in session.result.concepts:
        if (concept.concept_id, concept.status) == (concept_id, status):
            source = concept.teacher if concept.teacher and concept.teacher.evidence else concept.student
            if source and source.evidence:
                first = source.evidence[0]
                return {"start_s": first.start_s, "end_s": first.end_s, "span_text": (first.text or "")[:MAX_SPAN] or None}
    return {}


def named(rating: ConceptRating | RecordingRating, labels: dict[tuple[str, Status | None], str]) -> str:
    """The concept, or the whole recording."""
    if isinstance(rating, RecordingRating):
        return "the whole"
    return rating.label or labels.get((rating.concept_id or "", rating.status), "a concept")


def in_words(rating: ConceptRating | RecordingRating, labels: dict[tuple[str, Status | None], str]) -> str:
    """One line of HTML: the concept, the verdict, and its details."""
    if isinstance(rating, RecordingRating):
        marks = (("transcript", rating.transcript), ("concepts", rating.concepts), ("useful", rating.useful))
        return "The whole: " + ", ".join(f"{name} {mark}" for name, mark in marks if mark is not None)
    label = named(rating, labels)
    details = [SEVERITIES[rating.severity].lower()] if rating.severity else []
    details += [f"rather {STATUSES[rating.right_status].label.lower()}"] if rating.right_status else []
    details += [f"at {clock(rating.start_s)}"] if rating.verdict == "missing" and rating.start_s is not None else []
    return f"<b>{text(label)}</b>: {text(VERDICTS[rating.verdict])}{'; ' + text('; '.join(details)) if details else ''}"

"""What a rating is of, how it is told, and the words around it."""

from collections.abc import Iterable
from typing import Any

from medalign.core.analysis import Status
from medalign.core.review import Judged
from medalign.core.wording import clock
from medalign.feedback.records import MAX_SPAN, SEVERITIES, VERDICTS, ConceptRating, RecordingRating
from medalign.ui.session import Session
from medalign.ui.views.markup import text
from medalign.ui.views.statuses import STATUSES

# The table's column "Your view" goes, too. Not by `body:has(#feedback.off) ...`: with that rule, each measurement that
# Plotly takes while it draws had the whole page styled anew, and an hour's result stood still for 18 s.
OFF = """<p class="hint">Feedback is switched off on this server.</p>
<style>#concepts table.concepts tr > :nth-child(6), #card .ratings { display: none; }</style>"""
INTRO = """<p class="hint">Press Right, Not said or Other status beside a concept: each press is stored at once, without audio,
name or address. Words of the recording are stored only if you tick the box. Please write nothing into comments that could
identify a person. What you send can be taken back with the code that appears here.</p>"""
MISSING = """<p class="hint">Select words in the transcript, or stop the player where it was said, and press the button; then
name the concept.</p><button type="button" class="tool" data-send="missing">Take the place from the page</button>"""


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


def judged_by(ratings: Iterable[ConceptRating]) -> tuple[Judged, ...]:
    """What the ratings say of the rows, the last of each; a row that is only heard has no status to be judged."""
    judged: dict[tuple[str, Status | None], Judged] = {}
    for r in ratings:
        right = r.right_status if r.verdict == "wrong_status" else r.status
        if r.verdict != "missing" and r.concept_id and (right or r.verdict == "wrong"):
            judged[r.concept_id, r.status] = Judged(r.concept_id, r.status, r.start_s, None if r.verdict == "wrong" else right)
    return tuple(judged.values())

"""What a rating is of, how it is told, and the words around it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from medalign.core.analysis import Status
from medalign.core.errors import FeedbackError
from medalign.core.wording import clock
from medalign.feedback.receipts import code_of
from medalign.feedback.records import MAX_SPAN, SEVERITIES, VERDICTS, ConceptRating, RecordingRating
from medalign.ui.session import Session
from medalign.ui.views.markup import text
from medalign.ui.views.statuses import STATUSES

OFF = """<p class="hint">Feedback is switched off on this server: what you judge changes this page and what you take home
from it, and is stored nowhere.</p>"""
INTRO = """<p class="hint">Press Right, Not said or Other status beside a concept: each press is stored at once, without audio,
name or address. Words of the recording are stored only if you tick the box. Please write nothing into comments that could
identify a person. What you send can be taken back with the code that appears here.</p>"""
MISSING = """<p class="hint">Select words in the transcript, or stop the player where it was said, and press the button; then
name the concept.</p><button type="button" class="tool" data-send="missing">Take the place from the page</button>"""


PAGE_S = 0.006  # the page rounds seconds to hundredths


def place_of(session: Session, concept_id: str, status: str | None, at_s: float | None = None) -> dict[str, Any]:
    """Where the row's first words are, or those of its mention at `at_s`: kept with the rating, its text only if the reader
    agreed. Raises FeedbackError if it has no such mention."""
    for concept in session.result.concepts:
        if (concept.concept_id, concept.status) == (concept_id, status):
            places = concept.text_evidence or concept.audio_evidence
            if at_s is not None:
                places = tuple(place for place in concept.text_evidence if abs(place.start_s - at_s) < PAGE_S)
                if not places:
                    raise FeedbackError("this mention stands there no longer; press what is underlined now")
            for place in places[:1]:
                words = (place.text or "")[:MAX_SPAN] or None
                return {"start_s": place.start_s, "end_s": place.end_s, "span_text": words, "of_mention": at_s is not None}
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
    is_there = rating.verdict == "missing" or rating.of_mention
    details += [f"at {clock(rating.start_s)}"] if is_there and rating.start_s is not None else []
    return f"<b>{text(label)}</b>: {text(VERDICTS[rating.verdict])}{'; ' + text('; '.join(details)) if details else ''}"


def kept_view(
    session: Session,
    ratings: Sequence[ConceptRating | RecordingRating],
    newest: tuple[str, ConceptRating | RecordingRating] | None,
    labels: dict[tuple[str, Status | None], str],
    pressed: Mapping[str, str],
) -> Markup:
    """What is kept of a result, with the way back, and for rating.js which buttons are pressed.

    Args:
        ratings: all that are kept.
        newest: the one of them that can be undone, and its code.
        labels: by concept and status.
        pressed: as `Ledger.pressed`.
    """
    code = code_of(newest[0]) if newest else ""
    codes = Markup(", ").join(Markup("<code>{}</code>").format(code) for code in session.codes)
    told = f"Of {session.title}, kept with this result and stored nowhere:"
    if session.receipts:
        told = Markup("Of {}: stored. To take it back later, keep this code: {}").format(session.title, codes)
    if newest is None:
        return _kept(session, code, pressed, Markup('<p class="receipt rated">Taken back: nothing of it is kept.</p>'))
    items = Markup("").join(Markup("<li>{}</li>").format(Markup(in_words(rating, labels))) for rating in ratings)
    undo = Markup('<button type="button" class="tool" id="undo" data-send="undo-rating">Undo: {}</button>')
    body = Markup('<p class="receipt">{}</p><ul class="rated">{}</ul><p class="rated">{}</p>')
    return _kept(session, code, pressed, body.format(told, items, undo.format(named(newest[1], labels))))


def _kept(session: Session, code: str, pressed: Mapping[str, str], body: Markup) -> Markup:
    place = Markup('<div data-of="{}" data-code="{}" data-rated="{}">{}</div>')
    return place.format(session.name, code, json.dumps(dict(pressed)), body)


def statuses_of() -> list[tuple[str, str | None]]:
    """What a dropdown offers as a status, with nothing said first."""
    return [("–", None), *((words.label, key) for key, words in STATUSES.items() if key)]

"""Feedback on a result: one press per concept, details if there is time, a form for the whole, undo and withdrawal.

Every press is stored at once; a receipt code, shown after the first, is all that ties it to a person.
"""

import json
from typing import get_args

import gradio as gr

from medalign.core.analysis import Analysis
from medalign.core.errors import FeedbackError, MedAlignError
from medalign.core.wording import clock, count
from medalign.feedback.records import (
    MAX_COMMENT,
    MAX_LABEL,
    MAX_SPAN,
    SEVERITIES,
    VERDICTS,
    ConceptRating,
    RecordingRating,
    Role,
    ShownResult,
)
from medalign.feedback.store import FeedbackStore
from medalign.ui.audit import audit
from medalign.ui.bridge import bridge, number_of, text_of
from medalign.ui.session import Session
from medalign.ui.states import PRESS, QUIET, guarded
from medalign.ui.views.markup import text
from medalign.ui.views.statuses import STATUSES

ROLES = {"not said": None, **{"GP" if role == "gp" else role: role for role in get_args(Role)}}
STARS = [("–", None), *((str(n), n) for n in range(1, 6))]
# The table's column "Your view" goes, too. Not by `body:has(#feedback.off) ...`: with that rule, each measurement that
# Plotly takes while it draws had the whole page styled anew, and an hour's result stood still for 18 s.
OFF = """<p class="hint">Feedback is switched off on this server.</p>
<style>#concepts table.concepts tr > :nth-child(6) { display: none; }</style>"""
INTRO = """<h2>Your view</h2><p class="hint">Press ✓, ✗ or ⇄ beside a concept: each press is stored at once, without audio,
name or address. Words of the recording are stored only if you tick the box. Please write nothing into comments that could
identify a person. What you send can be taken back with the code that appears here.</p>"""


def feedback_panel(store: FeedbackStore | None, session: gr.State) -> None:
    """Build it inside the current tab, under the result, and wire it."""
    with gr.Column(elem_id="feedback"):
        if store is None:
            gr.HTML(INTRO.split("</h2>")[0] + "</h2>" + OFF, apply_default_css=False)
            return
        gr.HTML(INTRO, apply_default_css=False)
        held = gr.HTML(elem_id="judgements", apply_default_css=False)
        alert = gr.HTML(elem_id="feedback-alert", apply_default_css=False)
        with gr.Row():
            role = gr.Dropdown(list(ROLES), value="not said", label="Your role (optional)", elem_id="role")
            keep = gr.Checkbox(label="Also store the words that I mark in the transcript", elem_id="keep-span")
        _details(store, session, held, alert)
        _missing(store, session, held, alert, role, keep)
        _form(store, session, held, alert, role, keep)
        with gr.Row():
            undo = gr.Button("Undo the last", elem_id="undo", size="sm")
            code = gr.Textbox(label="Receipt code", max_length=20, elem_id="code", scale=2)
            withdraw = gr.Button("Withdraw everything under this code", elem_id="withdraw", size="sm")
    out = [held, alert]
    bridge("judge").sent(guarded(alert, _judge, store, held, alert), [session, role, keep], out, concurrency_limit=1, **PRESS)
    undo.click(guarded(alert, _undo, store, held, alert), [session], out, **QUIET)
    withdraw.click(guarded(alert, _withdraw, store, held, alert), [session, code], [*out, code], **QUIET)


def _details(store, session, held, alert) -> None:
    with gr.Accordion("More about the last one", open=False, elem_id="more"):
        with gr.Row():
            severity = gr.Radio(
                [(words, key) for key, words in SEVERITIES.items()], label="If it were believed", elem_id="severity"
            )
            status = gr.Dropdown(
                [("–", None), *((words.label, key) for key, words in STATUSES.items() if key)],
                label="Right status",
                elem_id="right-status",
            )
        comment = gr.Textbox(label="Comment", max_length=MAX_COMMENT, lines=2, elem_id="comment")
        save = gr.Button("Save", size="sm", elem_id="save-more")
    save.click(guarded(alert, _amend, store, held, alert), [session, severity, status, comment], [held, alert], **QUIET)


def _missing(store, session, held, alert, role, keep) -> None:
    with gr.Accordion("Something is missing", open=False, elem_id="missing"):
        gr.HTML(
            '<p class="hint">Select words in the transcript, or stop the player where it was said, and press the button; then '
            'name the concept.</p><button type="button" class="tool" data-send="missing">Take the place from the page</button>',
            apply_default_css=False,
        )
        with gr.Row():
            label = gr.Textbox(label="What is missing", max_length=MAX_LABEL, elem_id="missing-label")
            start = gr.Number(label="From (s)", precision=2, elem_id="missing-start")
            end = gr.Number(label="To (s)", precision=2, elem_id="missing-end")
            said = gr.Textbox(label="Words there", max_length=MAX_SPAN, interactive=False, elem_id="missing-text")
        add = gr.Button("Add", size="sm", elem_id="missing-add")

    def place(event: gr.EventData):
        return round(number_of(event, "start"), 2), round(number_of(event, "end"), 2), text_of(event, "text")[:MAX_SPAN]

    bridge("missing").sent(place, None, [start, end, said], **PRESS)
    inputs = [session, role, keep, label, start, end, said]
    add.click(guarded(alert, _add_missing, store, held, alert), inputs, [held, alert], **QUIET)


def _form(store, session, held, alert, role, keep) -> None:
    with gr.Accordion("The recording as a whole", open=False, elem_id="whole"):
        with gr.Row():
            lines = [
                gr.Radio(STARS, value=None, label=label, elem_id=f"whole-{key}")
                for key, label in (
                    ("transcript", "Transcript, 1 to 5"),
                    ("concepts", "Concepts, 1 to 5"),
                    ("useful", "Useful to me, 1 to 5"),
                )
            ]
        comment = gr.Textbox(label="Comment", max_length=MAX_COMMENT, lines=2, elem_id="whole-comment")
        send = gr.Button("Send", size="sm", elem_id="whole-send")
    inputs = [session, role, keep, *lines, comment]
    send.click(guarded(alert, _rate_whole, store, held, alert), inputs, [held, alert], **QUIET)


def _judge(store, held, alert, session: Session | None, role, keep, event: gr.EventData, request: gr.Request):
    _analysis(session)
    concept_id, status = text_of(event, "concept", 80), text_of(event, "rowStatus", 20) or None
    row = (concept_id, status)
    rating = ConceptRating(text_of(event, "verdict", 20), concept_id=concept_id, status=status, **_span(session, row))
    receipt = _receipt(store, session, role, keep, request)
    store.rate(receipt, rating, visit=request.session_hash)
    session.judged = row
    return _told(store, session, held, alert)


def _span(session: Session | None, row: tuple[str, str | None]) -> dict:
    """Where the row's first words are: kept with the rating, its text only if the reader agreed."""
    for concept in session.analysis.concepts if session and session.analysis else ():
        if (concept.concept_id, concept.status) == row:
            witness = concept.teacher if concept.teacher and concept.teacher.evidence else concept.student
            if witness and witness.evidence:
                first = witness.evidence[0]
                return {"start_s": first.start_s, "end_s": first.end_s, "span_text": (first.text or "")[:MAX_SPAN] or None}
    return {}


def _amend(store, held, alert, session: Session | None, severity, status, comment: str, request: gr.Request):
    """The last judgement again, with its details."""
    if session is None or session.judged is None or not session.receipts:
        raise FeedbackError("nothing is judged yet; press ✓, ✗ or ⇄ beside a concept first")
    last = _current(store, session).get(session.judged)
    if last is None:
        raise FeedbackError("that judgement was taken back; press ✓, ✗ or ⇄ again first")
    verdict = "wrong_status" if status and last.verdict == "correct" else last.verdict
    again = ConceptRating(
        verdict, last.concept_id, last.status, right_status=status if verdict == "wrong_status" else None, start_s=last.start_s,
        end_s=last.end_s, span_text=last.span_text, severity=severity, comment=comment or "",
    )  # fmt: skip
    store.rate(session.receipts[-1], again, visit=request.session_hash)
    return _told(store, session, held, alert)


def _add_missing(store, held, alert, session: Session | None, role, keep, label, start, end, said, request: gr.Request):
    rating = ConceptRating("missing", label=label or None, start_s=start, end_s=end, span_text=said or None)
    store.rate(_receipt(store, session, role, keep, request), rating, visit=request.session_hash)
    return _told(store, session, held, alert)


def _rate_whole(
    store, held, alert, session: Session | None, role, keep, transcript, concepts, useful, comment, request: gr.Request
):
    rating = RecordingRating(transcript, concepts, useful, comment or "")
    store.rate_recording(_receipt(store, session, role, keep, request), rating, visit=request.session_hash)
    return _told(store, session, held, alert)


def _undo(store, held, alert, session: Session | None, request: gr.Request):
    if session is None or not session.receipts or store.undo(session.receipts[-1], visit=request.session_hash) is None:
        raise FeedbackError("there is nothing to undo")
    return _told(store, session, held, alert)


def _withdraw(store, held, alert, session: Session | None, code: str, request: gr.Request):
    n = store.withdraw((code or "").strip(), visit=request.session_hash)
    if session is not None:
        session.receipts = [kept for kept in session.receipts if kept != (code or "").strip()]
        session.result_id = None
    audit(store, "withdraw", request)
    done = f'<p class="receipt" data-held="{{}}">Withdrawn: {count(n, "entry", "entries")} deleted.</p>'
    return done, "", ""


def _receipt(store: FeedbackStore, session: Session | None, role: str, keep: object, request: gr.Request) -> str:
    """The receipt of this reading; the first press opens it."""
    if session is None or session.result_id is None:
        shown = ShownResult.of(_analysis(session), is_example=session.is_example)
        session.result_id = store.register(shown, visit=request.session_hash)
        receipt = store.open(session.result_id, role=_role(role), keep_span=keep is True, visit=request.session_hash)
        session.receipts.append(receipt.code)
    else:
        store.amend(session.receipts[-1], role=_role(role), keep_span=keep is True, visit=request.session_hash)
    return session.receipts[-1]


def _analysis(session: Session | None) -> Analysis:
    if session is None or session.analysis is None:
        raise MedAlignError("there is no result to judge; analyse a recording first")
    return session.analysis


def _role(shown: str) -> Role | None:
    if shown not in ROLES:
        raise FeedbackError("the role is not on the list; choose one, or 'not said'")
    return ROLES[shown]


def _current(store: FeedbackStore, session: Session) -> dict[tuple[str | None, str | None], ConceptRating]:
    ratings = store.ratings(session.receipts[-1]) if session.receipts and session.result_id else ()
    return {(r.concept_id, r.status): r for r in ratings if isinstance(r, ConceptRating) and r.verdict != "missing"}


def _told(store: FeedbackStore, session: Session, held, alert) -> dict:
    """What is stored under the receipt, in words, and for page.js which buttons are pressed."""
    ratings = store.ratings(session.receipts[-1])
    labels = {(c.concept_id, c.status): c.label for c in session.analysis.concepts}
    items = "".join(f"<li>{_words(rating, labels)}</li>" for rating in ratings)
    pressed = {
        f"{r.concept_id}|{r.status or ''}": r.verdict
        for r in ratings
        if isinstance(r, ConceptRating) and r.verdict != "missing"
    }
    codes = ", ".join(f"<code>{text(code)}</code>" for code in session.receipts)
    said = f'<p class="receipt">Stored. To take it back later, keep this code: {codes}</p><ul class="judged">{items}</ul>'
    return {held: f'<div role="status" data-held="{text(json.dumps(pressed))}">{said}</div>', alert: ""}


def _words(rating: ConceptRating | RecordingRating, labels: dict) -> str:
    if isinstance(rating, RecordingRating):
        marks = (("transcript", rating.transcript), ("concepts", rating.concepts), ("useful", rating.useful))
        return "The whole: " + ", ".join(f"{name} {mark}" for name, mark in marks if mark is not None)
    label = rating.label or labels.get((rating.concept_id, rating.status), "a concept")
    details = [SEVERITIES[rating.severity].lower()] if rating.severity else []
    details += [f"rather {STATUSES[rating.right_status].label.lower()}"] if rating.right_status else []
    details += [f"at {clock(rating.start_s)}"] if rating.verdict == "missing" and rating.start_s is not None else []
    return f"<b>{text(label)}</b>: {text(VERDICTS[rating.verdict])}{'; ' + text('; '.join(details)) if details else ''}"

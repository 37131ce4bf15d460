"""Feedback on a result: one press per concept, details if there is time, a form for the whole, undo and withdrawal.

Every press is stored at once; a receipt code, shown after the first, is all that ties it to a person.
"""

import json
from dataclasses import dataclass
from typing import Any, cast, get_args

import gradio as gr

from medalign.core.analysis import Status
from medalign.core.errors import FeedbackError
from medalign.core.wording import clock, count
from medalign.feedback.receipts import hash_of
from medalign.feedback.records import (
    MAX_COMMENT,
    MAX_LABEL,
    MAX_SPAN,
    SEVERITIES,
    ConceptRating,
    RecordingRating,
    Role,
    Severity,
    ShownResult,
    Verdict,
)
from medalign.feedback.store import FeedbackStore
from medalign.ui.audit import audit
from medalign.ui.presses import Presses
from medalign.ui.run import reviewed
from medalign.ui.session import Session, present
from medalign.ui.tabs.feedback_words import INTRO, MISSING, OFF, in_words, judged_by, named, place_of
from medalign.ui.update import PageUpdate, ResultPlaces
from medalign.ui.views.markup import text
from medalign.ui.views.statuses import STATUSES
from medalign.ui.wiring import EVERY_PRESS, Changes, bridge, connect, html, number_of, text_of

ROLES: dict[str, Role | None] = {"not said": None, **{"GP" if role == "gp" else role: role for role in get_args(Role)}}
STARS: list[tuple[str, Any]] = [("–", None), *((str(n), n) for n in range(1, 6))]
LINES = {"transcript": "Transcript, 1 to 5", "concepts": "Concepts, 1 to 5", "useful": "Useful to me, 1 to 5"}
UNDO = "Undo the last"  # before there is any


@dataclass(frozen=True)
class _Reader:
    """Who rates what, as far as they say."""

    session: Session
    role: Role | None
    keeps_words: bool  # that were marked in the transcript

    @property
    def terms(self) -> dict[str, Any]:
        """As the store takes them."""
        return {"role": self.role, "keep_span": self.keeps_words}


class FeedbackPanel:
    """Built and wired under the result."""

    def __init__(self, store: FeedbackStore, places: ResultPlaces, presses: Presses):
        """
        Args:
            places: of the result, which follows what is judged of it.
        """
        session = places.session
        self._store, self._places, self._session, self._presses = store, places, session, presses
        self._undoes = undo = gr.Button(UNDO, elem_id="undo", size="sm", render=False)
        with gr.Column(elem_id="feedback"):
            self._stored, self._alert = html(elem_id="ratings"), html(elem_id="feedback-alert")
            with gr.Accordion("Your view: rate the whole, add what is missing, undo", open=False, elem_id="fold-feedback"):
                html(INTRO)
                with gr.Row():
                    self._role = gr.Dropdown(list(ROLES), value="not said", label="Your role (optional)", elem_id="role")
                    self._keep = gr.Checkbox(label="Also store the words that I mark in the transcript", elem_id="keep-span")
                self._build_details()
                self._build_missing()
                self._build_form()
                with gr.Row():
                    undo.render()
                    self._code = gr.Textbox(label="Receipt code", max_length=20, elem_id="code", scale=2)
                    withdraw = gr.Button("Withdraw everything under this code", elem_id="withdraw", size="sm")
                self._back = _answer("back")
        out, reader = [self._stored, undo, *places.all], [session, self._role, self._keep]
        connect(bridge("rate"), self._rate, reader, out, self._alert, concurrency_limit=1, **EVERY_PRESS)
        # Answers to earlier presses: once something is taken back, "stored" may be true no longer.
        self._silenced: Changes = dict.fromkeys((self._more, self._added, self._sent), "")
        taken_back = [*out, *self._silenced]
        connect(bridge("unrate"), self._unrate, [session], taken_back, self._alert, concurrency_limit=1, **EVERY_PRESS)
        connect(undo.click, self._undo, [session], taken_back, self._back)
        connect(withdraw.click, self._withdraw, [session, self._code], [*taken_back, self._code], self._back)

    def _build_details(self) -> None:
        with gr.Accordion("More about the last one", open=False, elem_id="more"):
            with gr.Row():
                levels = [(words, key) for key, words in SEVERITIES.items()]
                severity = gr.Radio(levels, label="If it were believed", elem_id="severity")
                statuses: list[Any] = [("–", None), *((words.label, key) for key, words in STATUSES.items() if key)]
                status = gr.Dropdown(statuses, label="Right status", elem_id="right-status")
            comment = gr.Textbox(label="Comment", max_length=MAX_COMMENT, lines=2, elem_id="comment")
            save = gr.Button("Save", size="sm", elem_id="save-more")
            self._more = _answer("more")
        self._details = [severity, status, comment]
        out = [self._stored, self._undoes, *self._places.all, *self._details]
        connect(save.click, self._amend, [self._session, *self._details], out, self._more)

    def _build_missing(self) -> None:
        with gr.Accordion("Something is missing", open=False, elem_id="missing"):
            html(MISSING)
            with gr.Row():
                self._label = gr.Textbox(label="What is missing", max_length=MAX_LABEL, elem_id="missing-label")
                self._start = gr.Number(label="From (s)", precision=2, elem_id="missing-start")
                self._end = gr.Number(label="To (s)", precision=2, elem_id="missing-end")
                self._words = gr.Textbox(label="Words there", max_length=MAX_SPAN, interactive=False, elem_id="missing-text")
            add = gr.Button("Add", size="sm", elem_id="missing-add")
            self._added = _answer("added")
        place = [self._start, self._end, self._words]
        connect(bridge("missing"), self._take_place, [], place, self._added, **EVERY_PRESS)
        given = {self._session, self._role, self._keep, self._label, *place}
        connect(add.click, self._add_missing, given, [self._stored, self._undoes, self._label, *place], self._added)

    def _build_form(self) -> None:
        with gr.Accordion("The recording as a whole", open=False, elem_id="whole"):
            with gr.Row():
                self._lines = {
                    name: gr.Radio(STARS, value=None, label=label, elem_id=f"whole-{name}") for name, label in LINES.items()
                }
            self._comment = gr.Textbox(label="Comment", max_length=MAX_COMMENT, lines=2, elem_id="whole-comment")
            send = gr.Button("Send", size="sm", elem_id="whole-send")
            self._sent = _answer("sent")
        fields = [*self._lines.values(), self._comment]
        given = {self._session, self._role, self._keep, *fields}
        connect(send.click, self._rate_whole, given, [self._stored, self._undoes, *fields], self._sent)

    def _rate(
        self, session: Session | None, role: str, keep: bool, event: gr.EventData, request: gr.Request
    ) -> Changes:  # of one row of the table
        self._presses.count(request)
        session = present(session)
        concept_id, status = text_of(event, "concept", 80), text_of(event, "rowStatus", 20) or None
        verdict, right = text_of(event, "verdict", 20), text_of(event, "rightStatus", 20) or None
        if verdict == "wrong_status" and right is None:
            raise FeedbackError("press Other status, and then the status that is right")
        place = place_of(session, concept_id, status)
        rating = ConceptRating(  # which checks the words that were sent
            cast(Verdict, verdict), concept_id, cast(Status | None, status), right_status=cast(Status | None, right), **place
        )
        self._store.rate(self._receipt(_reader(session, role, keep)), rating)
        session.last_rated = (concept_id, status)
        return {**self._shown(session), **self._followed(session), self._alert: ""}

    def _unrate(self, session: Session | None, event: gr.EventData, request: gr.Request) -> Changes:  # of one row of the table
        self._presses.count(request)
        session = present(session)
        concept_id, status = text_of(event, "concept", 80), text_of(event, "rowStatus", 20) or None
        if not sum(self._store.take_back(code, concept_id, status) for code in session.receipts):
            raise FeedbackError("there is nothing to undo")
        return {**self._shown(session), **self._followed(session), **self._silenced, self._alert: ""}

    def _amend(
        self, session: Session | None, severity: Severity | None, status: Status | None, comment: str | None,
        request: gr.Request,
    ) -> Changes:  # fmt: skip
        """The last rating again, with its details."""
        self._presses.count(request)
        if session is None or session.last_rated is None or not session.receipts:
            raise FeedbackError("nothing is rated yet; press Right, Not said or Other status beside a concept first")
        current = {(r.concept_id, r.status): r for r in self._ratings(session)}
        last = current.get(cast(Any, session.last_rated))
        if last is None:
            raise FeedbackError("that rating was taken back; rate the concept again first")
        verdict = "wrong_status" if status and last.verdict == "correct" else last.verdict
        again = ConceptRating(
            verdict, last.concept_id, last.status,
            right_status=status or last.right_status if verdict == "wrong_status" else None,
            start_s=last.start_s, end_s=last.end_s, span_text=last.span_text, severity=severity, comment=comment or "",
        )  # fmt: skip
        self._store.rate(session.receipts[-1], again)
        emptied = dict(zip(self._details, (None, None, ""), strict=True))
        return {**self._shown(session), **self._followed(session), **emptied, **_kept(self._more, session)}

    def _take_place(self, event: gr.EventData) -> Changes:
        start_s, end_s = round(number_of(event, "start"), 2), round(number_of(event, "end"), 2)
        told = f"The place is {clock(start_s)}; name what is missing there."
        return {self._start: start_s, self._end: end_s, self._words: text_of(event, "text")[:MAX_SPAN], self._added: told}

    def _add_missing(self, given: Changes, request: gr.Request) -> Changes:
        self._presses.count(request)
        reader = self._reader(given)
        label, start_s, end_s = given[self._label], given[self._start], given[self._end]
        if not (start_s or end_s):  # Gradio's field sends 0 where nothing was filled in
            start_s = end_s = None
        words = given[self._words] or None
        rating = ConceptRating("missing", label=label or None, start_s=start_s, end_s=end_s, span_text=words)
        self._store.rate(self._receipt(reader), rating)
        emptied: Changes = {self._label: "", self._start: None, self._end: None, self._words: ""}
        return {**self._shown(reader.session), **emptied, **_kept(self._added, reader.session)}

    def _rate_whole(self, given: Changes, request: gr.Request) -> Changes:
        self._presses.count(request)
        reader = self._reader(given)
        marks = {name: given[line] for name, line in self._lines.items()}
        rating = RecordingRating(**marks, comment=given[self._comment] or "")
        self._store.rate_recording(self._receipt(reader), rating)
        emptied: Changes = {**dict.fromkeys(self._lines.values()), self._comment: ""}
        return {**self._shown(reader.session), **emptied, **_kept(self._sent, reader.session)}

    def _undo(self, session: Session | None, request: gr.Request) -> Changes:
        self._presses.count(request)
        rated = self._rated(session) if session else []
        if session is None or not rated or self._store.undo(rated[-1]) is None:
            raise FeedbackError("there is nothing to undo")
        left = count(len(self._store.ratings(rated[-1])), "entry", "entries")
        done = f"The last one is taken back; {left} left under this code."
        return {**self._shown(session), **self._followed(session), **self._silenced, self._back: done}

    def _withdraw(self, session: Session | None, code: str | None, request: gr.Request) -> Changes:
        self._presses.count(request, "withdraw")  # whoever has just rated a lot may still withdraw
        code = (code or "").strip()
        n = self._store.withdraw(code)
        followed: Changes = {self._undoes: UNDO}
        if session is not None:
            session.receipts = [kept for kept in session.receipts if hash_of(kept) != hash_of(code)]
            session.result_id = None
            if session.analysis is not None:
                followed |= self._followed(session)
        audit(self._store, "withdraw", request)
        done = f"Withdrawn: {count(n, 'entry', 'entries')} deleted."
        stored = f'<p class="receipt" data-rated="{{}}">{done}</p>'
        return {**followed, self._stored: stored, **self._silenced, self._back: done, self._code: ""}

    def _reader(self, given: Changes) -> _Reader:
        return _reader(present(given[self._session]), given[self._role], given[self._keep])

    def _receipt(self, reader: _Reader) -> str:
        """The receipt of this result; the first rating opens it."""
        session, terms = reader.session, reader.terms
        if session.result_id is None:
            shown = ShownResult.of(session.result, is_example=session.is_example)
            result_id = self._store.register(shown)
            session.receipts.append(self._store.open(result_id, **terms).code)
            session.result_id = result_id  # only with its receipt: a full disk may come between the two
        else:
            self._store.amend(session.receipts[-1], **terms)
        return session.receipts[-1]

    def _rated(self, session: Session) -> list[str]:
        """Its receipts under which anything is stored, the newest last."""
        return [code for code in session.receipts if self._store.ratings(code)]

    def _followed(self, session: Session) -> Changes:
        """The result as it stands after what is stored of it, under every receipt of this session."""
        stored = [r for code in session.receipts for r in self._store.ratings(code) if isinstance(r, ConceptRating)]
        judged = judged_by(stored)
        if judged == session.judged:
            return {}
        session.judged = judged
        parts = reviewed(session.shown, session.peaks, session.review)
        return self._places.changes(PageUpdate(parts, session))

    def _ratings(self, session: Session) -> list[ConceptRating]:
        """What is stored of the table's rows."""
        ratings = self._store.ratings(session.receipts[-1]) if session.receipts and session.result_id else ()
        return [r for r in ratings if isinstance(r, ConceptRating) and r.verdict != "missing"]

    def _shown(self, session: Session) -> Changes:
        """What is stored under the receipt, in words, and for page.js which buttons are pressed."""
        labels = {(c.concept_id, c.status): c.label for c in session.shown.concepts}
        ratings = [rating for code in session.receipts for rating in self._store.ratings(code)]
        items = "".join(f"<li>{in_words(rating, labels)}</li>" for rating in ratings)
        pressed = {f"{r.concept_id}|{r.status or ''}": r.verdict for r in self._ratings(session)}
        codes = ", ".join(f"<code>{text(code)}</code>" for code in session.receipts)
        told = f"Stored. To take it back later, keep this code: {codes}" if ratings else "Taken back: nothing of it is stored."
        stored = f'<p class="receipt">{told}</p><ul class="rated">{items}</ul>'
        rated = f'data-of="{session.name}" data-code="{text(session.receipts[-1])}" data-rated="{text(json.dumps(pressed))}"'
        undoes = f"Undo: {named(ratings[-1], labels)}" if ratings else UNDO
        return {self._stored: f"<div {rated}>{stored}</div>", self._undoes: undoes}


def switched_off() -> None:
    """What stands in its place without a store."""
    with gr.Column(elem_id="feedback"):
        html(OFF)


def _answer(name: str) -> gr.HTML:
    """Where the answer to a press stands: below its button, and layout.js has it announced."""
    return html(elem_id=f"answer-{name}", elem_classes="answer")


def _kept(place: gr.HTML, session: Session) -> Changes:
    codes = ", ".join(f"<code>{text(code)}</code>" for code in session.receipts)
    return {place: f"Stored. To take it back later, keep this code: {codes}"}


def _reader(session: Session, role: str, keep: object) -> _Reader:
    if role not in ROLES:
        raise FeedbackError("the role is not on the list; choose one, or 'not said'")
    return _Reader(session, ROLES[role], keep is True)

"""Feedback on a result: one press per concept, details if there is time, a form for the whole, undo and withdrawal.

Every press is stored at once; a receipt code, shown after the first, is all that ties it to a person.
"""

from typing import Any, cast, get_args

import gradio as gr
from gradio.components import Component

from medalign.core.analysis import Status
from medalign.core.errors import FeedbackError
from medalign.core.wording import clock, clock_range, count
from medalign.feedback.records import (
    MAX_COMMENT,
    MAX_LABEL,
    MAX_SPAN,
    SEVERITIES,
    VERDICTS,
    ConceptRating,
    RecordingRating,
    Role,
    Severity,
    Verdict,
)
from medalign.feedback.store import FeedbackStore
from medalign.ui.audit import audit
from medalign.ui.ledger import Ledger, Terms
from medalign.ui.own_code import OwnCode
from medalign.ui.presses import Presses
from medalign.ui.run import finished, reviewed
from medalign.ui.session import Session, present
from medalign.ui.tabs.feedback_words import INTRO, MISSING, OFF, kept_view, named, place_of, statuses_of
from medalign.ui.tabs.own_receipt import OwnReceipt
from medalign.ui.update import PageUpdate, ResultPlaces
from medalign.ui.views.markup import text
from medalign.ui.views.status_view import AS_BEFORE, toast
from medalign.ui.wiring import EVERY_PRESS, OWN_QUEUE, Changes, bridge, connect, html, number_of, text_of

NOBODY = "no role given"
ROLES: dict[str, Role | None] = {NOBODY: None, **{"GP" if role == "gp" else role: role for role in get_args(Role)}}
STARS: list[tuple[str, Any]] = [("–", None), *((str(n), n) for n in range(1, 6))]
SCALE = "1 useless, 5 perfect"
LINES = {"transcript": f"Transcript: {SCALE}", "concepts": f"Concepts: {SCALE}", "useful": f"Useful to me: {SCALE}"}


class FeedbackPanel:
    """Built and wired under the result. Without a store, rows are judged all the same, and nothing else is asked for."""

    def __init__(self, store: FeedbackStore | None, places: ResultPlaces, presses: Presses):
        """
        Args:
            places: of the result, which follows what is judged of it.
        """
        session = places.session
        self._ledger, self._places, self._session, self._presses = Ledger(store), places, session, presses
        self._role, self._keep, self._silenced = gr.State(NOBODY), gr.State(False), dict[Any, Any]()
        self._which: gr.Dropdown | None = None  # of the rows, which one is said more about
        self.receipt = None if store is None else OwnReceipt(store)  # of all that the reader says, in any tab
        self._own = own = gr.State(OwnCode()) if self.receipt is None else self.receipt.state
        with gr.Column(elem_id="feedback"):
            self._stored, self._alert = html(elem_id="ratings"), html(elem_id="feedback-alert")
            if self.receipt is None:
                html(OFF)
            else:
                self._build(self.receipt)
        reader, out = [session, self._role, self._keep, own], [*self._told, self._alert, *places.all, *self._silenced]
        connect(bridge("rate"), self._rate, reader, out, self._alert, concurrency_limit=1, **EVERY_PRESS)
        connect(bridge("unrate"), self._unrate, [session], out, self._alert, concurrency_limit=1, **EVERY_PRESS)
        connect(bridge("undo-rating"), self._undo, [session], out, self._alert, concurrency_limit=1, **EVERY_PRESS)
        connect(bridge("undo"), self._undo_last, [session], out, places.alert, concurrency_limit=1, **EVERY_PRESS)

    def _build(self, receipt: OwnReceipt) -> None:
        """What is asked for beside the rows."""
        with gr.Accordion("Your view: rate the whole, add what is missing, take it back", open=False, elem_id="fold-feedback"):
            html(INTRO)
            with gr.Row():
                self._role = gr.Dropdown(list(ROLES), value=NOBODY, label="Your role (optional)", elem_id="role")
                self._keep = gr.Checkbox(label="Also store the words that I mark in the transcript", elem_id="keep-span")
            self._build_details()
            self._build_missing()
            self._build_form()
            with gr.Row():
                receipt.field.render()
                withdraw = gr.Button("Withdraw everything under this code", elem_id="withdraw", size="sm")
            self._back = _answer("back")
        self._silenced = dict.fromkeys((self._more, self._added, self._sent, self._back), "")  # may be true no longer
        out = [*self._told, *self._places.all, *self._silenced]
        connect(withdraw.click, self._withdraw, [self._session, receipt.field, self._own], out, self._back)
        ask, kept, page = "() => [window.medalignCode()]", gr.Textbox(visible=False), gr.context.Context.root_block
        connect(page.load, receipt.restored, [kept, self._own], [receipt.field], self._back, js=ask, **OWN_QUEUE)

    def _build_details(self) -> None:
        with gr.Accordion("Say more about one of them", open=False, elem_id="more"):
            self._which = gr.Dropdown([], label="Which one", elem_id="which-row")
            with gr.Row():
                levels = [(words, key) for key, words in SEVERITIES.items()]
                severity = gr.Radio(levels, label="If it is a mistake: what if somebody believed it", elem_id="severity")
                status = gr.Dropdown(statuses_of(), label="Right status", elem_id="right-status")
            comment = gr.Textbox(label="Comment", max_length=MAX_COMMENT, lines=2, elem_id="comment")
            save = gr.Button("Save", size="sm", elem_id="save-more")
            self._more = _answer("more")
        self._details = [severity, status, comment]
        out = [*self._told, *self._places.all, *self._details]
        connect(save.click, self._amend, [self._session, self._which, *self._details], out, self._more)

    def _build_missing(self) -> None:
        with gr.Accordion("Something is missing", open=False, elem_id="missing"):
            html(MISSING)
            with gr.Row():
                self._label = gr.Textbox(label="What is missing", max_length=MAX_LABEL, elem_id="missing-label")
                self._start = gr.Number(label="From (s)", precision=2, elem_id="missing-start")
                self._end = gr.Number(label="To (s)", precision=2, elem_id="missing-end")
                self._status = gr.Dropdown(statuses_of(), label="Status", elem_id="missing-status")
                self._words = gr.Textbox(label="Words there", max_length=MAX_SPAN, interactive=False, elem_id="missing-text")
            add = gr.Button("Add", size="sm", elem_id="missing-add")
            self._added = _answer("added")
        place = [self._start, self._end, self._words]
        connect(bridge("missing"), self._take_place, [], place, self._added, **EVERY_PRESS)
        given = {self._session, self._role, self._keep, self._own, self._label, self._status, *place}
        out = [*self._told, self._label, self._status, *place, *self._places.all]
        connect(add.click, self._add_missing, given, out, self._added)

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
        given = {self._session, self._role, self._keep, self._own, *fields}
        connect(send.click, self._rate_whole, given, [*self._told, *fields], self._sent)

    @property
    def _told(self) -> list[Component]:
        """What says which ratings are kept."""
        parts = (self._stored, self._which, *(self.receipt.places if self.receipt else ()))
        return [part for part in parts if part is not None]

    def _rate(
        self, session: Session | None, role: str, keep: bool, own: OwnCode, event: gr.EventData, request: gr.Request
    ) -> Changes:  # of one row of the table
        self._presses.count(request)
        session = present(session)
        concept_id, status = text_of(event, "concept", 80), text_of(event, "rowStatus", 20) or None
        verdict, right = text_of(event, "verdict", 20), text_of(event, "rightStatus", 20) or None
        if verdict == "wrong_status" and right is None:
            raise FeedbackError("press Other status, and then the status that is right")
        place = place_of(session, concept_id, status, _mention_of(event))
        rating = ConceptRating(  # which checks the words that were sent
            cast(Verdict, verdict), concept_id, cast(Status | None, status), right_status=cast(Status | None, right), **place
        )
        self._ledger.rate(session, rating, _terms(role, keep), own)
        return {**self._shown(session), **self._told_of(own), **self._followed(session), self._alert: ""}

    def _unrate(self, session: Session | None, event: gr.EventData, request: gr.Request) -> Changes:  # of one row of the table
        self._presses.count(request)
        session = present(session)
        concept_id, status = text_of(event, "concept", 80), text_of(event, "rowStatus", 20) or None
        at_s = _mention_of(event)
        start_s = None if at_s is None else place_of(session, concept_id, status, at_s)["start_s"]
        if not self._ledger.take_back(session, concept_id, status, start_s):
            raise FeedbackError("there is nothing to undo")
        return {**self._shown(session), **self._followed(session), **self._silenced, self._alert: ""}

    def _amend(
        self, session: Session | None, which: str | None, severity: Severity | None, status: Status | None,
        comment: str | None, request: gr.Request,
    ) -> Changes:  # fmt: skip
        """The rating of a row again, with its details; of the last one, if none is chosen."""
        self._presses.count(request)
        rows = self._ledger.rows(session) if session else {}
        if session is None or not rows:
            raise FeedbackError("nothing is rated yet; press Right, Not said or Other status beside a concept first")
        if which and which not in rows:
            raise FeedbackError("that rating was taken back; choose another one")
        code, last = rows[which or next(iter(rows))]
        verdict = "wrong_status" if status and last.verdict == "correct" else last.verdict
        again = ConceptRating(
            verdict, last.concept_id, last.status,
            right_status=status or last.right_status if verdict == "wrong_status" else None,
            start_s=last.start_s, end_s=last.end_s, span_text=last.span_text, severity=severity, comment=comment or "",
            of_mention=last.of_mention,
        )  # fmt: skip
        self._ledger.amend(session, code, again)
        emptied = dict(zip(self._details, (None, None, ""), strict=True))
        return {**self._shown(session), **self._followed(session), **emptied, **_kept(self._more, session)}

    def _take_place(self, event: gr.EventData) -> Changes:
        start_s, end_s = round(number_of(event, "start"), 2), round(number_of(event, "end"), 2)
        words = text_of(event, "text")[:MAX_SPAN]
        which = "" if words else ", the seconds before the player"
        told = f"The place is {clock_range(start_s, end_s)}{which}; name what is missing there."
        return {self._start: start_s, self._end: end_s, self._words: words, self._added: told}

    def _add_missing(self, given: Changes, request: gr.Request) -> Changes:
        self._presses.count(request)
        session = present(given[self._session])
        label, start_s, end_s = given[self._label], given[self._start], given[self._end]
        if not (start_s or end_s):  # Gradio's field sends 0 where nothing was filled in
            start_s = end_s = None
        words = given[self._words] or None
        status = given[self._status] or None  # which is checked
        rating = ConceptRating(
            "missing", label=label or None, right_status=status, start_s=start_s, end_s=end_s, span_text=words
        )
        self._ledger.rate(session, rating, _terms(given[self._role], given[self._keep]), given[self._own])
        shown = {**self._shown(session), **self._told_of(given[self._own])}
        emptied: Changes = {self._label: "", self._status: None, self._start: None, self._end: None, self._words: ""}
        return {**shown, **self._followed(session), **emptied, **_kept(self._added, session)}

    def _rate_whole(self, given: Changes, request: gr.Request) -> Changes:
        self._presses.count(request)
        session = present(given[self._session])
        marks = {name: given[line] for name, line in self._lines.items()}
        rating = RecordingRating(**marks, comment=given[self._comment] or "")
        self._ledger.rate(session, rating, _terms(given[self._role], given[self._keep]), given[self._own])
        emptied: Changes = {**dict.fromkeys(self._lines.values()), self._comment: ""}
        return {**self._shown(session), **self._told_of(given[self._own]), **emptied, **_kept(self._sent, session)}

    def _undo(self, session: Session | None, request: gr.Request) -> Changes:
        """The last rating is taken back."""
        self._presses.count(request)
        if session is None or not self._ledger.undo(session):
            raise FeedbackError("there is nothing to undo")
        return {**self._shown(session), **self._followed(session), **self._silenced, self._alert: ""}

    def _undo_last(self, session: Session | None, request: gr.Request) -> Changes:
        """What was done last is taken back: a rating, or a change of the words or of what was found right."""
        status, alert = self._places.parts["status"], self._places.alert
        if session is None or not session.order or session.order[-1] is not None:
            self._presses.count(request)
            if session is None or not self._ledger.undo(session):
                return {status: toast("There is nothing to undo."), alert: ""}
            followed = {**self._shown(session), **self._followed(session), **self._silenced, self._alert: ""}
            return {**followed, status: toast("Your last rating is taken back."), alert: ""}
        session.undo()
        return self._places.changes(PageUpdate({**finished(session), "status": toast(AS_BEFORE)}, session))

    def _withdraw(self, session: Session | None, code: str | None, own: OwnCode, request: gr.Request) -> Changes:
        self._presses.count(request, "withdraw")  # whoever has just rated a lot may still withdraw
        if not (code or "").strip():
            raise FeedbackError("give the code first: it is shown beside what you rated, as long as the page is open")
        n = self._ledger.withdraw(session, (code or "").strip(), own)
        followed = self._followed(session) if session is not None and session.analysis is not None else {}
        if self._ledger.store is not None:
            audit(self._ledger.store, "withdraw", request)
        done = f"Withdrawn: {count(n, 'entry', 'entries')} deleted, earlier versions of a rating included."
        stored = f'<p class="receipt" data-rated="{{}}" data-code="">{done}</p>'
        return {**followed, self._stored: stored, **self._silenced, self._back: done, **self._told_of(own)}

    def _told_of(self, own: OwnCode) -> Changes:
        return self.receipt.told(own) if self.receipt is not None else {}

    def _followed(self, session: Session) -> Changes:
        """The result as it stands after what is kept of it."""
        judged, added = self._ledger.judged(session), self._ledger.added(session)
        if (judged, added) == (session.judged, session.added):
            return {}
        session.judged, session.added = judged, added
        parts = reviewed(session.shown, session.peaks, session.review, session.latest)
        return self._places.changes(PageUpdate(parts, session))

    def _shown(self, session: Session) -> Changes:
        """What is kept of the result, in words, and for rating.js which buttons are pressed."""
        labels = {(c.concept_id, c.status): c.label for c in session.shown.concepts}
        newest = self._ledger.newest(session)
        kept = kept_view(session, self._ledger.all(session), newest, labels, self._ledger.pressed(session))
        shown: Changes = {self._stored: kept}
        if self._which is not None:
            rows = self._ledger.rows(session)
            at = {key: f" at {clock(r.start_s or 0.0)}" if r.of_mention else "" for key, (_, r) in rows.items()}
            choices = [(f"{named(r, labels)}{at[key]}: {VERDICTS[r.verdict]}", key) for key, (_, r) in rows.items()]
            shown[self._which] = gr.update(choices=choices, value=next(iter(rows), None))
        return shown


def _mention_of(event: gr.EventData) -> float | None:
    """The second in which the mention begins that a press is about; None of a row as a whole."""
    return number_of(event, "place") if text_of(event, "place", 20) else None


def _answer(name: str) -> gr.HTML:
    """Where the answer to a press stands: below its button, and layout.js has it announced."""
    return html(elem_id=f"answer-{name}", elem_classes="answer")


def _kept(place: gr.HTML, session: Session) -> Changes:
    codes = ", ".join(f"<code>{text(code)}</code>" for code in session.codes)
    return {place: f"Stored. To take it back later, keep this code: {codes}"}


def _terms(role: str, keep: object) -> Terms:
    if role not in ROLES:
        raise FeedbackError(f"the role is not on the list; choose one, or '{NOBODY}'")
    return {"role": ROLES[role], "keep_span": keep is True}

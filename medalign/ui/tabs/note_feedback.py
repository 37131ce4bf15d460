"""Whether a verdict on a statement is right, by one press; stored and taken back as all feedback is."""

import json

import gradio as gr

from medalign.core.errors import FeedbackError, MedAlignError
from medalign.core.wording import count
from medalign.feedback.receipts import code_of
from medalign.feedback.records import ShownResult, StatementRating
from medalign.feedback.store import FeedbackStore
from medalign.ui.audit import audit
from medalign.ui.own_code import OwnCode
from medalign.ui.presses import Presses
from medalign.ui.shown_notes import ShownNotes
from medalign.ui.tabs.own_receipt import OwnReceipt
from medalign.ui.views.markup import text
from medalign.ui.wiring import EVERY_PRESS, Changes, bridge, connect, html, number_of, text_of

INTRO = """<p class="hint">Right or Wrong beside a statement is stored at once, without the note, audio, name or address. A
second press takes it back.</p>"""
KEEP = "Also store the words of the statements that I judge, and what was said there: only so can anybody learn from them"


class NoteFeedback:
    """Built and wired above the checked note."""

    def __init__(self, store: FeedbackStore, shown: gr.State, presses: Presses, receipt: OwnReceipt):
        self._store, self._shown, self._presses, self._own_receipt = store, shown, presses, receipt
        with gr.Column(elem_id="note-feedback", visible=False) as self.place:
            with gr.Accordion("Right or wrong beside a statement: what is stored", open=False, elem_id="note-consent"):
                html(INTRO)
                self._keep = gr.Checkbox(label=KEEP, elem_id="note-keep")
                withdraw = gr.Button("Take back all that I judged here", size="sm", elem_id="note-withdraw", min_width=80)
            self.stored, self._alert = html(elem_id="note-judged"), html(elem_id="note-judged-alert")
        own, out = receipt.state, [self.stored, *receipt.places]
        connect(bridge("note-judge"), self._judge, [shown, self._keep, own], out, self._alert, concurrency_limit=1,
                **EVERY_PRESS)  # fmt: skip
        connect(self._keep.input, self._amend, [shown, self._keep, own], [self.stored], self._alert)
        connect(withdraw.click, self._withdraw, [shown, own], out, self._alert)

    def _judge(self, shown: ShownNotes | None, keep: bool, own: OwnCode, event: gr.EventData, request: gr.Request) -> Changes:
        self._presses.count(request)
        shown = _there(shown)
        statement = shown.statement(int(number_of(event, "note")), int(number_of(event, "index")))
        right = text_of(event, "right", 3)
        if right not in ("yes", "no"):
            raise MedAlignError("the page sent neither right nor wrong; reload it")
        subject = shown.subject(statement)
        judged, code = self._judged(shown), self._receipt(shown, keep, own)
        if judged.get(subject) == (right == "yes"):
            self._store.take_back_statement(code, subject)
        else:
            self._store.rate_statement(code, StatementRating.of(statement, subject, is_right=right == "yes"))
        return {self.stored: self.told(shown), **self._own_receipt.told(own), self._alert: ""}

    def _amend(self, shown: ShownNotes | None, keep: bool, own: OwnCode, request: gr.Request) -> Changes:
        """Words that were kept go with the consent."""
        self._presses.count(request)
        if shown is not None and self._judged(shown):
            self._receipt(shown, keep, own)
        return {self._alert: ""}

    def _withdraw(self, shown: ShownNotes | None, own: OwnCode, request: gr.Request) -> Changes:
        self._presses.count(request, "withdraw")
        shown = _there(shown)
        if not self._judged(shown) or shown.receipt is None:
            raise FeedbackError("nothing is judged here yet")
        n = self._store.take_back_statements(shown.receipt)
        shown.receipt = None
        own.known(self._store)
        audit(self._store, "withdraw", request)
        done = _place({}, f"Taken back: {count(n, 'judgement')} deleted.")
        return {self.stored: done, **self._own_receipt.told(own), self._alert: ""}

    def _receipt(self, shown: ShownNotes, keep: object, own: OwnCode) -> str:
        """The address of this recording's notes, under the reader's code; the first press opens it."""
        keeps_words = keep is True
        if shown.receipt is None:
            result_id = self._store.register(ShownResult.of(shown.analysis, is_example=shown.is_example))
            shown.receipt = self._store.open(result_id, keep_span=keeps_words, code=own.known(self._store)).code
            own.opened(shown.receipt)
        elif keeps_words != shown.keeps_words:
            self._store.amend(shown.receipt, role=None, keep_span=keeps_words)
        shown.keeps_words = keeps_words
        return shown.receipt

    def _judged(self, shown: ShownNotes) -> dict[str, bool]:
        """By subject. Under the code, all may have been withdrawn in the first tab."""
        try:
            return self._store.judged_statements(shown.receipt) if shown.receipt else {}
        except FeedbackError:
            shown.receipt = None
            return {}

    def told(self, shown: ShownNotes) -> str:
        """What is stored, and for note.js which buttons are pressed."""
        judged = self._judged(shown)
        if not judged:
            return _place({}, "")
        code = code_of(shown.receipt or "")
        words = f"Stored: {count(len(judged), 'judgement')}. The code that takes back all that you have said on this page: "
        return _place(shown.pressed(judged), f"{words}<code>{text(code)}</code>", code)


def _there(shown: ShownNotes | None) -> ShownNotes:
    if shown is None:
        raise MedAlignError("there is no checked note any more; check it again")
    return shown


def _place(pressed: dict[str, str], words: str, code: str = "") -> str:
    under = f' data-under="{text(code)}"' if code else ""
    return f'<p class="receipt" role="status" data-judged="{text(json.dumps(pressed))}"{under}>{words}</p>'

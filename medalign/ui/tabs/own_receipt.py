"""Where the page keeps the code under which all is stored that its reader says, in whichever tab and of whichever result."""

from contextlib import suppress

import gradio as gr

from medalign.core.errors import FeedbackError
from medalign.feedback.store import FeedbackStore
from medalign.ui.own_code import OwnCode
from medalign.ui.views.markup import text
from medalign.ui.wiring import Changes, html


class OwnReceipt:
    """Built in the first tab; others tell it when something was stored or withdrawn."""

    def __init__(self, store: FeedbackStore):
        self.store = store
        self.state = gr.State(OwnCode())
        self.field = gr.Textbox(label="Receipt code", max_length=20, elem_id="code", scale=2, render=False)
        self._place = html(elem_id="own-code")

    @property
    def places(self) -> list[gr.components.Component]:
        return [self.field, self._place]

    def told(self, own: OwnCode) -> Changes:
        """For whoever withdraws, and for rating.js, by which it outlives a reload."""
        code = own.code or ""
        return {self.field: code, self._place: f'<span data-code="{text(code)}"></span>'}

    def restored(self, code: str | None, own: OwnCode) -> Changes:
        """By a browser that loads the page anew: what is said next goes under the same code."""
        with suppress(FeedbackError):  # the database is out of reach: the field has it all the same
            own.restore(code, self.store)
        return {self.field: code or ""}

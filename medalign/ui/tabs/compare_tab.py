"""The second tab: two models on the recording of the first, blind if wanted, and a vote."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from typing import cast

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from medalign.core.abandoned import Abandoned
from medalign.core.apart import load_apart
from medalign.core.audio import load_recording
from medalign.core.errors import MedAlignError
from medalign.core.wording import count
from medalign.feedback.records import MAX_COMMENT, Choice, ShownComparison, ShownResult, Vote
from medalign.feedback.store import FeedbackStore
from medalign.report.comparison import BlindOrder, candidates, parse_candidate, second
from medalign.report.strip import peaks_of
from medalign.ui.audit import audit
from medalign.ui.compared import Step, compared
from medalign.ui.comparison_state import ComparisonState, Entry
from medalign.ui.engine import Comparing
from medalign.ui.files import keep_waveform
from medalign.ui.model_queue import Ahead, ModelQueue, Place
from medalign.ui.own_code import OwnCode
from medalign.ui.presses import Presses
from medalign.ui.runs import Runs
from medalign.ui.session import KEEP_S, Session, present
from medalign.ui.tabs.own_receipt import OwnReceipt
from medalign.ui.tabs.own_recording import Example
from medalign.ui.views import status_view
from medalign.ui.views.compare_view import comparison_view, intro, other_sound
from medalign.ui.views.markup import text
from medalign.ui.wiring import EVERY_PRESS, OWN_QUEUE, Changes, bridge, connect, html, text_of

BUTTONS = {"left": ("a", "Left is better (a)"), "right": ("b", "Right is better (b)"), "tie": ("tie", "Tie (t)"),
           "both_bad": ("both_bad", "Neither is good (n)")}  # fmt: skip
NOT_RANKED = "It was not blind: the ranking under Results counts blind votes only; this one stands in the exported files."
OFF = '<p class="hint">Comparing is switched off on this server.</p>'


class CompareTab:
    """Built and wired inside the current tab."""

    def __init__(
        self,
        comparing: Comparing,
        queue: ModelQueue,
        session: gr.State,
        presses: Presses,
        examples: Sequence[Example],
        deleted: Callable[..., Dependency],
        receipt: OwnReceipt | None = None,
    ):
        """
        Args:
            examples: of one that the first tab shows, a reader knows the words; for a blind vote another one is taken.
            deleted: the reader pressed "Delete now".
            receipt: where votes are stored, and the code of the reader is kept; None if nothing is.
        """
        self._examples = examples
        store = self._store = None if receipt is None else receipt.store
        self._comparing, self._queue, self._presses = comparing, queue, presses
        self._runs = Runs()
        html(intro([example.title for example in examples]))
        choices = self._choices()
        self._start = gr.Button("Compare", variant="primary", elem_id="compare-go")
        with gr.Row(elem_id="compare-work"):
            with gr.Column():
                self._status, self._progress = html(elem_id="compare-status"), html(elem_id="compare-progress")
            self._cancel = gr.Button("Cancel", visible=False, elem_id="compare-cancel", size="sm", min_width=80)
        self._alert = html(elem_id="compare-alert")
        self._sound = html(elem_id="compare-sound")
        self._view = html(elem_id="comparison")
        self._comparison = gr.State(None, time_to_live=KEEP_S)
        # One code for all votes of a reader: the bootstrap must know them as one person's.
        self._receipt, self._own = receipt, gr.State(OwnCode()) if receipt is None else receipt.state
        self._votes: dict[str, gr.Button] = {}
        controls = [self._start, self._cancel, self._status, self._progress]
        out = [*controls, self._sound, self._view, self._comparison]
        if store is not None and receipt is not None:
            self._why = self._build_votes()
            connect(bridge("seen"), self._look, [self._comparison], self._votes.values(), self._alert, **EVERY_PRESS)
            out += [*self._votes.values(), self._why, self._withdraw]
            connect(self._withdraw.click, self._take_back, [self._own], [*out, *receipt.places], self._alert)
            given = [self._comparison, session, self._why, self._own]
            for name, button in self._votes.items():
                connect(button.click, self._casts(store, name), given, [*out, *receipt.places], self._alert)
        given, failed = [session, *choices], self._stopped("")
        connect(self._start.click, self._compare, given, out, self._alert, if_failed=failed, **OWN_QUEUE)
        connect(self._cancel.click, self._cancelled, [], controls, self._alert, queue=False)
        connect(deleted, self._delete, [self._own], out, self._alert, queue=False, **EVERY_PRESS)

    def _choices(self) -> list[Component]:
        """The two models, and whether their names are hidden; without votes, nothing can be blind."""
        listed = candidates(self._comparing.in_use)
        names, pair = [candidate.name for candidate in listed], (listed[0], second(listed))
        any_model, can_be_blind = self._comparing.any_model, self._store is not None
        with gr.Row(elem_id="compare-choices"):
            info = "A name, or models, several by commas: asr=base, student=FOLDER, teacher=NAME" if any_model else None
            models = [  # Gradio refuses what is not on the list, on the server
                gr.Dropdown(
                    names,
                    value=default,
                    label=label,
                    info=info,
                    min_width=220,
                    allow_custom_value=any_model,
                    elem_id=f"candidate-{i}",
                )  # fmt: skip
                for i, (label, default) in enumerate(zip(("First model", "Second model"), (c.name for c in pair), strict=True))
            ]
            return [*models, gr.Checkbox(value=can_be_blind, interactive=can_be_blind, label="Blind", elem_id="blind")]

    def _build_votes(self) -> gr.Textbox:
        with gr.Column(elem_id="votes"):
            why = gr.Textbox(label="Why (optional); sent with your vote", max_length=MAX_COMMENT, elem_id="vote-why")
            with gr.Row():
                for key, (name, label) in BUTTONS.items():
                    self._votes[key] = gr.Button(label, interactive=False, elem_id=f"vote-{name}")
            self._withdraw = gr.Button("Take back my votes", visible=False, size="sm", min_width=80, elem_id="vote-withdraw")
            return why

    def _stopped(self, words: str) -> Changes:
        cancel = gr.update(visible=False)
        return {self._start: gr.update(interactive=True), self._cancel: cancel, self._status: words, self._progress: ""}

    def _cancelled(self, request: gr.Request) -> Changes:
        last = self._stopped(status_view.CANCELLED)
        self._runs.stop(request.session_hash, last)
        return last

    def _delete(self, own: OwnCode, request: gr.Request) -> Changes:
        """What two models found in a recording goes with it; the code of a vote stays."""
        last = self._stopped("")
        if own.code is not None and own.has_voted:
            last[self._status] = _kept(own.code)
        last |= {self._sound: "", self._view: "", self._comparison: None, self._alert: "", **self._locked()}
        self._runs.stop(request.session_hash, last)
        return last

    def left(self, request: gr.Request) -> None:
        """The reader has closed the page, or loads it anew."""
        self._runs.stop(request.session_hash, {})

    def _compare(
        self, session: Session | None, a: str | None, b: str | None, hidden: bool, request: gr.Request
    ) -> Iterator[Changes]:
        """Both models on the recording, one after the other; nothing once nobody waits any more."""
        begun = {self._start: gr.update(interactive=False), self._cancel: gr.update(visible=True), self._status: "Starting."}
        emptied = dict.fromkeys((self._alert, self._sound, self._view, self._progress), "")
        if self._votes:
            begun[self._why] = gr.update(value="", interactive=True)  # a reason is of one vote
        yield {self._comparison: None, **emptied, **self._locked(), **begun}
        session = present(session)
        sides = [parse_candidate(name or "", self._comparing.in_use) for name in (a, b)]
        if sides[0] == sides[1]:
            raise MedAlignError("both models are the same; choose two different ones")
        blind = hidden is True and bool(self._votes)
        other = self._unread(session) if blind else None
        path, load = (session.path, load_apart) if other is None else (str(other.audio_path), load_recording)
        entries: list[Entry] = []
        with suppress(Abandoned), self._queue.join() as place, self._runs.begin(request.session_hash, place.leave) as run:
            recording = yield from place.decode(lambda: load(path), self._waiting)
            yield from map(self._waiting, place.wait(2 * recording.duration_s))
            steps = compared(self._comparing, sides, recording, session.custom, run)
            entries = yield from self._told(steps, place)
        if len(entries) < len(sides):
            # Gradio sends the last change once more as its own end: of a run that is not the newest it must be none.
            yield run.last or {self._alert: gr.skip()}
            return
        # Without blindness the order stays as chosen; with it, by lot.
        order = BlindOrder.draw() if blind else BlindOrder("a", 0)
        peaks = peaks_of(recording.waveform)
        comparison = ComparisonState(*entries, blind=blind, order=order, peaks=peaks, wording=session.wording)
        ready = "Look at both sides; then vote." if self._votes and not comparison.are_equal else "Finished."
        shown = {self._comparison: comparison, self._view: comparison_view(comparison), **self._stopped(ready)}
        if other is not None:
            shown[self._sound] = other_sound(other.title, keep_waveform(self._sound, recording.waveform))
        yield shown

    def _unread(self, session: Session) -> Example | None:
        """The example that comes after the one that the first tab shows; None of a recording of the reader's own."""
        if not session.is_example:
            return None
        titles = [example.title for example in self._examples]
        after = titles.index(session.title) + 1 if session.title in titles else 0
        ahead = [*self._examples[after:], *self._examples[:after]]
        return next((example for example in ahead if example.title != session.title), None)

    def _told(self, steps: Generator[Step, None, list[Entry]], place: Place) -> Generator[Changes, None, list[Entry]]:
        """The steps as changes of the page, and what they give."""
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                return end.value
            place.tell(step.remaining_s)
            bar = status_view.progress_bar(step.share, step.remaining_s)
            yield {self._status: step.words, self._progress: bar}

    def _waiting(self, ahead: Ahead) -> Changes:
        return {self._status: status_view.waiting(ahead)}

    def _locked(self) -> Changes:
        """Until both sides were looked at; none is marked as pressed."""
        return {
            button: gr.update(interactive=False, variant="secondary", value=BUTTONS[key][1])
            for key, button in self._votes.items()
        }

    def _take_back(self, own: OwnCode, request: gr.Request) -> Changes:
        """All votes under the code; they are one person's. What was rated under it stays."""
        self._presses.count(request, "withdraw")
        code = own.known(self._store) if self._store is not None else None
        if self._store is None or code is None:
            raise MedAlignError("there is no vote to take back")
        n = self._store.take_back_votes(code)
        own.has_voted = False
        own.known(self._store)
        audit(self._store, "withdraw", request)
        done = f"Taken back: {count(n, 'vote')} deleted."
        return {
            self._status: done,
            **self._told_of(own),
            self._withdraw: gr.update(visible=False),
            self._alert: "",
            **self._locked(),
        }

    def _told_of(self, own: OwnCode) -> Changes:
        return self._receipt.told(own) if self._receipt is not None else {}

    def _look(self, comparison: ComparisonState | None, event: gr.EventData) -> Changes:
        """Opens the votes or leaves them as they are: the answers to two looks may reach the page in either order."""
        if comparison is not None:
            comparison.look(text_of(event, "side", 10))
        is_ready = comparison is not None and comparison.is_ready
        return {button: gr.update(interactive=True) if is_ready else gr.skip() for button in self._votes.values()}

    def _casts(self, store: FeedbackStore, pressed: str) -> Callable:
        def handler(
            comparison: ComparisonState | None, session: Session | None, why: str | None, own: OwnCode, request: gr.Request
        ) -> Changes:
            """Store the vote with the order shown and both results' scores; then show who was who."""
            self._presses.count(request)
            if comparison is None:
                raise MedAlignError("there is nothing to vote on; compare two models first")
            choice = comparison.choice(pressed)
            if comparison.comparison_id is None:
                is_example = session is not None and session.is_example
                comparison.comparison_id = _register(store, comparison, is_example)
            vote = Vote(cast(Choice, choice), why or "")  # which checks the choice
            receipt = store.vote(comparison.comparison_id, vote, code=own.known(store)).code
            comparison.receipt = receipt
            own.opened(receipt)
            own.has_voted = True
            audit(store, "vote", request)
            told = _kept(receipt) + ("" if comparison.blind else f". {NOT_RANKED}")
            shown = {self._view: comparison_view(comparison), self._alert: "", self._status: told}
            shown |= {**self._told_of(own), self._withdraw: gr.update(visible=True), **self._locked()}
            yours = gr.update(interactive=False, variant="primary", value=f"✓ {BUTTONS[pressed][1]}")
            return {**shown, self._votes[pressed]: yours, self._why: gr.update(interactive=False)}

        return handler


def _kept(receipt: str) -> str:
    told = f"Vote stored. To take it back later, keep this code: <code>{text(receipt)}</code>"
    return f'<span data-under="{text(receipt)}">{told}</span>'  # until it is withdrawn


def _register(store: FeedbackStore, comparison: ComparisonState, is_example: bool) -> str:
    shown = {side: ShownResult.of(entry.analysis, is_example=is_example) for side, entry in comparison.entries.items()}
    ids = {side: store.register(result) for side, result in shown.items()}
    order = comparison.order
    return store.register_comparison(ShownComparison(ids["a"], ids["b"], order.left, comparison.blind, order.seed))

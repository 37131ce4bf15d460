"""The first tab: a recording in, the result with its evidence, and what a reader does with it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from medalign.feedback.store import FeedbackStore
from medalign.ui import consent
from medalign.ui.audit import audited
from medalign.ui.engine import Models
from medalign.ui.files import discard
from medalign.ui.run import Run, show
from medalign.ui.session import Session
from medalign.ui.tabs.questions import Questions
from medalign.ui.tabs.result_places import result_places
from medalign.ui.update import PageUpdate
from medalign.ui.views import status_view
from medalign.ui.wiring import EVERY_PRESS, OWN_QUEUE, QUIET, Changes, bridge, connect, html


class Example(Protocol):
    """What the page needs of an example."""

    @property
    def title(self) -> str: ...

    @property
    def summary(self) -> str: ...

    @property
    def audio_path(self) -> Path: ...

    @property
    def analysis_path(self) -> Path | None: ...  # its result, computed beforehand


@dataclass(frozen=True)
class _Inputs:
    """Where a reader says what is to be analysed, and the buttons that begin and end it."""

    examples: list[gr.Button]
    acknowledged: gr.Checkbox
    microphone: gr.Audio
    upload: gr.File
    custom: gr.Textbox
    analyse: gr.Button
    cancel: gr.Button

    @property
    def starters(self) -> list[gr.Button]:
        return [self.analyse, *self.examples]


class AnalyseTab:
    """Built and wired inside the current tab."""

    def __init__(
        self,
        models: Models,
        examples: Sequence[Example],
        session: gr.State,
        store: FeedbackStore | None,
        takes_recordings: bool,
    ):
        """
        Args:
            store: its audit log gets every analysis.
            takes_recordings: whether recordings of the reader's own are taken, or examples only.
        """
        self._models, self._store = models, store
        self._inputs = inputs = _build_inputs(examples, takes_recordings)
        self._places = places = result_places(session)
        runs = []
        if takes_recordings:
            given = [inputs.acknowledged, inputs.microphone, inputs.upload, inputs.custom]
            runs.append(self._starts(inputs.analyse, self._analyse, given))
        for button, example in zip(inputs.examples, examples, strict=True):
            runs.append(self._starts(button, self._shows(example), [inputs.custom]))
        locked = [*inputs.starters, inputs.cancel]
        progress = [places.parts["status"], places.parts["progress"]]
        ending: dict[str, Any] = {"cancels": runs, "queue": False}
        connect(inputs.cancel.click, self._cancelled, [], [*locked, *progress], places.alert, **ending)
        Questions(models, places)
        recorders: list[Component] = [inputs.microphone, inputs.upload]
        everything = [*places.all, *recorders]
        deletion = bridge("delete")
        connect(deletion, self._delete, [session, *recorders], [*everything, *locked], places.alert, **ending, **EVERY_PRESS)

    def _starts(self, button: gr.Button, handler: Callable, given: list[Component]) -> Dependency:
        """Press: lock the buttons, stream, unlock.

        What a handler raises is a sentence, and no failure; that is left to Gradio, which did not take what was sent. In 6.31
        its browser calls `then` only after what did not fail.
        """
        alert, status, cancel = self._places.alert, self._places.parts["status"], self._inputs.cancel
        locked = [*self._inputs.starters, cancel]
        stopped = [*locked, status, self._places.parts["progress"]]
        begun = connect(button.click, self._busy, [], [*locked, status], alert, queue=False)
        running = connect(begun.then, handler, given, self._places.all, alert, **OWN_QUEUE)
        connect(running.then, self._free, [], locked, alert, queue=False)
        connect(running.failure, self._not_begun, [status], stopped, alert, queue=False)
        return running

    def _busy(self) -> Changes:
        locked = {button: gr.update(interactive=False) for button in self._inputs.starters}
        begun = {self._places.parts["status"]: "Starting.", self._places.alert: ""}
        return {**locked, self._inputs.cancel: gr.update(visible=True), **begun}

    def _free(self) -> Changes:
        free = {button: gr.update(interactive=True) for button in self._inputs.starters}
        return {**free, self._inputs.cancel: gr.update(visible=False)}

    def _stopped(self, words: str) -> Changes:
        return {**self._free(), self._places.parts["status"]: words, self._places.parts["progress"]: ""}

    def _not_begun(self, status: str | None) -> Changes:
        """A run that a reader stopped fails, too; what they were told of that stays."""
        return self._stopped(status if status in (status_view.CANCELLED, status_view.DELETED) else "Not begun.")

    def _cancelled(self) -> Changes:
        return self._stopped(status_view.CANCELLED)

    def _delete(self, session: Session | None, microphone: str | None, upload: str | None) -> Changes:
        """Recording, exports and result are gone from the server and from the page; a run that is under way is stopped."""
        if session is not None:
            session.forget()
        for file in (microphone, upload):
            if file:
                discard(Path(file))
        emptied = dict.fromkeys([*self._places.all, self._inputs.microphone, self._inputs.upload])
        return {**emptied, **self._stopped(status_view.DELETED)}

    def _analyse(
        self, acknowledged: bool, microphone: str | None, upload: str | None, custom: str | None, request: gr.Request
    ) -> Iterator[Changes]:
        """The reader's own recording."""
        title = None if upload else "your recording"
        run = Run(self._models, upload or microphone, title, custom or "", acknowledged=acknowledged)
        yield from self._audited("analyze", request, run.updates())

    def _shows(self, example: Example) -> Callable:
        """Its stored result at once; with concepts of one's own it has to be listened to."""
        title = f"example, {example.title}"

        def handler(custom: str | None, request: gr.Request) -> Iterator[Changes]:
            custom = custom or ""  # an untouched textbox in a closed accordion gives None
            if example.analysis_path is None or custom.strip():
                updates = Run(self._models, str(example.audio_path), title, custom, is_example=True).updates()
            else:
                updates = show(example.audio_path, title, example.analysis_path)
            yield from self._audited("example", request, updates)

        return handler

    def _audited(self, event: str, request: gr.Request, updates: Iterator[PageUpdate]) -> Iterator[Changes]:
        for update in audited(self._store, event, request, updates):
            yield self._places.changes(update)


def _build_inputs(examples: Sequence[Example], takes_recordings: bool) -> _Inputs:
    buttons = []
    if examples:
        html(status_view.EXAMPLES)
        with gr.Row(elem_id="examples"):
            buttons = [gr.Button(f"{e.title}\n{e.summary}", elem_classes="example", min_width=200) for e in examples]
    html(status_view.OWN_RECORDING + (consent.NOTICE if takes_recordings else consent.CLOSED))
    acknowledged = gr.Checkbox(label=consent.LABEL, elem_id="consent", container=False, visible=takes_recordings)
    with gr.Row(elem_id="inputs", visible=takes_recordings):
        with gr.Column(min_width=280):
            html(status_view.RECORD)
            microphone = gr.Audio(
                sources=["microphone"], type="filepath", label="Microphone", editable=False, buttons=[],
                elem_id="microphone",
            )  # fmt: skip
        with gr.Column(min_width=280):
            html(status_view.UPLOAD)
            # Not gr.Audio: its upload refuses .mp4 and .webm before the server sees them.
            upload = gr.File(label="Recording", elem_id="upload", height=130)
    with gr.Accordion("Look for your own concepts, too", open=False, elem_id="custom-concepts"):
        custom = gr.Textbox(
            lines=3, max_length=20_000, label="One a line: a label; then other words for it",
            placeholder="dawn phenomenon; high sugar in the morning", elem_id="custom",
        )  # fmt: skip
    with gr.Row(elem_id="go"):
        analyse = gr.Button("Analyse", variant="primary", elem_id="analyse", scale=4, visible=takes_recordings)
        cancel = gr.Button("Cancel", visible=False, elem_id="cancel", scale=1)
    # One recording at a time: the newer source replaces the other.
    upload.upload(None, None, microphone, js="() => null", **QUIET)
    microphone.stop_recording(None, None, upload, js="() => null", **QUIET)
    return _Inputs(buttons, acknowledged, microphone, upload, custom, analyse, cancel)

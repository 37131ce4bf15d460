"""The first tab: a recording in, the result with its evidence, and what a reader does with it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from medalign.core.errors import MedAlignError
from medalign.core.spelling import WORDINGS, Wording
from medalign.feedback.store import FeedbackStore
from medalign.ui.audit import audited
from medalign.ui.engine import Models
from medalign.ui.files import Uploaded, discard
from medalign.ui.run import Run, finished
from medalign.ui.runs import Runs
from medalign.ui.session import Session
from medalign.ui.stored import opened, opening, show
from medalign.ui.tabs.own_recording import Example, build_inputs
from medalign.ui.tabs.questions import Questions
from medalign.ui.tabs.result_places import result_places
from medalign.ui.update import PageUpdate
from medalign.ui.views import status_view
from medalign.ui.views.concept_table import CANCELLED, CANCELLED_WITH_WORDS
from medalign.ui.wiring import EVERY_PRESS, OWN_QUEUE, Changes, bridge, connect, text_of


class AnalyseTab:
    """Built and wired inside the current tab."""

    def __init__(
        self,
        models: Models,
        examples: Sequence[Example],
        session: gr.State,
        store: FeedbackStore | None,
        takes_recordings: bool,
        deleted: Callable[..., Dependency],
    ):
        """The page opens with the first example that has a stored result.

        Args:
            store: its audit log gets every analysis.
            takes_recordings: whether recordings of the reader's own are taken, or examples only.
            deleted: the reader pressed "Delete now".
        """
        self._models, self._store, self._runs = models, store, Runs()
        first, shown = opening(examples)
        self._wording = gr.State(WORDINGS[0])
        self._inputs = inputs = build_inputs(examples, takes_recordings, are_ready=first is None)
        self.places = places = result_places(session, inputs.cancel, shown)
        self._opens_with(first)
        if takes_recordings:
            given = [inputs.acknowledged, inputs.microphone, inputs.upload, inputs.custom, self._wording]
            self._starts(inputs.analyse, self._analyse, given)
        for button, example in zip(inputs.examples, examples, strict=True):
            self._starts(button, self._shows(example), [inputs.custom, self._wording])
        Questions(models, places)
        connect(inputs.cancel.click, self._cancelled, [], self._controls, places.alert, queue=False)
        connect(
            bridge("wording"), self._reword, [session], [self._wording, *places.all], places.alert, **OWN_QUEUE, **EVERY_PRESS
        )
        recorders: list[Component] = [inputs.microphone, inputs.upload]
        everything = [*self._controls, *places.all, *recorders]
        connect(deleted, self._delete, [session, *recorders], everything, places.alert, queue=False, **EVERY_PRESS)

    def _opens_with(self, example: Example | None) -> None:
        """Each visit says which wording its browser has kept, and gets a session of its own for the result in the page.

        That result is part of the page as it is sent. It is no press: nobody has asked for anything, so the audit log has
        nothing of it. Examples can be pressed from then on, lest an answer that comes late replaced what a press has brought.
        """
        starters, places = self._inputs.examples, self.places
        ready = {button: gr.update(interactive=True) for button in starters} if example is not None else {}

        def visit(kept: str | None) -> Changes:
            wording = _wording(kept) or WORDINGS[0]
            shown = PageUpdate() if example is None else opened(example, wording)
            return {**ready, self._wording: wording, **places.changes(shown)}

        page = gr.context.Context.root_block
        kept, ask = gr.Textbox(visible=False), "() => [window.medalignWording()]"
        out = [*ready, self._wording, *places.all]
        connect(page.load, visit, [kept], out, places.alert, if_failed=ready, js=ask, **OWN_QUEUE)

    def left(self, request: gr.Request) -> None:
        """The reader has closed the page, or loads it anew: nobody waits for the result any more."""
        self._cancelled(request)

    @property
    def _controls(self) -> list[Component]:
        """What begins and ends with a run."""
        parts = self.places.parts
        return [*self._inputs.starters, self._inputs.cancel, parts["status"], parts["progress"]]

    def _starts(self, button: gr.Button, handler: Callable, given: list[Component]) -> None:
        """Press: lock the buttons, stream, unlock.

        What a handler raises is a sentence, and no failure; that is left to Gradio, which did not take what was sent. Every
        press counts: else Gradio leaves out one that comes while a stopped run is at its last step. Nothing may come after the
        figures: in a fold that is closed, Gradio's browser loses them to any later change, even to one that leaves them.
        """
        alert, controls, failed = self.places.alert, self._controls, self._stopped("")
        begun = connect(button.click, self._busy, [], controls, alert, queue=False)
        changed = [*controls, *self.places.all]
        running = connect(begun.then, handler, given, changed, alert, if_failed=failed, **OWN_QUEUE, **EVERY_PRESS)
        connect(running.failure, self._not_begun, [], controls, alert, queue=False, **EVERY_PRESS)

    def _busy(self) -> Changes:
        return {**self._locked(), self.places.parts["status"]: "Starting.", self.places.alert: ""}

    def _locked(self) -> Changes:
        locked = {button: gr.update(interactive=False) for button in self._inputs.starters}
        return {**locked, self._inputs.cancel: gr.update(visible=True)}

    def _free(self) -> Changes:
        free = {button: gr.update(interactive=True) for button in self._inputs.starters}
        return {**free, self._inputs.cancel: gr.update(visible=False)}

    def _stopped(self, words: str) -> Changes:
        return {**self._free(), self.places.parts["status"]: words, self.places.parts["progress"]: ""}

    def _not_begun(self, request: gr.Request) -> Changes:
        return {self.places.alert: gr.skip()} if self._runs.go_on(request.session_hash) else self._stopped("Not begun.")

    def _cancelled(self, request: gr.Request) -> Changes:
        last = self._stopped(status_view.CANCELLED_RUN)
        self._runs.stop(request.session_hash, last)
        return last

    def _delete(self, session: Session | None, microphone: str | None, upload: str | None, request: gr.Request) -> Changes:
        """Recording, exports and result are gone from the server and from the page; a run that is under way is stopped."""
        codes = session.codes if session is not None else []
        last: Changes = {**dict.fromkeys(self.places.all), **self._stopped(status_view.deleted(codes))}
        self._runs.stop(request.session_hash, last)
        if session is not None:
            session.forget()
        for file in (microphone, upload):
            if file:
                discard(Path(file))
        return {**last, self._inputs.microphone: None, self._inputs.upload: None}

    def _reword(self, session: Session | None, request: gr.Request, event: gr.EventData) -> Changes:
        """Labels as British or American clinicians write them, of this result and of those that follow."""
        wording = _wording(text_of(event, "to"))
        if wording is None:
            raise MedAlignError(f"the page asked for a wording that is not among {', '.join(WORDINGS)}; reload the page")
        if session is None:
            return {self._wording: wording}
        session.wording = wording  # of a run that is under way, too
        shown = PageUpdate(finished(session), session) if session.analysis else PageUpdate()
        if self._runs.go_on(request.session_hash):  # begun meanwhile: its result must not be replaced by the one before
            shown = PageUpdate()
        return {self._wording: wording, **self.places.changes(shown)}

    def _analyse(
        self,
        acknowledged: bool,
        microphone: str | None,
        upload: Uploaded | None,
        custom: str | None,
        wording: Wording,
        request: gr.Request,
    ) -> Iterator[Changes]:
        """The reader's own recording."""
        title, name = (None, upload.given_name) if upload else ("your recording", "your-recording.wav")
        run = Run(self._models, upload or microphone, title, custom or "", name, acknowledged, wording=wording)
        yield from self._audited("analyze", request, run.updates(), run.stop)

    def _shows(self, example: Example) -> Callable:
        """Its stored result at once; with concepts of one's own it has to be listened to."""

        def handler(custom: str | None, wording: Wording, request: gr.Request) -> Iterator[Changes]:
            custom = custom or ""  # an untouched textbox in a closed accordion gives None
            if example.analysis_path is None or custom.strip():
                run = Run(self._models, str(example.audio_path), example.title, custom, is_example=True, wording=wording)
                yield from self._audited("example", request, run.updates(), run.stop)
            else:
                yield from self._audited("example", request, show(example, wording), lambda: None)

        return handler

    def _audited(
        self, event: str, request: gr.Request, updates: Iterator[PageUpdate], stop: Callable[[], None]
    ) -> Iterator[Changes]:
        steps = audited(self._store, event, request, updates)
        with self._runs.begin(request.session_hash, stop) as run, closing(steps):
            yield self._locked()  # an earlier run may have just ended
            is_over = is_partial = has_words = False
            for update in steps:
                if not run.goes_on:
                    break
                is_over, is_partial = update.is_last, is_partial or update.session is not None
                has_words = has_words or bool(update.parts.get("transcript"))
                yield {**self.places.changes(update), **(self._free() if is_over else {})}
            if not is_over:
                told = CANCELLED_WITH_WORDS if has_words else CANCELLED
                unfinished = {self.places.parts["overview"]: told} if is_partial else {}
                # Gradio sends the last change once more as its own end: of a run that is not the newest it must be none.
                yield {**unfinished, **(run.last or self._free())} if run.is_newest else {self.places.alert: gr.skip()}


def _wording(name: str | None) -> Wording | None:
    return next((known for known in WORDINGS if known == name), None)

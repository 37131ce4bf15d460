"""The tab that checks a note against the recording of the first tab, and the same for programs."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NoReturn

import gradio as gr
from gradio.events import Dependency

from medalign.concepts.notes import MAX_CHARACTERS, read_note
from medalign.core.analysis import Analysis
from medalign.core.apart import load_apart
from medalign.core.assets import EXAMPLES
from medalign.core.errors import DataError, MedAlignError
from medalign.core.files import reading
from medalign.core.note_comparison import drawn_order, pair_to_dict
from medalign.feedback.store import FeedbackStore
from medalign.ui import consent
from medalign.ui.audit import audit
from medalign.ui.engine import Models
from medalign.ui.failures import Failure, caught
from medalign.ui.presses import Presses
from medalign.ui.run import Run
from medalign.ui.session import KEEP_S, Session, present
from medalign.ui.shown_notes import ShownNotes
from medalign.ui.tabs.note_feedback import NoteFeedback
from medalign.ui.tabs.own_receipt import OwnReceipt
from medalign.ui.views import note_view, status_view
from medalign.ui.wiring import EVERY_PRESS, OWN_QUEUE, QUIET, Changes, connect, html

NOTHING = "There is no note yet: paste one, choose a file, or fill in the example's."
YOURS = "The box holds a note of yours, which would be lost: empty it first."
NO_EXAMPLE = "This recording has no example note; open the example “Chest pain” or “Cough and wheeze” in the first tab."
AUDITED = "check-note"


class NoteTab:
    """Built and wired inside the current tab."""

    def __init__(
        self,
        models: Models,
        session: gr.State,
        store: FeedbackStore | None,
        presses: Presses,
        deleted: Callable[..., Dependency],
        receipt: OwnReceipt | None = None,
    ):
        """
        Args:
            deleted: the reader pressed "Delete now".
            receipt: with a store, where the code of the reader is kept.
        """
        self._models, self._store = models, store
        html(note_view.intro(can_judge=store is not None))
        self._against = html(note_view.against(None), elem_id="note-against")
        session.change(_against, session, self._against, queue=False, **QUIET)
        self._note = _box("The note", "note-text", lines=8, placeholder="PC: ...\nHPC: ...\nPMH: ...\nPlan: ...")
        with gr.Accordion("Compare with a second note of this recording", open=False, elem_id="note-second-fold"):
            second = _box("The second note", "note-second", lines=6, placeholder="From another scribe, or an earlier version")
            blind = gr.Checkbox(label="Blind: don't show which note is which until I ask", elem_id="note-blind")
        with gr.Row(elem_id="note-buttons"):
            go = gr.Button("Check", variant="primary", min_width=80, elem_id="note-go")
            self._upload = gr.UploadButton(
                "From a file", file_types=[".txt", ".md", ".json"], size="sm", min_width=80, elem_id="note-file"
            )
            right = gr.Button("Example note", size="sm", min_width=80, elem_id="note-right")
            wrong = gr.Button("Example note with errors", size="sm", min_width=80, elem_id="note-wrong")
        self._status, self._alert = html(elem_id="note-status"), html(elem_id="note-alert")
        self._shown = gr.State(None, time_to_live=KEEP_S)
        self._feedback = None if store is None or receipt is None else NoteFeedback(store, self._shown, presses, receipt)
        self._result = html(elem_id="note-result")
        out = [self._status, self._result, self._shown]
        out += [] if self._feedback is None else [self._feedback.place, self._feedback.stored]
        failed: Changes = {self._status: ""}
        given = [session, self._note, second, blind, self._shown]
        connect(go.click, self._check, given, out, self._alert, if_failed=failed, **OWN_QUEUE)
        connect(self._upload.upload, self._read, [self._upload, self._note], [self._note, self._upload], self._alert)
        for button, ending in ((right, ""), (wrong, "-with-errors")):
            connect(button.click, self._example(ending), [session, self._note], [self._note], self._alert, queue=False)
        self._boxes = self._note, second
        emptied = [*out, *self._boxes, self._against]
        connect(deleted, self._delete, [self._shown], emptied, self._alert, queue=False, **EVERY_PRESS)

    def _example(self, ending: str) -> Callable[[Session | None, str | None], Changes]:
        def handler(session: Session | None, note: str | None) -> Changes:
            path = EXAMPLES / "notes" / f"{Path(present(session).path).stem}{ending}.txt"
            if not present(session).is_example or not path.is_file():
                raise MedAlignError(NO_EXAMPLE)
            _keep_what_was_typed(note)
            return {self._note: path.read_text(encoding="utf-8"), self._alert: ""}

        return handler

    def _read(self, upload: str | None, note: str | None) -> Changes:
        """The file's text into the box, where it is seen and can be changed."""
        _keep_what_was_typed(note)
        return {self._note: read_note(text_of_file(upload))[0], self._upload: None, self._alert: ""}

    def _delete(self, shown: ShownNotes | None) -> Changes:
        """Notes and verdicts go with the recording; the code that takes judgements back stays."""
        gone: Changes = {
            **dict.fromkeys(self._boxes, ""),
            self._status: "",
            self._result: "",
            self._shown: None,
            self._alert: "",
            self._against: note_view.against(None),
        }
        if self._feedback is not None and (shown is None or shown.receipt is None):
            gone |= {self._feedback.place: gr.update(visible=False), self._feedback.stored: ""}
        return gone

    def _check(
        self, session: Session | None, note: str | None, second: str | None, blind: bool, before: ShownNotes | None,
        request: gr.Request,
    ) -> Iterator[Changes]:  # fmt: skip
        session = present(session)
        if not note or not note.strip():
            raise MedAlignError(NOTHING)
        texts = [note, *([second] if second and second.strip() else [])]
        for text in texts:
            read_note(text)  # refused before anything is waited for
        analysis = session.result
        with self._models.questions.join() as turn:
            for ahead in turn.wait(1.0):
                yield {self._status: status_view.waiting(ahead)}
            yield {self._status: note_view.CHECKING, self._alert: ""}
            engine = self._models.engine()
            encoded = session.encoded(engine.listener)
            checks = [engine.check_note(None, text, analysis=analysis, encoded=encoded) for text in texts]
        if session.is_forgotten:  # deleted meanwhile
            yield {self._status: ""}
            return
        audit(self._store, AUDITED, request, analysis=analysis)
        order = drawn_order(blind=blind and len(checks) == 2)
        in_order = tuple(checks[i] for i in order) if len(checks) == 2 else tuple(checks)
        links, files = note_view.files(self._result, in_order, order, session.peaks)
        session.own(*files)
        shown = ShownNotes.of(analysis, in_order, before, is_example=session.is_example)
        can_judge, hidden = self._feedback is not None, order if blind and len(checks) == 2 else None
        told = note_view.result(in_order, session.peaks, links, can_judge=can_judge, hidden=hidden)
        changes: Changes = {self._status: "", self._shown: shown, self._result: told}
        if self._feedback is not None:
            changes |= {self._feedback.place: gr.update(visible=True), self._feedback.stored: self._feedback.told(shown)}
        yield changes


def _against(session: Session | None) -> str:
    return note_view.against(session.title if session else None)


def _box(label: str, elem_id: str, *, lines: int, placeholder: str) -> gr.Textbox:
    return gr.Textbox(
        label=label, lines=lines, max_lines=16, max_length=MAX_CHARACTERS, elem_id=elem_id, placeholder=placeholder
    )


def _keep_what_was_typed(note: str | None) -> None:
    """Raises MedAlignError if the box holds anything but an example's note."""
    texts = {path.read_text(encoding="utf-8").strip() for path in (EXAMPLES / "notes").glob("*.txt")}
    if note and note.strip() and note.strip() not in texts:
        raise MedAlignError(YOURS)


def text_of_file(upload: str | None) -> str:
    """Raises MedAlignError if there is no file, DataError if it can't be read or is too long."""
    if not upload:
        raise MedAlignError(NOTHING)
    with reading("the file can't be read as text", error=DataError, remedy="give a text file in UTF-8"):
        data = Path(upload).read_bytes()
        if len(data) > 40 * MAX_CHARACTERS:
            raise DataError(f"the file has {len(data):,} bytes, too many for a note; give one consultation's note")
        return data.decode("utf-8-sig")


def note_api(models: Models, store: FeedbackStore | None) -> None:
    """`/check`: a recording and a note, or two, in, the JSON of `medalign check` out."""

    def check(
        audio: str | None, note: str | None, request: gr.Request, acknowledged: bool = False, second: str | None = None
    ) -> Iterator[dict]:
        """Check a note, or two, against one recording; returns the JSON of `medalign check`.

        `acknowledged`: the page's data notice. `second`: another note of the same recording; the JSON then compares both.
        """

        def answer() -> Iterator[dict]:
            if audio is None:
                raise MedAlignError("no recording given; send an audio file")
            consent.check(acknowledged)
            if not note or not note.strip():
                raise MedAlignError("no note given; send its text")
            notes = [note, *([second] if second and second.strip() else [])]
            for text in notes:
                read_note(text)  # refused before the recording is analysed
            with models.analyses.join() as place:
                recording = yield from place.decode(lambda: load_apart(audio), lambda ahead: gr.skip())
                engine = models.engine()
                for _ in place.wait(recording.duration_s):
                    yield gr.skip()
                analysis = None
                with closing(Run(models, audio).steps(engine.stream(recording))) as steps:
                    for step in steps:
                        if isinstance(step, Analysis):
                            analysis = step
                        else:
                            place.tell(step.remaining_s)
                            yield gr.skip()
                audit(store, AUDITED, request, analysis=analysis)
                encoded = engine.listener.encode(recording)
                checks = [engine.check_note(None, text, analysis=analysis, encoded=encoded) for text in notes]
                yield checks[0].to_dict() if len(checks) == 1 else pair_to_dict(checks[0], checks[1])

        def refuse(failure: Failure) -> NoReturn:
            audit(store, AUDITED, request, failure.outcome)
            raise gr.Error(failure.sentence, print_exception=False)

        yield from caught(answer, refuse)()

    source, note, acknowledged = gr.File(visible=False), gr.Textbox(visible=False), gr.Checkbox(visible=False)
    given = [source, note, acknowledged, gr.Textbox(visible=False)]
    gr.Button(visible=False).click(check, given, gr.JSON(visible=False), api_name="check", **OWN_QUEUE)

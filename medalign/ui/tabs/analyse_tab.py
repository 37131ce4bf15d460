"""The first tab: a recording in, the result with its evidence, and what a reader does with it."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

import gradio as gr

from medalign.feedback.store import FeedbackStore
from medalign.ui import consent
from medalign.ui.audit import audited
from medalign.ui.bridge import bridge
from medalign.ui.engine import Engine
from medalign.ui.run import run, show
from medalign.ui.session import Session
from medalign.ui.states import MODEL_QUEUE, PRESS, QUIET, addressed, streamed
from medalign.ui.tabs.questions import wire_questions
from medalign.ui.tabs.result_parts import result_parts
from medalign.ui.views import status_view


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


def analyse_tab(
    load_engine: Callable[[], Engine],
    examples: Sequence[Example],
    session: gr.State,
    store: FeedbackStore | None,
    takes_own: bool,
) -> None:
    """Build it inside the current tab, and wire it.

    Args:
        store: its audit log gets every analysis.
        takes_own: whether recordings of the reader's own are taken, or examples only.
    """
    acknowledged, microphone, upload, own, analyse, cancel, buttons = _inputs(examples, takes_own)
    parts, search = result_parts()
    starters = [analyse, *buttons]
    ends = partial(_wire, starters=starters, cancel=cancel, parts=parts, session=session)
    given = (load_engine, parts, session, store)
    runs = []
    if takes_own:
        runs.append(ends(analyse, streamed(_own, *given), [acknowledged, microphone, upload, own]))
    for button, example in zip(buttons, examples, strict=True):
        runs.append(ends(button, streamed(_example, *given, example), [own]))
    cancel.click(partial(_idle, starters, cancel, "Cancelled.", parts), None, [*starters, cancel, parts["status"],
                 parts["progress"]], cancels=runs, queue=False, **QUIET)  # fmt: skip
    wire_questions(load_engine, parts, search, session)
    recorders = [microphone, upload]
    everything = [*parts.values(), session, *recorders]
    bridge("delete").sent(partial(_delete, everything, partial(_idle, starters, cancel), parts), [session, *recorders],
                          [*everything, *starters, cancel], cancels=runs, queue=False, **PRESS)  # fmt: skip


def _inputs(examples: Sequence[Example], takes_own: bool):
    buttons = []
    if examples:
        gr.HTML(status_view.EXAMPLES, apply_default_css=False)
        with gr.Row(elem_id="examples"):
            buttons = [gr.Button(f"{e.title}\n{e.summary}", elem_classes="example", min_width=200) for e in examples]
    gr.HTML(status_view.OWN_RECORDING + (consent.NOTICE if takes_own else consent.CLOSED), apply_default_css=False)
    acknowledged = gr.Checkbox(label=consent.LABEL, elem_id="consent", container=False, visible=takes_own)
    with gr.Row(elem_id="inputs", visible=takes_own):
        with gr.Column(min_width=280):
            gr.HTML(status_view.RECORD, apply_default_css=False)
            microphone = gr.Audio(
                sources=["microphone"], type="filepath", label="Microphone", editable=False, buttons=[],
                elem_id="microphone",
            )  # fmt: skip
        with gr.Column(min_width=280):
            gr.HTML(status_view.UPLOAD, apply_default_css=False)
            # Not gr.Audio: its upload refuses .mp4 and .webm before the server sees them.
            upload = gr.File(label="Recording", elem_id="upload", height=130)
    with gr.Accordion("Look for your own concepts, too", open=False, elem_id="own-concepts"):
        own = gr.Textbox(
            lines=3, max_length=20_000, label="One a line: a label; then other words for it",
            placeholder="dawn phenomenon; high sugar in the morning", elem_id="own",
        )  # fmt: skip
    with gr.Row(elem_id="go"):
        analyse = gr.Button("Analyse", variant="primary", elem_id="analyse", scale=4, visible=takes_own)
        cancel = gr.Button("Cancel", visible=False, elem_id="cancel", scale=1)
    # One recording at a time: the newer source replaces the other.
    upload.upload(None, None, microphone, js="() => null", **QUIET)
    microphone.stop_recording(None, None, upload, js="() => null", **QUIET)
    return acknowledged, microphone, upload, own, analyse, cancel, buttons


def _wire(button, handler, inputs, *, starters, cancel, parts, session):
    """Press: lock the buttons, stream, unlock. The last step runs however the stream ends."""
    ends = [*starters, cancel, parts["status"], parts["alert"]]
    begun = button.click(partial(_busy, starters, cancel, parts), None, ends, queue=False, **QUIET)
    running = begun.then(handler, inputs, [*parts.values(), session], **MODEL_QUEUE, **QUIET)
    running.then(partial(_idle, starters, cancel, None, parts), None, [*starters, cancel], queue=False, **QUIET)
    return running


def _busy(starters, cancel, parts):
    waiting = "Starting; if another recording is being analysed, yours comes next."
    return {**{b: gr.update(interactive=False) for b in starters}, cancel: gr.update(visible=True),
            parts["status"]: waiting, parts["alert"]: ""}  # fmt: skip


def _idle(starters, cancel, words, parts):
    free = {**{b: gr.update(interactive=True) for b in starters}, cancel: gr.update(visible=False)}
    return free if words is None else {**free, parts["status"]: words, parts["progress"]: ""}


def _delete(everything, idle, parts, held: Session | None, *recorded: str | None):
    """Recording, exports and result are gone from the server and from the page; a run that is under way is stopped."""
    if held is not None:
        held.forget()
    for file in recorded:
        if file:
            Path(file).unlink(missing_ok=True)
    return {**dict.fromkeys(everything), **idle(status_view.DELETED, parts)}


def _own(load_engine, parts, session, store, acknowledged: bool, microphone, upload, own: str, request: gr.Request):
    """The reader's own recording."""
    path, title = upload or microphone, None if upload else "your recording"
    states = run(load_engine, path, title, own or "", acknowledged=acknowledged)
    for state in audited(store, "analyze", request, states):
        yield addressed(state, parts, session)


def _example(load_engine, parts, session, store, example: Example, own: str, request: gr.Request):
    """Its stored result at once; with concepts of one's own it has to be listened to."""
    title, own = f"example, {example.title}", own or ""  # an untouched textbox in a closed accordion gives None
    if example.analysis_path is None or own.strip():
        states = run(load_engine, str(example.audio_path), title, own, is_example=True)
    else:
        states = show(example.audio_path, title, example.analysis_path)
    for state in audited(store, "example", request, states):
        yield addressed(state, parts, session)

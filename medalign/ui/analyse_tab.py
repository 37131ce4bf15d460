"""The first tab: a recording in, the result with its evidence, and what a reader does with it."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

import gradio as gr

from medalign.editing import edit_passage, rename_speaker, with_correction
from medalign.errors import MedAlignError
from medalign.feedback.store import FeedbackStore
from medalign.figures import waiting
from medalign.passage_figures import among_others, word_support, words_over_time
from medalign.ui import alignment_view, consent, search_view, status_view, why_view
from medalign.ui.audit import audited
from medalign.ui.bridge import bridge, number_of, text_of
from medalign.ui.engine import Engine
from medalign.ui.run import finished, run, show
from medalign.ui.sitting import Sitting
from medalign.ui.states import PRESS, QUIET, Parts, addressed, guarded, streamed

MODEL_QUEUE = {"concurrency_id": "model", "concurrency_limit": 1}  # one device, one queue


class Example(Protocol):
    """What the page needs of an example."""

    title: str
    summary: str
    audio_path: Path
    analysis_path: Path | None  # its result, computed beforehand


def analyse_tab(
    load_engine: Callable[[], Engine],
    examples: Sequence[Example],
    sitting: gr.State,
    store: FeedbackStore | None,
    takes_own: bool,
) -> None:
    """Build it inside the current tab, and wire it.

    Args:
        store: its audit log gets every analysis.
        takes_own: whether recordings of the reader's own are taken, or examples only.
    """
    acknowledged, microphone, upload, own, analyse, cancel, buttons = _inputs(examples, takes_own)
    parts = _parts()
    starters = [analyse, *buttons]
    ends = partial(_wire, starters=starters, cancel=cancel, parts=parts, sitting=sitting)
    given = (load_engine, parts, sitting, store)
    runs = []
    if takes_own:
        runs.append(ends(analyse, streamed(_own, *given), [acknowledged, microphone, upload, own]))
    for button, example in zip(buttons, examples, strict=True):
        runs.append(ends(button, streamed(_example, *given, example), [own]))
    cancel.click(partial(_idle, starters, cancel, "Cancelled.", parts), None, [*starters, cancel, parts["status"],
                 parts["progress"]], cancels=runs, queue=False, **QUIET)  # fmt: skip
    _wire_questions(load_engine, parts, sitting)
    _wire_deletion(parts, sitting, microphone, upload)


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


def _parts() -> Parts:
    """The places a run writes to, by name.

    All are there from the start and style.css hides what is still empty: Gradio 6.31 now and then loses a value that
    arrives while its container becomes visible.
    """
    html = partial(gr.HTML, apply_default_css=False)
    parts: Parts = {}
    with gr.Column(elem_id="work"):
        for name in ("status", "progress", "alert"):
            parts[name] = html(elem_id=name)
    with gr.Column(elem_id="result"):
        parts["heading"] = html(elem_id="heading")
        parts["player"] = html(elem_id="player")
        parts["overview"] = html(elem_id="overview")
        parts["exports"] = html(elem_id="exports")
        with gr.Row(elem_id="findings"):
            with gr.Column(scale=10, min_width=320):
                html("<h2>What it means</h2>")
                parts["table"] = html(elem_id="concepts")
            with gr.Column(scale=5, min_width=320):
                html("<h2>What was said</h2>")
                parts["transcript"] = html(elem_id="transcript")
        with gr.Column(elem_id="figures"):
            html(alignment_view.timeline_heading())
            parts["timeline"] = gr.Plot(waiting(), show_label=False, elem_id="timeline")
            parts["timeline_notes"] = html()
            html(alignment_view.heatmap_heading())
            parts["heatmap"] = gr.Plot(show_label=False, elem_id="heatmap")
            parts["heatmap_notes"] = html()
            _search(parts)
            _why(parts)
            html(why_view.MAP_HEADING)
            parts["map"] = gr.Plot(show_label=False, elem_id="map")
            parts["map_notes"] = html()
            with gr.Accordion("Details for researchers", open=False, elem_id="details"):
                parts["details"] = html()
    return parts


def _search(parts: Parts) -> None:
    gr.HTML(search_view.HEADING, apply_default_css=False)
    with gr.Row(elem_id="search"):
        parts["phrase"] = gr.Textbox(label="Phrase", max_length=300, elem_id="phrase", scale=4)
        parts["search"] = gr.Button("Search", elem_id="search-go", scale=1)
    parts["hits"] = gr.HTML(elem_id="hits", apply_default_css=False)


def _why(parts: Parts) -> None:
    gr.HTML(why_view.HEADING, apply_default_css=False)
    parts["extremes"] = gr.HTML(elem_id="extremes", apply_default_css=False)
    parts["why"] = gr.HTML(elem_id="why", apply_default_css=False)
    with gr.Row(elem_id="why-figures"):
        for name, heading in (("words_time", "When each word is heard"), ("words_support", "For and against each word"),
                              ("others", "Among unrelated texts")):  # fmt: skip
            with gr.Column(min_width=280):
                gr.HTML(f"<h3>{heading}</h3>", apply_default_css=False)
                parts[name] = gr.Plot(show_label=False, elem_id=name.replace("_", "-"))


def _wire(button, handler, inputs, *, starters, cancel, parts, sitting):
    """Press: lock the buttons, stream, unlock. The last step runs however the stream ends."""
    ends = [*starters, cancel, parts["status"], parts["alert"]]
    begun = button.click(partial(_busy, starters, cancel, parts), None, ends, queue=False, **QUIET)
    streamed = begun.then(handler, inputs, [*parts.values(), sitting], **MODEL_QUEUE, **QUIET)
    streamed.then(partial(_idle, starters, cancel, None, parts), None, [*starters, cancel], queue=False, **QUIET)
    return streamed


def _busy(starters, cancel, parts):
    waiting = "Starting; if another recording is being analysed, yours comes next."
    return {**{b: gr.update(interactive=False) for b in starters}, cancel: gr.update(visible=True),
            parts["status"]: waiting, parts["alert"]: ""}  # fmt: skip


def _idle(starters, cancel, words, parts):
    free = {**{b: gr.update(interactive=True) for b in starters}, cancel: gr.update(visible=False)}
    return free if words is None else {**free, parts["status"]: words, parts["progress"]: ""}


def _own(load_engine, parts, sitting, store, acknowledged: bool, microphone, upload, own: str, request: gr.Request):
    """The reader's own recording."""
    path, title = upload or microphone, None if upload else "your recording"
    states = run(load_engine, path, title, own or "", acknowledged=acknowledged)
    for state in audited(store, "analyze", request, states):
        yield addressed(state, parts, sitting)


def _example(load_engine, parts, sitting, store, example: Example, own: str, request: gr.Request):
    """Its stored result at once; with concepts of one's own it has to be listened to."""
    title, own = f"example, {example.title}", own or ""  # an untouched textbox in a closed accordion gives None
    if example.analysis_path is None or own.strip():
        states = run(load_engine, str(example.audio_path), title, own, is_example=True)
    else:
        states = show(example.audio_path, title, example.analysis_path)
    for state in audited(store, "example", request, states):
        yield addressed(state, parts, sitting)


def _wire_questions(load_engine: Callable[[], Engine], parts: Parts, sitting: gr.State) -> None:
    """What a reader asks of a finished result: other words, why, where."""
    every = [*parts.values(), sitting]
    for name, handler in (("edit", _edit), ("accept", _accept)):
        bridge(name).sent(
            guarded(parts["alert"], handler, load_engine, parts, sitting), [sitting], every, **MODEL_QUEUE, **QUIET
        )
    explained = [parts[name] for name in ("why", "words_time", "words_support", "others", "alert")]
    bridge("why").sent(guarded(parts["alert"], _why_this, load_engine, parts), [sitting], explained, **MODEL_QUEUE, **PRESS)
    search = guarded(parts["alert"], _find, load_engine, parts)
    for event in (parts["search"].click, parts["phrase"].submit):
        event(search, [sitting, parts["phrase"]], [parts["hits"], parts["alert"]], **MODEL_QUEUE, **QUIET)


def _edit(load_engine, parts, state, held: Sitting | None, event: gr.EventData):
    """Other words or another speaker: concepts are read again."""
    held = _present(held)
    said = held.analysis.transcript
    index, speaker = int(number_of(event, "index")), text_of(event, "speaker")
    changed = edit_passage(said, index, text_of(event, "text"), speaker)
    if text_of(event, "everywhere") == "yes":
        changed = rename_speaker(changed, said.segments[index].speaker, speaker)
    return _reread(load_engine, parts, state, held, changed)


def _accept(load_engine, parts, state, held: Sitting | None, event: gr.EventData):
    """A suggested name is written into the transcript."""
    held = _present(held)
    index = int(number_of(event, "index"))
    if not 0 <= index < len(held.analysis.corrections):
        raise MedAlignError("this suggestion is no longer there; the list above the transcript shows what is left")
    changed = with_correction(held.analysis.transcript, held.analysis.corrections[index])
    return _reread(load_engine, parts, state, held, changed)


def _reread(load_engine, parts, state, held: Sitting, transcript):
    engine = load_engine()
    held.change(engine.reread(held.analysis, transcript, held.heard(engine.listener)))
    return addressed({**finished(held), "sitting": held, "status": "Read again with your words."}, parts, state)


def _why_this(load_engine, parts, held: Sitting | None, event: gr.EventData):
    held, engine = _present(held), load_engine()
    said = engine.explain(held.analysis.transcript, held.heard(engine.listener), int(number_of(event, "index")))
    return {parts["why"]: why_view.explanation_view(said), parts["words_time"]: words_over_time(said),
            parts["words_support"]: word_support(said), parts["others"]: among_others(said), parts["alert"]: ""}  # fmt: skip


def _find(load_engine, parts, held: Sitting | None, phrase: str):
    held, engine = _present(held), load_engine()
    hits = engine.listener.find(held.heard(engine.listener), phrase or "")
    return {parts["hits"]: search_view.hits_view(" ".join(phrase.split()), hits), parts["alert"]: ""}


def _present(held: Sitting | None) -> Sitting:
    if held is None or held.analysis is None:
        raise MedAlignError("there is no result any more; analyse the recording again")
    return held


def _wire_deletion(parts: Parts, sitting: gr.State, microphone, upload) -> None:
    everything = [*parts.values(), sitting, microphone, upload]

    def delete(held: Sitting | None, recorded: str | None, uploaded: str | None):
        """Recording, exports and result are gone from the server, and from the page."""
        if held is not None:
            held.forget()
        for file in (recorded, uploaded):
            if file:
                Path(file).unlink(missing_ok=True)
        empty = dict.fromkeys(everything)
        return {**empty, parts["status"]: "Deleted: recording, transcript and exports are gone from this server."}

    bridge("delete").sent(delete, [sitting, microphone, upload], everything, **PRESS)

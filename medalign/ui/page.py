"""The page: what stands where, and which press calls what."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

import gradio as gr

from medalign.audio import MAX_BYTES
from medalign.errors import MedAlignError
from medalign.ui import alignment_view, status_view
from medalign.ui.engine import Engine
from medalign.ui.player_view import player
from medalign.ui.run import run

HERE = Path(__file__).parent
MODEL_QUEUE = {"concurrency_id": "model", "concurrency_limit": 1}  # one device, one queue
QUIET = {"show_progress": "hidden", "api_visibility": "private"}
SCAN_S, KEEP_S = 600, 3600  # uploads vanish within KEEP_S + SCAN_S


class Example(Protocol):
    """What the page needs of `medalign.training.examples.Example`."""

    title: str
    summary: str
    audio_path: Path


def build_app(load_engine: Callable[[], Engine], examples: Sequence[Example] = ()) -> gr.Blocks:
    """The page, unlaunched. `load_engine` is called at the first analysis, not before."""
    with gr.Blocks(title="MedAlign", analytics_enabled=False, delete_cache=(SCAN_S, KEEP_S)) as page:
        gr.HTML(status_view.HEADER, apply_default_css=False)
        microphone, upload, own, analyse, cancel, example_buttons = _inputs(examples)
        parts = _parts()

        starters = [analyse, *example_buttons]
        stream = partial(_stream, load_engine, parts)
        runs = [_wire(analyse, partial(_own, stream), [microphone, upload, own], starters, cancel, parts)]
        for button, example in zip(example_buttons, examples, strict=True):
            of_example = partial(stream, str(example.audio_path), f"example, {example.title}")
            runs.append(_wire(button, of_example, [own], starters, cancel, parts))
        cancel.click(partial(_idle, starters, cancel, "Cancelled.", parts), None, [*starters, cancel, parts["status"],
                     parts["progress"]], cancels=runs, queue=False, **QUIET)  # fmt: skip
        _api(load_engine)
    return page.queue(default_concurrency_limit=2, max_size=16)


def launch_options() -> dict:
    """Everything `launch()` needs besides the address. Nothing here makes the browser ask another host."""
    script = (HERE / "player.js").read_text(encoding="utf-8")
    return {
        "run_history": False,  # Gradio would keep inputs and results in the browser's storage
        "max_file_size": MAX_BYTES,
        "footer_links": [],
        "enable_monitoring": False,
        "mcp_server": False,
        "ssr_mode": False,
        "show_error": False,  # gr.Error is shown all the same; a bug's own words stay in the log
        "theme": _theme(),
        "css": (HERE / "style.css").read_text(encoding="utf-8"),
        "head": f"<script>{script}</script>",
    }  # fmt: skip


def _theme() -> gr.themes.Base:
    """Fonts of the reader's own machine, and a primary button that passes contrast (Gradio's blue has 3.7:1)."""
    fonts = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
    theme = gr.themes.Default(primary_hue="blue", neutral_hue="slate", radius_size="sm", **fonts)
    blue, darker = "#005b96", "#00446f"
    return theme.set(
        button_primary_background_fill=blue, button_primary_background_fill_dark=blue,
        button_primary_background_fill_hover=darker, button_primary_background_fill_hover_dark=darker,
    )  # fmt: skip


def _inputs(examples: Sequence[Example]):
    gr.HTML(status_view.DATA_NOTICE, apply_default_css=False)
    with gr.Row(elem_id="inputs"):
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
        analyse = gr.Button("Analyse", variant="primary", elem_id="analyse", scale=4)
        cancel = gr.Button("Cancel", visible=False, elem_id="cancel", scale=1)
    buttons = []
    if examples:
        gr.HTML(status_view.EXAMPLES, apply_default_css=False)
        with gr.Row(elem_id="examples"):
            buttons = [gr.Button(f"{e.title}\n{e.summary}", elem_classes="example", min_width=200) for e in examples]
    # One recording at a time: the newer source replaces the other.
    upload.upload(None, None, microphone, js="() => null", **QUIET)
    microphone.stop_recording(None, None, upload, js="() => null", **QUIET)
    return microphone, upload, own, analyse, cancel, buttons


def _parts() -> dict[str, gr.components.Component]:
    """The places a run writes to, by name.

    All are there from the start and style.css hides what is still empty: Gradio 6.31 now and then loses a value that
    arrives while its container becomes visible.
    """
    html = partial(gr.HTML, apply_default_css=False)
    parts: dict[str, gr.components.Component] = {}
    with gr.Column(elem_id="work"):
        for name in ("status", "progress", "alert"):
            parts[name] = html(elem_id=name)
    with gr.Column(elem_id="result"):
        parts["heading"] = html(elem_id="heading")
        parts["player"] = html(elem_id="player")
        with gr.Row(elem_id="findings"):
            with gr.Column(scale=9, min_width=320):
                html("<h2>What it means</h2>")
                parts["table"] = html(elem_id="concepts")
            with gr.Column(scale=5, min_width=320):
                html("<h2>What was said</h2>")
                parts["transcript"] = html(elem_id="transcript")
        with gr.Column(elem_id="figures"):
            html(alignment_view.timeline_heading())
            parts["timeline"] = gr.Plot(show_label=False, elem_id="timeline")
            parts["timeline_notes"] = html()
            html(alignment_view.heatmap_heading())
            parts["heatmap"] = gr.Plot(show_label=False, elem_id="heatmap")
            parts["heatmap_notes"] = html()
            with gr.Accordion("Details for researchers", open=False, elem_id="details"):
                parts["details"] = html()
    return parts


def _wire(button, handler, inputs, starters, cancel, parts):
    """Press: lock the buttons, stream, unlock. The last step runs however the stream ends."""
    ends = [*starters, cancel, parts["status"], parts["alert"]]
    begun = button.click(partial(_busy, starters, cancel, parts), None, ends, queue=False, **QUIET)
    streamed = begun.then(handler, inputs, list(parts.values()), **MODEL_QUEUE, **QUIET)
    streamed.then(partial(_idle, starters, cancel, None, parts), None, [*starters, cancel], queue=False, **QUIET)
    return streamed


def _busy(starters, cancel, parts):
    waiting = "Starting; if another recording is being analysed, yours comes next."
    return {**{b: gr.update(interactive=False) for b in starters}, cancel: gr.update(visible=True),
            parts["status"]: waiting, parts["alert"]: ""}  # fmt: skip


def _idle(starters, cancel, words, parts):
    free = {**{b: gr.update(interactive=True) for b in starters}, cancel: gr.update(visible=False)}
    return free if words is None else {**free, parts["status"]: words, parts["progress"]: ""}


def _own(stream, microphone: str | None, upload: str | None, own: str):
    yield from stream(upload or microphone, None if upload else "your recording", own)


def _stream(load_engine, parts, path, title, own):
    """The states of a run, addressed to components."""
    for state in run(load_engine, path, title, own or ""):  # an untouched textbox in a closed accordion gives None
        if state.get("player") is not None:
            state["player"] = player(parts["player"], state["player"])
        yield {parts[name]: value for name, value in state.items()}


def _api(load_engine: Callable[[], Engine]) -> None:
    """`/analyse`: a file in, the JSON contract out. Not gr.api: that takes any path on the server."""

    def analyse(audio: str) -> dict:
        """Analyse one recording; returns the JSON of `medalign analyze`."""
        if audio is None:
            raise gr.Error("no recording given; send an audio file", print_exception=False)
        try:
            return load_engine().analyze(audio).to_dict()
        except MedAlignError as error:
            raise gr.Error(str(error), print_exception=False) from error

    source, target = gr.File(visible=False), gr.JSON(visible=False)
    gr.Button(visible=False).click(analyse, source, target, api_name="analyse", **MODEL_QUEUE)

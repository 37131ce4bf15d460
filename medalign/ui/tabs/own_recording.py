"""What a reader begins with: the examples, and the panel that takes a recording of their own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import gradio as gr

from medalign.ui import consent
from medalign.ui.files import with_given_names
from medalign.ui.views import status_view
from medalign.ui.wiring import QUIET, html


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
class Inputs:
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


def build_inputs(examples: Sequence[Example], takes_recordings: bool, are_ready: bool) -> Inputs:
    """One row of buttons, and below it the panel, which page.js opens; and where a run says how far it is, with its end.

    Args:
        are_ready: whether the examples can be pressed at once; else a later event says so.
    """
    with gr.Row(elem_id="start"):
        with gr.Row(elem_id="examples"):
            buttons = [
                gr.Button(e.title, elem_classes="example", min_width=60, size="sm", interactive=are_ready) for e in examples
            ]
        html(status_view.own(takes_recordings))
    with gr.Column(elem_id="own"):
        html(status_view.own_heading(takes_recordings))
        html(consent.NOTICE if takes_recordings else "")
        acknowledged = gr.Checkbox(label=consent.LABEL, elem_id="consent", container=False, visible=takes_recordings)
        microphone, upload = _recorders(takes_recordings)
        with gr.Accordion("Look for your own concepts, too", open=False, elem_id="custom-concepts"):
            custom = gr.Textbox(
                lines=3, max_length=20_000,
                label="One a line: a label, then other words for it, divided by ; or , (or a CSV table)",
                placeholder="dawn phenomenon; high sugar in the morning\n\nor\n\nlabel,synonyms\ndawn phenomenon,high sugar",
                elem_id="custom",
            )  # fmt: skip
        analyse = gr.Button("Analyse", variant="primary", elem_id="analyse", visible=takes_recordings)
    cancel = gr.Button("Cancel", visible=False, elem_id="cancel", size="sm", min_width=80, render=False)
    return Inputs(buttons, acknowledged, microphone, upload, custom, analyse, cancel)


def _recorders(takes_recordings: bool) -> tuple[gr.Audio, gr.File]:
    with gr.Row(elem_id="inputs", visible=takes_recordings):
        with gr.Column(min_width=280, elem_id="by-microphone"):
            html(status_view.RECORD)
            microphone = gr.Audio(
                sources=["microphone"], type="filepath", label="Microphone", editable=False, buttons=[],
                elem_id="microphone",
            )  # fmt: skip
        with gr.Column(min_width=280, elem_id="by-file"):
            html(status_view.UPLOAD)
            # Not gr.Audio: its upload refuses .mp4 and .webm before the server sees them.
            upload = with_given_names(gr.File(label="Recording", elem_id="upload", height=130))
    # One recording at a time: the newer source replaces the other.
    upload.upload(None, None, microphone, js="() => null", **QUIET)
    microphone.stop_recording(None, None, upload, js="() => null", **QUIET)
    return microphone, upload

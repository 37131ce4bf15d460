"""What the second tab opens with: one example as two models hear it, and its sound, which comes when it is first asked for."""

import gradio as gr

from medalign.core.audio import load_recording
from medalign.ui.files import keep_waveform
from medalign.ui.views.pair_view import Pair, pair_heading, pair_sound, pair_view
from medalign.ui.wiring import OWN_QUEUE, Changes, bridge, connect, html

HIDDEN = '<p id="pair-hidden" class="hint" hidden>What stood here names the models; it comes back once you have voted.</p>'


def stored_pair(pair: Pair) -> None:
    """Built and wired inside the current tab."""
    html(HIDDEN)
    with gr.Column(elem_id="pair"):
        html(pair_heading(pair))
        alert = html(elem_id="pair-alert")
        sound = html(pair_sound(), elem_id="pair-sound")
        html(pair_view(pair))

    def fetch() -> Changes:
        return {sound: pair_sound(keep_waveform(sound, load_recording(pair.audio_path).waveform)), alert: ""}

    connect(bridge("pair-sound"), fetch, [], [sound], alert, **OWN_QUEUE)

"""Where everything of a result stands, from the heading down to the details for researchers."""

import gradio as gr
from gradio.components import Component

from medalign.report.figures import waiting
from medalign.ui.update import ResultPlaces
from medalign.ui.views import alignment_view, result_view, why_view
from medalign.ui.wiring import html


def result_places(session: gr.State) -> ResultPlaces:
    """Built inside the current tab.

    All are there from the start and style.css hides what is still empty: Gradio 6.31 now and then loses a value that
    arrives while its container becomes visible.
    """
    parts: dict[str, Component] = {}
    with gr.Column(elem_id="work"):
        for name in ("status", "progress", "alert"):
            parts[name] = html(elem_id=name)
    with gr.Column(elem_id="result"):
        for name in ("heading", "player", "overview", "exports"):
            parts[name] = html(elem_id=name)
        with gr.Row(elem_id="findings"):
            with gr.Column(scale=10, min_width=320):
                html("<h2>What it means</h2>")
                parts["table"] = html(elem_id="concepts")
            with gr.Column(scale=5, min_width=320):
                html("<h2>What was said</h2>")
                parts["transcript"] = html(elem_id="transcript")
        with gr.Column(elem_id="figures"):
            html(alignment_view.TIMELINE_HEADING)
            parts["timeline"] = gr.Plot(waiting(), show_label=False, elem_id="timeline")
            parts["timeline_notes"] = html()
            html(alignment_view.HEATMAP_HEADING)
            parts["heatmap"] = gr.Plot(show_label=False, elem_id="heatmap")
            parts["heatmap_notes"] = html()
            html(result_view.SEARCH_HEADING)
            with gr.Row(elem_id="search"):
                phrase = gr.Textbox(label="Phrase", max_length=300, elem_id="phrase", scale=4)
                search = gr.Button("Search", elem_id="search-go", scale=1)
            parts["hits"] = html(elem_id="hits")
            parts |= _why()
            html(why_view.MAP_HEADING)
            parts["map"] = gr.Plot(show_label=False, elem_id="map")
            parts["map_notes"] = html()
            with gr.Accordion("Details for researchers", open=False, elem_id="details"):
                parts["details"] = html()
    return ResultPlaces(parts, phrase, search, session)


def _why() -> dict[str, Component]:
    html(why_view.HEADING)
    parts: dict[str, Component] = {name: html(elem_id=name) for name in ("extremes", "why")}
    with gr.Row(elem_id="why-figures"):
        for name, heading in (("words_time", "When each word is heard"), ("words_support", "For and against each word"),
                              ("others", "Among unrelated texts")):  # fmt: skip
            with gr.Column(min_width=280):
                html(f"<h3>{heading}</h3>")
                parts[name] = gr.Plot(show_label=False, elem_id=name.replace("_", "-"))
    return parts

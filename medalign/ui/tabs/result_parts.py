"""Where everything of a result stands, from the heading down to the details for researchers."""

from functools import partial

import gradio as gr

from medalign.report.figures import waiting
from medalign.ui.states import Parts
from medalign.ui.views import alignment_view, search_view, why_view


def result_parts() -> tuple[Parts, gr.Button]:
    """The places that a run writes to, by name, and the button that searches.

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
            search = _search(parts)
            _why(parts)
            html(why_view.MAP_HEADING)
            parts["map"] = gr.Plot(show_label=False, elem_id="map")
            parts["map_notes"] = html()
            with gr.Accordion("Details for researchers", open=False, elem_id="details"):
                parts["details"] = html()
    return parts, search


def _search(parts: Parts) -> gr.Button:
    gr.HTML(search_view.HEADING, apply_default_css=False)
    with gr.Row(elem_id="search"):
        parts["phrase"] = gr.Textbox(label="Phrase", max_length=300, elem_id="phrase", scale=4)
        button = gr.Button("Search", elem_id="search-go", scale=1)
    parts["hits"] = gr.HTML(elem_id="hits", apply_default_css=False)
    return button


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

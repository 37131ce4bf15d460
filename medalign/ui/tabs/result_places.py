"""Where everything of a result stands: the answer on the first screen, everything else folded below it."""

from collections.abc import Callable, Mapping

import gradio as gr
from gradio.components import Component

from medalign.ui.update import ResultPlaces
from medalign.ui.views import alignment_view, result_view, why_view
from medalign.ui.wiring import html

PLACES = {"table": "concepts"}  # parts whose places have another name


def result_places(session: gr.State, cancel: gr.Button, shown: Mapping[str, object]) -> ResultPlaces:
    """Built inside the current tab.

    What is above the folds is there from the start and result.css hides what is still empty: Gradio 6.31 now and then loses a
    value that arrives while its container becomes visible. What is in a closed fold is not in the document.

    Args:
        cancel: stands beside the status of a run.
        shown: parts that are filled when the page opens.
    """
    parts: dict[str, Component] = {}

    def place(name: str) -> None:
        parts[name] = html(str(shown.get(name, "")), elem_id=PLACES.get(name, name.replace("_", "-")))

    def figure(name: str) -> None:
        parts[name] = gr.Plot(shown.get(name), show_label=False, elem_id=name.replace("_", "-"))

    with gr.Row(elem_id="work"):
        with gr.Column(elem_id="told"):
            for name in ("status", "progress", "alert"):
                place(name)
        cancel.render()
    with gr.Column(elem_id="result"):
        with gr.Row(elem_id="result-head"):
            place("heading")
            phrase, search = _search()
            place("exports")
        place("hits")
        with gr.Column(elem_id="recording"):
            place("player")
            place("strip")
        html(result_view.PANES, elem_id="panes")
        with gr.Row(elem_id="findings"):
            with gr.Column(min_width=320, elem_id="meaning"):
                place("overview")
            with gr.Column(min_width=320, elem_id="words"):
                html(result_view.TRANSCRIPT_HEADING)
                place("transcript")
        with gr.Accordion("All concepts", open=False, elem_id="fold-concepts"):
            place("table")
        with gr.Accordion("Sound and words in depth", open=False, elem_id="fold-depth"):
            _depth(place, figure)
        with gr.Accordion("Numbers", open=False, elem_id="fold-numbers"):
            place("numbers")
        with gr.Accordion("For researchers", open=False, elem_id="fold-details"):
            place("details")
    return ResultPlaces(parts, phrase, search, session)


def _search() -> tuple[gr.Textbox, gr.Button]:
    with gr.Row(elem_id="search"):
        phrase = gr.Textbox(
            label="Search words and sound", placeholder="Search words and sound", max_length=300, elem_id="phrase",
            container=False, scale=4, min_width=160,
        )  # fmt: skip
        return phrase, gr.Button("Search", elem_id="search-go", scale=1, size="sm", min_width=70)


def _depth(place: Callable[[str], None], figure: Callable[[str], None]) -> None:
    for name, heading in (("timeline", alignment_view.TIMELINE_HEADING), ("heatmap", alignment_view.HEATMAP_HEADING)):
        html(heading)
        figure(name)
        place(f"{name}_notes")
    html(why_view.HEADING)
    place("why")
    with gr.Row(elem_id="why-figures"):
        for name, heading in (("words_time", "When each word is heard"), ("words_support", "For and against each word"),
                              ("others", "Among other texts")):  # fmt: skip
            with gr.Column(min_width=280):
                html(f"<h3>{heading}</h3>")
                figure(name)
    place("extremes")
    html(why_view.MAP_HEADING)
    figure("map")
    place("map_notes")

"""What all figures share: colours, points that can be pressed, a frame.

Points carry `customdata` [start_s, end_s]: the page plays that stretch on a press. Colours are Okabe-Ito's, safe for
colour-blind readers. Backgrounds are transparent and greys neutral, so that one figure serves the light and the dark page;
the page's style sheet sets the text colour.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import plotly.graph_objects as go

BLUE, VERMILION, GREEN, GREY, ORANGE = "#0072B2", "#D55E00", "#009E73", "#808080", "#E69F00"
GRID = "rgba(128,128,128,0.28)"
MAX_QUOTE = 90  # characters


class Span(Protocol):
    """Anything with a beginning and an end."""

    @property
    def start_s(self) -> float: ...

    @property
    def end_s(self) -> float: ...


def points(
    name: str, x: Sequence, y: Sequence, hovertext: Sequence[str], spans: Sequence[Span] | None = None, **style: Any
) -> go.Scatter:
    """Marks with a text each; with `spans`, those are played on a press. `style` is plotly's own."""
    if spans is not None:
        style["customdata"] = [[span.start_s, span.end_s] for span in spans]
    style.setdefault("mode", "markers")
    return go.Scatter(
        name=name, x=list(x), y=list(y), hovertext=list(hovertext), hovertemplate="%{hovertext}<extra></extra>", **style
    )


def diamonds(name: str, x: Sequence, y: Sequence, hovertext: Sequence[str], spans: Sequence[Span]) -> go.Scatter:
    """Places in the transcript, upon a heatmap: seen on bright and on dark cells."""
    marker = {"symbol": "diamond", "size": 9, "color": "white", "line": {"width": 1.5, "color": "black"}}
    return points(name, x, y, hovertext, spans, marker=marker)


def named_rows(figure: go.Figure, labels: Sequence[str]) -> None:
    """One labelled row after another from the top; all of plotly's y are row numbers."""
    figure.update_yaxes(
        tickvals=list(range(len(labels))), ticktext=list(labels), range=[len(labels) - 0.5, -0.5], showgrid=False,
        tickfont={"size": 12},
    )  # fmt: skip


def framed(figure: go.Figure, height: int, **layout: Any) -> go.Figure:
    """The frame; `height` in pixels is fixed, since a plot that opens in a hidden container otherwise gets none."""
    figure.update_xaxes(zeroline=False, gridcolor=GRID, fixedrange=True)
    figure.update_yaxes(zeroline=False, gridcolor=GRID, fixedrange=True)
    common = {
        "template": "none", "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 13},
        "showlegend": False,  # the page's text beside the figure names every mark
        "hovermode": "closest",
        "dragmode": False,  # a drag on a phone scrolls the page
        "hoverlabel": {"bgcolor": "white", "font": {"color": "black"}, "align": "left"},
    }  # fmt: skip
    return figure.update_layout(**{**common, "height": height, **layout})


def middle(span: Span) -> float:
    return (span.start_s + span.end_s) / 2


def plain(text: str) -> str:
    """Speech as plotly may show it. It reads a few tags in its text (links among them), and speech is not markup."""
    return shortened(text, MAX_QUOTE).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"

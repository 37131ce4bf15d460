"""Pictures of votes and ratings: who wins, and where clinicians agree with a model. Always with n and interval.

Colours are Okabe-Ito's, and each model has its own shape as well. Backgrounds are transparent, so that one figure serves
the light and the dark page.
"""

from collections.abc import Sequence
from html import escape
from itertools import cycle

import plotly.graph_objects as go

from medalign.core.wording import count
from medalign.feedback.agreement import ConceptAgreement, PeriodAgreement
from medalign.feedback.ranking import RankedModel
from medalign.feedback.reliability import Bin, Reliability
from medalign.report.figures import BLUE, GREY, GRID, VERMILION

COLOURS = (BLUE, VERMILION, "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
SHAPES = ("circle", "diamond", "square", "triangle-up", "cross", "x")
FRAME, ROW_HEIGHT = 110, 40
OVER_TIME_HEIGHT = 320
RELIABILITY_HEIGHT = 380
SPREAD = 0.5  # of a row, for the models in it
MAX_DATES = 6  # on the axis of time
MAX_LABEL = 34  # characters


def standings_figure(ranking: Sequence[RankedModel]) -> go.Figure:
    """Each model's win rate with its interval, the strongest on top; models without a decided vote are left out."""
    rows = [row for row in ranking if row.win_rate is not None]
    figure = go.Figure(
        go.Scatter(
            name="win rate",
            mode="markers",
            x=[100 * row.win_rate for row in rows],
            y=list(range(len(rows))),
            error_x=_intervals(rows, [row.win_rate for row in rows], BLUE),
            marker={"color": BLUE, "size": 11},
            hovertext=[_standing_words(row) for row in rows],
            hovertemplate="%{hovertext}<extra></extra>",
        )
    )
    figure.add_vline(x=50, line={"color": GREY, "width": 1, "dash": "dash"}, name="as often won as lost")
    for i, row in enumerate(rows):  # above its row, not beside: a phone has no room for both
        name = f"{_short(row.model)} (n = {row.n})"
        figure.add_annotation(x=0, y=i, text=name, xanchor="left", yanchor="bottom", yshift=6, showarrow=False)
    return _rows(figure, [""] * len(rows), "Votes won, percent", "votes")


def agreement_figure(rows: Sequence[ConceptAgreement]) -> go.Figure:
    """How often clinicians found each concept right, a row a concept and a mark a model, with intervals."""
    concepts = {row.concept_id: row.label for row in rows}  # in the order given, each once
    place = {concept_id: i for i, concept_id in enumerate(concepts)}
    models = list(dict.fromkeys(row.model for row in rows))
    figure = go.Figure()
    for k, (model, colour, shape) in enumerate(zip(models, cycle(COLOURS), cycle(SHAPES), strict=False)):
        own = [row for row in rows if row.model == model]
        shift = SPREAD * ((k + 0.5) / len(models) - 0.5)
        figure.add_trace(
            go.Scatter(
                name=f"{escape(model)} (n = {sum(row.n for row in own)})",
                mode="markers+text",
                x=[100 * row.share for row in own],
                y=[place[row.concept_id] + shift for row in own],
                text=[f"n = {row.n}" for row in own],
                textposition="top center",
                textfont={"size": 10, "color": GREY},
                error_x=_intervals(own, [row.share for row in own], colour),
                marker={"color": colour, "symbol": shape, "size": 10},
                hovertext=[_agreement_words(row) for row in own],
                hovertemplate="%{hovertext}<extra></extra>",
            )
        )
    figure = _rows(figure, [_short(label) for label in concepts.values()], "Found right, percent", "ratings")
    return figure.update_layout(showlegend=True)


def agreement_over_time_figure(rows: Sequence[PeriodAgreement]) -> go.Figure:
    """How often clinicians found each model right, period by period, with intervals."""
    figure = go.Figure()
    models = list(dict.fromkeys(row.model for row in rows))
    for model, colour, shape in zip(models, cycle(COLOURS), cycle(SHAPES), strict=False):
        own = [row for row in rows if row.model == model]
        figure.add_trace(
            go.Scatter(
                name=f"{escape(model)} (n = {sum(row.n for row in own)})",
                mode="lines+markers+text",
                x=[row.start for row in own],
                y=[100 * row.share for row in own],
                text=[f"n = {row.n}" for row in own],
                textposition="top right",
                textfont={"size": 10, "color": GREY},
                error_y=_intervals(own, [row.share for row in own], colour),
                line={"color": colour, "width": 2},
                marker={"color": colour, "symbol": shape, "size": 10},
                hovertext=[f"{_model_words(row.model)}from {row.start}: {_share_words(row)}" for row in own],
                hovertemplate="%{hovertext}<extra></extra>",
            )
        )
    starts = sorted({row.start for row in rows})
    ticks = starts[:: -(-len(starts) // MAX_DATES) or 1]
    figure.update_xaxes(title="From", type="date", tickvals=ticks, tickformat="%-d %b", gridcolor=GRID, fixedrange=True)
    figure.update_yaxes(title="Found right, percent", range=[0, 104], gridcolor=GRID, zeroline=False, fixedrange=True)
    return _framed(figure, OVER_TIME_HEIGHT, "" if rows else "ratings").update_layout(showlegend=True, margin={"l": 60})


def reliability_figure(rows: Sequence[Reliability]) -> go.Figure:
    """How often concepts were right that were given about the same probability; on the dashed line, as often as told."""
    figure = go.Figure()
    for row, colour, shape in zip(rows, cycle(COLOURS), cycle(SHAPES), strict=False):
        figure.add_trace(
            go.Scatter(
                name=f"{escape(row.condition)} (n = {row.n})",
                mode="lines+markers",
                x=[100 * b.given for b in row.bins],
                y=[100 * b.right for b in row.bins],
                error_y=_intervals(row.bins, [b.right for b in row.bins], colour),
                line={"color": colour, "width": 2},
                marker={"color": colour, "symbol": shape, "size": 9},
                hovertext=[_bin_words(row, b) for b in row.bins],
                hovertemplate="%{hovertext}<extra></extra>",
            )
        )
    figure.add_shape(type="line", x0=0, y0=0, x1=100, y1=100, line={"color": GREY, "width": 1, "dash": "dash"})
    figure.update_xaxes(title="Probability given, percent", range=[-2, 102], gridcolor=GRID, zeroline=False, fixedrange=True)
    figure.update_yaxes(title="Right, percent", range=[-2, 104], gridcolor=GRID, zeroline=False, fixedrange=True)
    lacking = "" if rows else "measurement"
    return _framed(figure, RELIABILITY_HEIGHT, lacking).update_layout(showlegend=True, margin={"l": 60})


def _intervals(rows: Sequence, middles: Sequence[float], colour: str) -> dict:
    """Error bars in percent, from each row's `low` and `high`."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [100 * (row.high - middle) for row, middle in zip(rows, middles, strict=True)],
        "arrayminus": [100 * (middle - row.low) for row, middle in zip(rows, middles, strict=True)],
        "color": colour,
        "thickness": 1.5,
        "width": 5,
    }


def _rows(figure: go.Figure, labels: list[str], title: str, what: str) -> go.Figure:
    """One labelled row after another from the top, over percent."""
    n = max(len(labels), 1)
    figure.update_xaxes(title=title, range=[-2, 102], gridcolor=GRID, zeroline=False, fixedrange=True)
    figure.update_yaxes(
        tickvals=list(range(len(labels))), ticktext=labels, range=[n - 0.4, -0.6], showgrid=False, zeroline=False,
        automargin=True, fixedrange=True,
    )  # fmt: skip
    return _framed(figure, FRAME + ROW_HEIGHT * n, "" if labels else what)


def _framed(figure: go.Figure, height: int, lacking: str) -> go.Figure:
    """The common frame; `lacking` says what there is none of yet."""
    if lacking:
        figure.add_annotation(text=f"No {lacking} yet", x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False)
    return figure.update_layout(
        template="none",
        height=height,  # fixed: a plot that opens in a hidden container otherwise gets none
        margin={"l": 16, "r": 16, "t": 36, "b": 48},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 13},
        showlegend=False,
        legend={"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"},
        hovermode="closest",
        dragmode=False,  # a drag on a phone scrolls the page
        hoverlabel={"bgcolor": "white", "font": {"color": "black"}, "align": "left"},
    )


def _standing_words(row: RankedModel) -> str:
    return (
        f"{escape(row.model)}: {count(row.wins, 'win')}, {count(row.losses, 'loss', 'losses')}, {count(row.ties, 'tie')}"
        f"{f', {row.both_bad} times both bad' if row.both_bad else ''}<br>won {_percent(row.win_rate)}, "
        f"95 % interval {_percent(row.low)} to {_percent(row.high)}, n = {row.n} "
        f"from {count(row.n_submissions, 'submission')}"
    )


def _bin_words(row: Reliability, b: Bin) -> str:
    interval = f"95 % interval {_percent(b.low)} to {_percent(b.high)}"
    given = f"{escape(row.condition)}: of {count(b.n, 'concept')} given about {_percent(b.given)}"
    return f"{given},<br>{_percent(b.right)} were right ({interval})"


def _agreement_words(row: ConceptAgreement) -> str:
    errors = ((row.n_wrong, "wrong"), (row.n_wrong_status, "with a wrong status"), (row.n_missing, "missing"))
    told = ", ".join(f"{n} {what}" for n, what in errors if n)
    severity = ", ".join(f"{n} {escape(name)}" for name, n in row.by_severity)
    return (
        f"{escape(row.label)}<br>{_model_words(row.model)}{_share_words(row)}"
        f"{f'<br>{told}' if told else ''}{f'<br>severity: {severity}' if severity else ''}"
    )


def _share_words(row: ConceptAgreement | PeriodAgreement) -> str:
    interval = f"95 % interval {_percent(row.low)} to {_percent(row.high)}"
    return f"{row.n_correct} of {row.n} found right ({_percent(row.share)}, {interval})"


def _model_words(model: str) -> str:
    return f"{escape(model)}<br>"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _short(label: str) -> str:
    """Plotly reads tags in its labels, and a label may be anybody's words."""
    return escape(label if len(label) <= MAX_LABEL else label[: MAX_LABEL - 1] + "…")

"""Figures of votes and ratings: who wins, and where clinicians agree with a model. Always with n and 95 % interval.

Each model has its own colour and its own shape. Conventions: see `medalign.report.plotting`.
"""

from collections.abc import Iterator, Sequence
from html import escape
from itertools import cycle
from typing import Any, Literal, TypeVar

import plotly.graph_objects as go

from medalign.core.wording import count
from medalign.feedback.agreement import ConceptAgreement, ModelAgreement, PeriodAgreement
from medalign.feedback.ranking import RankedModel
from medalign.feedback.reliability import Reliability
from medalign.report.plotting import BLUE, GREEN, GREY, ORANGE, VERMILION, framed, points, shortened

COLOURS = (BLUE, VERMILION, GREEN, "#CC79A7", ORANGE, "#56B4E9")
SHAPES = ("circle", "diamond", "square", "triangle-up", "cross", "x")
FRAME, ROW_HEIGHT = 110, 40
OVER_TIME_HEIGHT, RELIABILITY_HEIGHT = 320, 380
SPREAD = 0.5  # of a row, for the models in it
MAX_DATES = 6  # on the axis of time
MAX_LABEL = 34  # characters
FEWEST = 5  # votes or judgements that a figure is drawn of: of fewer, a table says all

Interval = tuple[float, float, float]  # a share and its ends, 0 to 1
Row = TypeVar("Row", bound=ModelAgreement)


def ranking_figure(ranking: Sequence[RankedModel]) -> go.Figure | None:
    """Each model's win rate with its interval, the strongest on top; models without a decided vote are left out.

    None if there is no other, or of so few votes that a picture would make more of them than they are.
    """
    decided: list[tuple[RankedModel, Interval]] = [
        (row, (row.win_rate, row.low, row.high))
        for row in ranking
        if row.win_rate is not None and row.low is not None and row.high is not None
    ]
    if sum(row.n for row, _ in decided) < 2 * FEWEST:  # each vote is one of either model
        return None
    words = [_ranked_words(row, interval) for row, interval in decided]
    intervals = [interval for _, interval in decided]
    figure = go.Figure(_marks("win rate", intervals, range(len(decided)), words, "x", {"color": BLUE}))
    figure.add_vline(x=50, line={"color": GREY, "width": 1, "dash": "dash"}, name="as often won as lost")
    for i, (row, _) in enumerate(decided):  # above its row, not beside: a phone has no room for both
        name = f"{_short(row.model)} (n = {row.n})"
        figure.add_annotation(x=0, y=i, text=name, xanchor="left", yanchor="bottom", yshift=6, showarrow=False)
    return _rows(figure, [""] * len(decided), "Votes won, percent")


def agreement_figure(rows: Sequence[ConceptAgreement]) -> go.Figure | None:
    """How often clinicians found each concept right, a row a concept and a mark a model, with intervals; None of few."""
    if sum(row.n for row in rows) < FEWEST:
        return None
    concepts = {row.concept_id: row.label for row in rows}  # in the order given, each once
    place = {concept_id: i for i, concept_id in enumerate(concepts)}
    figure, n_models = go.Figure(), len({row.model for row in rows})
    for k, (name, group, marker) in enumerate(_by_model(rows)):
        shift = SPREAD * ((k + 0.5) / n_models - 0.5)
        at, words = [place[row.concept_id] + shift for row in group], [_agreement_words(row) for row in group]
        figure.add_trace(_marks(name, _shares(group), at, words, "x", marker, **_counts(group, "top center")))
    figure = _rows(figure, [_short(label) for label in concepts.values()], "Found right, percent")
    return figure.update_layout(showlegend=True)


def agreement_over_time_figure(rows: Sequence[PeriodAgreement]) -> go.Figure | None:
    """How often clinicians found each model right, period by period, with intervals; None without two."""
    if len({row.start for row in rows}) < 2:
        return None
    figure = go.Figure()
    for name, group, marker in _by_model(rows):
        words = [f"{escape(row.model)}<br>from {row.start}: {_share_words(row)}" for row in group]
        style = {**_counts(group, "top right", "lines+"), "line": {"color": marker["color"], "width": 2}}
        figure.add_trace(_marks(name, _shares(group), [row.start for row in group], words, "y", marker, **style))
    starts = sorted({row.start for row in rows})
    figure.update_xaxes(title="From", type="date", tickvals=starts[:: -(-len(starts) // MAX_DATES)], tickformat="%-d %b")
    return _over_percent(figure, OVER_TIME_HEIGHT, "Found right, percent")


def reliability_figure(rows: Sequence[Reliability]) -> go.Figure:
    """How often concepts were right that were given about the same probability; on the dashed line, as often as given."""
    figure = go.Figure()
    for row, colour, shape in zip(rows, cycle(COLOURS), cycle(SHAPES), strict=False):
        condition = escape(row.condition)
        intervals = [(b.right, b.low, b.high) for b in row.bins]
        words = [
            f"{condition}: of {count(b.n, 'concept')} given about {_percent(b.given)},<br>"
            f"{_percent(b.right)} were right ({_interval_words(b.low, b.high)})"
            for b in row.bins
        ]
        marker, at = {"color": colour, "symbol": shape}, [100 * b.given for b in row.bins]
        style = {"mode": "lines+markers", "line": {"color": colour, "width": 2}}
        figure.add_trace(_marks(f"{condition} (n = {row.n})", intervals, at, words, "y", marker, **style))
    figure.add_shape(type="line", x0=0, y0=0, x1=100, y1=100, line={"color": GREY, "width": 1, "dash": "dash"})
    figure.update_xaxes(title="Probability given, percent", range=[-2, 102])
    return _over_percent(figure, RELIABILITY_HEIGHT, "Right, percent")


def _marks(
    name: str,
    intervals: Sequence[Interval],
    at: Sequence,
    words: Sequence[str],
    axis: Literal["x", "y"],
    marker: dict[str, str],
    **style: Any,
) -> go.Scatter:
    """Shares along one axis in percent, with error bars; `at` is where they stand on the other."""
    percents = [100 * share for share, _, _ in intervals]
    style[f"error_{axis}"] = {
        "type": "data", "symmetric": False, "color": marker["color"], "thickness": 1.5, "width": 5,
        "array": [100 * (high - share) for share, _, high in intervals],
        "arrayminus": [100 * (share - low) for share, low, _ in intervals],
    }  # fmt: skip
    x, y = (percents, at) if axis == "x" else (at, percents)
    return points(name, x, y, words, marker={"size": 10, **marker}, **style)


def _by_model(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row], dict[str, str]]]:
    """Name with n, rows and look of each model, in the order given."""
    models = dict.fromkeys(row.model for row in rows)
    for model, colour, shape in zip(models, cycle(COLOURS), cycle(SHAPES), strict=False):
        group = [row for row in rows if row.model == model]
        yield f"{escape(model)} (n = {sum(row.n for row in group)})", group, {"color": colour, "symbol": shape}


def _shares(rows: Sequence[ModelAgreement]) -> list[Interval]:
    return [(row.share, row.low, row.high) for row in rows]


def _counts(rows: Sequence[ModelAgreement], position: str, mode: str = "") -> dict:
    """The n of each mark, written beside it."""
    text = [f"n = {row.n}" for row in rows]
    return {"mode": f"{mode}markers+text", "text": text, "textposition": position, "textfont": {"size": 10, "color": GREY}}


def _rows(figure: go.Figure, labels: list[str], title: str) -> go.Figure:
    """One labelled row after another from the top, over percent."""
    n = len(labels)
    figure.update_xaxes(title=title, range=[-2, 102])
    figure.update_yaxes(
        tickvals=list(range(len(labels))), ticktext=labels, range=[n - 0.4, -0.6], showgrid=False, automargin=True
    )
    return _study(figure, FRAME + ROW_HEIGHT * n)


def _over_percent(figure: go.Figure, height: int, title: str) -> go.Figure:
    figure.update_yaxes(title=title, range=[-2, 104])
    return _study(figure, height).update_layout(showlegend=True, margin={"l": 60})


def _study(figure: go.Figure, height: int) -> go.Figure:
    """The common frame."""
    legend = {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"}
    return framed(figure, height, margin={"l": 16, "r": 16, "t": 36, "b": 48}, legend=legend)


def _ranked_words(row: RankedModel, interval: Interval) -> str:
    share, low, high = interval
    return (
        f"{escape(row.model)}: {count(row.wins, 'win')}, {count(row.losses, 'loss', 'losses')}, {count(row.ties, 'tie')}"
        f"{f', {row.both_bad} times both bad' if row.both_bad else ''}<br>won {_percent(share)}, "
        f"{_interval_words(low, high)}, n = {row.n} from {count(row.n_submissions, 'submission')}"
    )


def _agreement_words(row: ConceptAgreement) -> str:
    errors = ((row.n_wrong, "wrong"), (row.n_wrong_status, "with a wrong status"), (row.n_missing, "missing"))
    found = ", ".join(f"{n} {what}" for n, what in errors if n)
    severity = ", ".join(f"{n} {escape(name)}" for name, n in row.by_severity)
    lines = [escape(row.label), escape(row.model) + "<br>" + _share_words(row), found, severity and f"severity: {severity}"]
    return "<br>".join(line for line in lines if line)


def _share_words(row: ModelAgreement) -> str:
    return f"{row.n_correct} of {row.n} found right ({_percent(row.share)}, {_interval_words(row.low, row.high)})"


def _interval_words(low: float, high: float) -> str:
    return f"95 % interval {_percent(low)} to {_percent(high)}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _short(label: str) -> str:
    """Plotly reads tags in its labels, and a label may be anybody's words."""
    return escape(shortened(label, MAX_LABEL))

"""Figures of single segments: when each word is heard, what each word does to the score, the place among other texts, and
the map of all segments in the shared space. Conventions: see `medalign.report.plotting`.
"""

import numpy as np
import plotly.graph_objects as go

from medalign.core.analysis import Analysis
from medalign.core.explanation import Explanation
from medalign.core.wording import clock, clock_range
from medalign.report.plotting import BLUE, GREY, GRID, ORANGE, VERMILION, diamonds, framed, middle, named_rows, plain, points

ROW_HEIGHT, FRAME = 22, 90
MAP_HEIGHT, HISTOGRAM_HEIGHT = 420, 240
MARGIN = {"l": 110, "r": 16, "t": 16, "b": 48}
N_BINS = 30


def words_over_time(explanation: Explanation) -> go.Figure | None:
    """A row a word, a column a piece of the sound: the brighter, the better both fit; ◆ where the transcript puts it.

    None without words.
    """
    if not explanation.words:
        return None
    words, slices_s = [support.word for support in explanation.words], explanation.slices_s
    rows, labels = list(range(len(words))), [plain(word.text) for word in words]
    heat = go.Heatmap(
        name="fit",
        x=[(start_s + end_s) / 2 for start_s, end_s in slices_s],
        y=rows,
        z=explanation.word_scores,
        colorscale="Cividis",
        showscale=False,
        ygap=1,
        customdata=[[list(s) for s in slices_s] for _ in rows],
        hovertext=[[f"“{label}” against {clock_range(*s)}" for s in slices_s] for label in labels],
        hovertemplate="%{hovertext}<extra></extra>",
    )
    written = [f"“{label}”, written at {clock(word.start_s)}" for label, word in zip(labels, words, strict=True)]
    figure = go.Figure([heat, diamonds("where the transcript puts it", [middle(w) for w in words], rows, written, words)])
    start_s, end_s = explanation.start_s, max(explanation.end_s, slices_s[-1][1])
    ticks = sorted({round(float(t), 1) for t in np.linspace(start_s, end_s, 5)})
    figure.update_xaxes(title="Seconds of the recording", range=[start_s, end_s], tickvals=ticks)
    return _in_rows(figure, labels)


def word_support(explanation: Explanation) -> go.Figure | None:
    """Bars to the right: the sound speaks for the word; to the left, striped: against it. None without words."""
    words = explanation.words
    if not words:
        return None
    values, labels = [w.support for w in words], [plain(w.word.text) for w in words]
    bars = go.Bar(
        orientation="h",
        x=values,
        y=list(range(len(words))),
        marker={
            "color": [BLUE if v >= 0 else VERMILION for v in values],
            "pattern": {"shape": ["" if v >= 0 else "/" for v in values]},
        },
        customdata=[[w.word.start_s, w.word.end_s] for w in words],
        hovertext=[
            f"“{label}”: the sound speaks {'for' if v >= 0 else 'against'} it" for label, v in zip(labels, values, strict=True)
        ],
        hovertemplate="%{hovertext}<extra></extra>",
    )
    widest = max(0.02, *(abs(v) for v in values)) * 1.15
    figure = _in_rows(go.Figure(bars), labels)
    return figure.update_xaxes(
        title="against  ←   →  for", range=[-widest, widest], showticklabels=False, zeroline=True, zerolinecolor=GREY
    )


def among_others(explanation: Explanation) -> go.Figure:
    """How well the segment's sound fits a thousand unrelated texts (bars), and its own words (line)."""
    counts, edges = np.histogram(explanation.other_scores, bins=N_BINS)
    middles = (edges[:-1] + edges[1:]) / 2
    bars = go.Bar(
        x=middles.tolist(),
        y=counts.tolist(),
        width=float(edges[1] - edges[0]) * 0.9,
        marker={"color": GREY},
        hovertemplate="%{y} other texts<extra></extra>",
    )
    figure = go.Figure(bars)
    figure.add_vline(x=explanation.score, line={"color": VERMILION, "width": 3})
    is_right = explanation.score > middles[len(middles) // 2]
    figure.add_annotation(
        x=explanation.score, y=1.0, yref="paper", text="these words", showarrow=False,
        xanchor="right" if is_right else "left", xshift=-6 if is_right else 6, font={"size": 12, "color": GREY},
    )  # fmt: skip
    low, high = min(edges[0], explanation.score), max(edges[-1], explanation.score)
    pad = (high - low) * 0.05
    figure.update_xaxes(title="fits worse  ←   →  fits better", range=[low - pad, high + pad], showticklabels=False)
    figure.update_yaxes(title="Other texts")
    return framed(figure, HISTOGRAM_HEIGHT, margin=MARGIN)


def shared_space(analysis: Analysis) -> go.Figure | None:
    """Every segment twice: ● where the teacher puts its words, ◇ where the student puts its sound, joined by a line.

    None if there are too few for a map.
    """
    pairs = analysis.alignment.points
    if not pairs:
        return None
    texts = [segment.text for segment in analysis.transcript.segments]
    lines_x, lines_y = ([v for p in pairs for v in (p.text[axis], p.audio[axis], None)] for axis in (0, 1))
    figure = go.Figure(
        go.Scatter(x=lines_x, y=lines_y, mode="lines", line={"color": GRID, "width": 1.5}, hoverinfo="skip", name="pairs")
    )
    for name, symbol, color, places in (
        ("words", "circle", BLUE, [p.text for p in pairs]),
        ("sound", "diamond-open", ORANGE, [p.audio for p in pairs]),
    ):
        hovertext = [f"{name}, {clock(p.start_s)}: “{plain(t)}”" for p, t in zip(pairs, texts, strict=False)]
        marker = {"symbol": symbol, "size": 9, "color": color, "line": {"width": 2, "color": color}}
        figure.add_trace(points(name, [x for x, _ in places], [y for _, y in places], hovertext, pairs, marker=marker))
    figure.update_xaxes(showticklabels=False)
    figure.update_yaxes(showticklabels=False, scaleanchor="x")
    legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom"}
    return framed(figure, MAP_HEIGHT, margin={"l": 8, "r": 8, "t": 30, "b": 8}, showlegend=True, legend=legend)


def _in_rows(figure: go.Figure, labels: list[str]) -> go.Figure:
    named_rows(figure, labels)
    return framed(figure, FRAME + ROW_HEIGHT * max(len(labels), 2), margin=MARGIN)

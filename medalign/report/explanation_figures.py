"""Pictures of single passages: when each word is heard, what each word does to the score, the place among other texts,
and the map of all passages in the shared space. Same conventions as `medalign.report.figures`.
"""

import numpy as np
import plotly.graph_objects as go

from medalign.core.analysis import Analysis, Explanation
from medalign.core.wording import clock, clock_range
from medalign.report.figures import BLUE, GREY, GRID, VERMILION, plain

ORANGE = "#E69F00"
ROW_HEIGHT, FRAME = 22, 90
MAP_HEIGHT = 420
N_BINS = 30


def words_over_time(explanation: Explanation) -> go.Figure:
    """A row a word, a column a piece of the sound: the brighter, the better both fit; ◆ where the transcript puts it."""
    words = [support.word for support in explanation.words]
    rows = list(range(len(words)))
    labels = [plain(word.text) for word in words]
    middles = [(a + b) / 2 for a, b in explanation.slices_s]
    figure = go.Figure()
    figure.add_trace(
        go.Heatmap(
            name="fit",
            x=middles,
            y=rows,
            z=explanation.heard,
            colorscale="Cividis",
            showscale=False,
            ygap=1,
            customdata=[[list(s) for s in explanation.slices_s] for _ in rows],
            hovertext=[[f"“{label}” against {clock_range(*s)}" for s in explanation.slices_s] for label in labels],
            hovertemplate="%{hovertext}<extra></extra>",
        )  # fmt: skip
    )
    figure.add_trace(
        go.Scatter(
            name="where the transcript puts it",
            mode="markers",
            x=[(w.start_s + w.end_s) / 2 for w in words],
            y=rows,
            marker={"symbol": "diamond", "size": 8, "color": "white", "line": {"width": 1.5, "color": "black"}},
            customdata=[[w.start_s, w.end_s] for w in words],
            hovertext=[f"“{label}”, written at {clock(w.start_s)}" for label, w in zip(labels, words, strict=True)],
            hovertemplate="%{hovertext}<extra></extra>",
        )  # fmt: skip
    )
    start_s, end_s = explanation.start_s, max(explanation.end_s, explanation.slices_s[-1][1])
    ticks = sorted({round(float(t), 1) for t in np.linspace(start_s, end_s, 5)})
    figure.update_xaxes(title="Seconds of the recording", range=[start_s, end_s], tickvals=ticks, fixedrange=True)
    figure.update_yaxes(
        tickvals=rows, ticktext=labels, range=[len(words) - 0.5, -0.5], showgrid=False, fixedrange=True, tickfont={"size": 12}
    )
    return _framed(figure, FRAME + ROW_HEIGHT * max(len(words), 2))


def word_support(explanation: Explanation) -> go.Figure:
    """Bars to the right: the sound speaks for the word; to the left, striped: against it."""
    words = explanation.words
    values = [w.support for w in words]
    figure = go.Figure(
        go.Bar(
            orientation="h",
            x=values,
            y=list(range(len(words))),
            marker={
                "color": [BLUE if v >= 0 else VERMILION for v in values],
                "pattern": {"shape": ["" if v >= 0 else "/" for v in values]},
            },
            customdata=[[w.word.start_s, w.word.end_s] for w in words],
            hovertext=[f"“{plain(w.word.text)}”: the sound speaks {'for' if w.support >= 0 else 'against'} it" for w in words],
            hovertemplate="%{hovertext}<extra></extra>",
        )  # fmt: skip
    )
    widest = max([abs(v) for v in values] + [0.02]) * 1.15
    figure.update_xaxes(
        title="against  ←   →  for", range=[-widest, widest], showticklabels=False, zeroline=True,
        zerolinecolor=GREY, gridcolor=GRID, fixedrange=True,
    )  # fmt: skip
    figure.update_yaxes(
        tickvals=list(range(len(words))), ticktext=[plain(w.word.text) for w in words], range=[len(words) - 0.5, -0.5],
        showgrid=False, fixedrange=True, tickfont={"size": 12},
    )  # fmt: skip
    return _framed(figure, FRAME + ROW_HEIGHT * max(len(words), 2))


def among_others(explanation: Explanation) -> go.Figure:
    """How well the passage's sound fits a thousand unrelated texts (bars), and its own words (line)."""
    counts, edges = np.histogram(explanation.other_scores, bins=N_BINS)
    middles = (edges[:-1] + edges[1:]) / 2
    figure = go.Figure(
        go.Bar(
            x=middles.tolist(),
            y=counts.tolist(),
            width=float(edges[1] - edges[0]) * 0.9,
            marker={"color": GREY},
            hovertemplate="%{y} unrelated texts<extra></extra>",
        )  # fmt: skip
    )
    figure.add_vline(x=explanation.score, line={"color": VERMILION, "width": 3})
    right = explanation.score > middles[len(middles) // 2]
    figure.add_annotation(
        x=explanation.score, y=1.0, yref="paper", text="these words", showarrow=False, xanchor="right" if right else "left",
        xshift=-6 if right else 6, font={"size": 12, "color": GREY},
    )  # fmt: skip
    low, high = min(edges[0], explanation.score), max(edges[-1], explanation.score)
    pad = (high - low) * 0.05
    figure.update_xaxes(
        title="fits worse  ←   →  fits better", range=[low - pad, high + pad], showticklabels=False, fixedrange=True
    )
    figure.update_yaxes(title="Unrelated texts", gridcolor=GRID, fixedrange=True)
    return _framed(figure, 240)


def shared_space(analysis: Analysis) -> go.Figure:
    """Every passage twice: ● where the teacher puts its words, ◇ where the student puts its sound, joined by a line."""
    points = analysis.alignment.points
    texts = [segment.text for segment in analysis.transcript.segments]
    lines_x, lines_y = [], []
    for point in points:
        lines_x += [point.text[0], point.audio[0], None]
        lines_y += [point.text[1], point.audio[1], None]
    figure = go.Figure(
        go.Scatter(x=lines_x, y=lines_y, mode="lines", line={"color": GRID, "width": 1.5}, hoverinfo="skip", name="pairs")
    )
    for name, symbol, color, side in (
        ("words (teacher)", "circle", BLUE, "text"),
        ("sound (student)", "diamond-open", ORANGE, "audio"),
    ):
        xy = [getattr(point, side) for point in points]
        figure.add_trace(
            go.Scatter(
                name=name,
                mode="markers",
                x=[p[0] for p in xy],
                y=[p[1] for p in xy],
                marker={"symbol": symbol, "size": 9, "color": color, "line": {"width": 2, "color": color}},
                customdata=[[p.start_s, p.end_s] for p in points],
                hovertext=[f"{name}, {clock(p.start_s)}: “{plain(t)}”" for p, t in zip(points, texts, strict=False)],
                hovertemplate="%{hovertext}<extra></extra>",
            )  # fmt: skip
        )
    for axis in (figure.update_xaxes, figure.update_yaxes):
        axis(showticklabels=False, zeroline=False, gridcolor=GRID, fixedrange=True)
    figure.update_yaxes(scaleanchor="x")
    _framed(figure, MAP_HEIGHT)
    return figure.update_layout(
        margin={"l": 8, "r": 8, "t": 30, "b": 8}, showlegend=True, legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"}
    )


def _framed(figure: go.Figure, height: int) -> go.Figure:
    return figure.update_layout(
        template="none", height=height, margin={"l": 110, "r": 16, "t": 16, "b": 48}, paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)", font={"family": "system-ui, sans-serif", "size": 13}, showlegend=False,
        hovermode="closest", dragmode=False, hoverlabel={"bgcolor": "white", "font": {"color": "black"}, "align": "left"},
    )  # fmt: skip

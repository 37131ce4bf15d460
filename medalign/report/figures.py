"""Pictures of an analysis.

Both figures share one time axis, in the player's seconds, with the same margins, so that a moment lies at the same
place in both. Points carry `customdata` [start_s, end_s], cells have theirs in `layout.meta`: the page plays that
stretch on a click. Colours are Okabe-Ito's and cividis, safe for colour-blind readers; an alarm also has its own shape.
Backgrounds are transparent and greys neutral, so that one figure serves the light and the dark page; the page's style
sheet sets the text colour.
"""

import math

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from medalign.core.analysis import Alignment, Analysis, ConceptFinding, SoundEvent
from medalign.core.wording import RAREST_PERCENT, clock, clock_range, fit, likelihood, tenths

BLUE, VERMILION, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#808080"
GRID = "rgba(128,128,128,0.28)"
BAND = "rgba(128,128,128,0.16)"
ALARM_ZONE = "rgba(213,94,0,0.14)"
TICK_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800)
MAX_TICKS = 7  # as many as fit a phone
TIMELINE_HEIGHT = 330
MARGIN = {"l": 130, "r": 16, "t": 44, "b": 48}  # the same for both, so that their seconds line up
ROW_HEIGHT, HEATMAP_FRAME = 30, 120
MAX_LABEL = 17  # characters; the page's tables hold the full names
MAX_SEPARATED = 120  # columns
# The timeline's scale is the share of unrelated texts that fit better, in percent, logarithmic, good at the top.
# Matching words crowd at percentile 99.9; a linear axis would draw everything at its upper edge.
BEST, WORST, NO_WORDS = RAREST_PERCENT / 2, 100.0, 220.0  # no words: below the scale, since they have no percentile
SIGNS = 520.0  # below that, what is heard and not said
SIGN_SYMBOLS = {"cough": "circle", "sneeze": "star", "heavy breathing": "square", "crying": "hexagram"}
UNRELATED_FROM = 10.0  # their percentiles are uniform, so 9 in 10 unrelated texts lie between here and the bottom


def alignment_timeline(analysis: Analysis) -> go.Figure:
    """How well the sound fits the transcript under it, window by window, against unrelated texts.

    Trace by trace: the fit, the alarms, the windows without words, the sound events in a lane of their own. The grey band
    is the reference distribution.
    """
    alignment = analysis.alignment
    figure = go.Figure()
    figure.add_trace(_fit_line(alignment))
    figure.add_trace(_alarms(alignment))
    figure.add_trace(_windows_without_words(alignment))
    figure.add_trace(_sound_events(analysis.sound_events))
    threshold = _rivals_percent(alignment.alarm_below_percentile)
    figure.add_hrect(y0=UNRELATED_FROM, y1=WORST, fillcolor=BAND, line_width=0, layer="below", name="9 in 10 unrelated texts")
    figure.add_hrect(y0=threshold, y1=WORST, fillcolor=ALARM_ZONE, line_width=0, layer="below", name="alarm zone")
    figure.add_hline(y=threshold, line={"color": VERMILION, "width": 1, "dash": "dash"}, name="alarm threshold")
    for percent, text in ((threshold * 1.3, "alarm below this line"), (30, "9 in 10 unrelated texts lie here")):
        figure.add_annotation(
            x=0.995, xref="paper", y=math.log10(percent), text=text, showarrow=False, xanchor="right", yanchor="top",
            font={"size": 11, "color": GREY},
        )  # fmt: skip
    figure.add_annotation(  # a rotated axis title would cost a phone a sixth of its width
        text="Unrelated texts that would fit better", showarrow=False, font={"size": 12, "color": GREY},
        x=0, xref="paper", xshift=8 - MARGIN["l"], xanchor="left", y=1.06, yref="paper", yanchor="bottom",
    )  # fmt: skip
    figure.update_yaxes(
        type="log", range=[math.log10(SIGNS * 1.6), math.log10(BEST / 1.5)], tickvals=[SIGNS, 100, 10, 1, 0.1],
        ticktext=["heard, not said", "all", "1 in 10", "1 in 100", "1 in 1000"],
    )  # fmt: skip
    return _framed(figure, analysis.recording.duration_s, TIMELINE_HEIGHT)


def concept_heatmap(analysis: Analysis) -> go.Figure:
    """When the student hears each concept: a row a concept, a column a window, with the teacher's evidence on top."""
    alignment, duration_s = analysis.alignment, analysis.recording.duration_s
    figure = go.Figure()
    if alignment.tracks and alignment.windows:
        figure.add_trace(_heat(alignment, duration_s))
    figure.add_trace(_read_in_text(analysis.concepts))
    labels = [_short(track.label) for track in alignment.tracks]
    figure.update_yaxes(
        tickvals=list(range(len(labels))),
        ticktext=labels,
        range=[len(labels) - 0.5, -0.5],
        showgrid=False,
        title=None,
        tickfont={"size": 12},
    )
    figure.update_layout(meta={"windows": [[w.start_s, w.end_s] for w in alignment.windows]})  # a press on a column plays it
    return _framed(figure, duration_s, HEATMAP_FRAME + ROW_HEIGHT * max(len(labels), 2))


def waiting() -> go.Figure:
    """An empty frame: a page that shows it has loaded its drawing library before the first result comes."""
    return _framed(go.Figure(), 60.0, TIMELINE_HEIGHT)


def _fit_line(alignment: Alignment) -> go.Scatter:
    windows = alignment.windows
    return go.Scatter(
        name="sound against words",
        mode="lines+markers",
        x=[_middle(w) for w in windows],
        y=[_rivals_percent(w.percentile) for w in windows],
        connectgaps=False,  # a window without words has no value, and none is invented
        line={"color": BLUE, "width": 2},
        marker={"size": 6},
        customdata=[[w.start_s, w.end_s] for w in windows],
        hovertext=[_window_words(w) for w in windows],
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _alarms(alignment: Alignment) -> go.Scatter:
    """Words that don't fit the sound; below the scale, speech for which no words were written."""
    alarms = [w for w in alignment.windows if w.alarm]
    return go.Scatter(
        name="listen again",
        mode="markers",
        x=[_middle(w) for w in alarms],
        y=[_rivals_percent(w.percentile) or NO_WORDS for w in alarms],
        marker={"symbol": "triangle-down", "size": 15, "color": VERMILION, "line": {"width": 1.5, "color": "white"}},
        customdata=[[w.start_s, w.end_s] for w in alarms],
        hovertext=["Listen again. " + _window_words(w) for w in alarms],
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _windows_without_words(alignment: Alignment) -> go.Scatter:
    silent = [w for w in alignment.windows if w.percentile is None and not w.alarm]
    return go.Scatter(
        name="no words here",
        mode="markers",
        x=[_middle(w) for w in silent],
        y=[NO_WORDS] * len(silent),
        marker={"symbol": "line-ew-open", "size": 9, "color": GREY, "line": {"width": 2}},
        customdata=[[w.start_s, w.end_s] for w in silent],
        hovertext=[_window_words(w) for w in silent],
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _sound_events(signs: tuple[SoundEvent, ...]) -> go.Scatter:
    """Coughs and the like, each with its own shape and its name beside it."""
    return go.Scatter(
        name="heard, not said",
        mode="markers+text",
        x=[_middle(sign) for sign in signs],
        y=[SIGNS] * len(signs),
        text=[sign.label for sign in signs],
        textposition="middle right",
        textfont={"size": 11, "color": GREY},
        marker={
            "symbol": [SIGN_SYMBOLS.get(sign.label, "diamond") for sign in signs],
            "size": 11,
            "color": GREEN,
            "line": {"width": 1, "color": "white"},
        },
        customdata=[[sign.start_s, sign.end_s] for sign in signs],
        hovertext=[f"{sign.label.capitalize()}, {clock(sign.start_s)}: {likelihood(sign.probability)}" for sign in signs],
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _rivals_percent(percentile: float | None) -> float | None:
    """Share of unrelated texts that fit better, held on the scale."""
    return None if percentile is None else max(100 - percentile, BEST)


def _heat(alignment: Alignment, duration_s: float) -> go.Heatmap:
    windows = alignment.windows
    return go.Heatmap(
        name="heard in the sound",
        x=_column_edges(alignment, duration_s),
        y=list(range(len(alignment.tracks))),
        # In tenths, as everywhere on the page, and a byte each: an hour has tens of thousands of cells.
        z=np.array([[tenths(p) for p in track.probabilities] for track in alignment.tracks], np.int8),
        zmin=0,
        zmax=10,
        colorscale="Cividis",
        xgap=1 if len(windows) <= MAX_SEPARATED else 0,  # in a long recording the gaps would outweigh the cells
        ygap=2,
        hovertemplate="%{y}, around second %{x:.0f}: about %{z} in 10<extra></extra>",
        colorbar={
            "orientation": "h", "x": 0.5, "y": 1.0, "yanchor": "bottom", "thickness": 10, "len": 0.8, "outlinewidth": 0,
            "tickvals": [0, 5, 10], "ticktext": ["not heard", "5 in 10", "heard"], "ticks": "",
        },
    )  # fmt: skip


def _read_in_text(concepts: tuple[ConceptFinding, ...]) -> go.Scatter:
    """The teacher's evidence over the student's picture: do both point at the same moment?"""
    marks = [
        (row, concept, evidence)
        for row, concept in enumerate(concepts)
        if concept.teacher
        for evidence in concept.teacher.evidence
    ]
    return go.Scatter(
        name="read in the text",
        mode="markers",
        x=[_middle(evidence) for _, _, evidence in marks],
        y=[row for row, _, _ in marks],
        marker={"symbol": "diamond", "size": 9, "color": "white", "line": {"width": 1.5, "color": "black"}},
        customdata=[[evidence.start_s, evidence.end_s] for _, _, evidence in marks],
        hovertext=[
            f"{concept.label}, read at {clock(evidence.start_s)}: “{plain(evidence.text or '')}”"
            for _, concept, evidence in marks
        ],
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _column_edges(alignment: Alignment, duration_s: float) -> list[float]:
    """One column a window, from middle to middle: windows may overlap, columns may not. The outer ones reach the ends."""
    middles = [_middle(w) for w in alignment.windows]
    return [0.0, *((a + b) / 2 for a, b in zip(middles, middles[1:], strict=False)), duration_s]


def _framed(figure: go.Figure, duration_s: float, height: int) -> go.Figure:
    ticks = _time_ticks(duration_s)
    figure.update_xaxes(
        title="Time (m:ss)", range=[0, duration_s], tickvals=ticks,
        ticktext=[clock(t) for t in ticks], tickangle=0, zeroline=False, gridcolor=GRID, fixedrange=True,
    )  # fmt: skip
    figure.update_yaxes(zeroline=False, gridcolor=GRID, fixedrange=True)
    return figure.update_layout(
        template="none",
        height=height,  # fixed: a plot that opens in a hidden container otherwise gets none
        margin=MARGIN,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 13},
        showlegend=False,  # the page's text beside the figure names every mark
        hovermode="closest",
        dragmode=False,  # a drag on a phone scrolls the page
        hoverlabel={"bgcolor": "white", "font": {"color": "black"}, "align": "left"},
    )


def _time_ticks(duration_s: float) -> list[int]:
    step = next((s for s in TICK_STEPS_S if duration_s / s < MAX_TICKS), TICK_STEPS_S[-1])
    return list(range(0, int(duration_s) + 1, step))


def _middle(span) -> float:
    return (span.start_s + span.end_s) / 2


def _window_words(window) -> str:
    quote = f"<br>“{plain(window.transcript_text)}”" if window.transcript_text else ""
    return f"{clock_range(window.start_s, window.end_s)}: {fit(window.percentile)}{quote}"


def plain(text: str) -> str:
    """Speech as plotly may show it. It reads a few tags in its text (links among them), and speech is not markup."""
    shown = text if len(text) <= 90 else text[:89] + "…"
    return shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _short(label: str) -> str:
    return label if len(label) <= MAX_LABEL else label[: MAX_LABEL - 1] + "…"


def training_curves(entries: list[dict[str, float]]) -> go.Figure:
    """Losses by step above, validation figures below, from the lines of a run's log."""
    known = ("step", "loss", "lr", "grad_norm")
    figures = [name for name in entries[-1] if name not in known and name not in entries[0]]
    losses = ["loss", *(name for name in entries[-1] if name not in known and name not in figures)]
    figure = make_subplots(rows=2, shared_xaxes=True, vertical_spacing=0.08, subplot_titles=("Loss, by part", "Validation"))
    for row, names in enumerate((losses, [name for name in figures if name not in ("rank", "n_concepts")]), start=1):
        for name in names:
            points = [(entry["step"], entry[name]) for entry in entries if name in entry]
            steps, values = zip(*points, strict=True)
            mode = "lines" if row == 1 else "lines+markers"
            figure.add_trace(go.Scatter(x=steps, y=values, name=name.replace("_", " "), mode=mode), row=row, col=1)
    figure.update_xaxes(title_text="step", row=2)
    figure.update_layout(template="plotly_white", height=720)
    return figure

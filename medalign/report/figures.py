"""Figures of one analysis over time: how sound and transcript fit, and when each concept is heard.

Both share one time axis, in the player's seconds, with the same margins, so that a moment lies at the same place in both.
Conventions: see `medalign.report.plotting`. Cells of the heatmap have their seconds in `layout.meta`.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from medalign.core.alignment import Alignment, ConceptTrack, WindowAlignment
from medalign.core.analysis import Analysis, ConceptFinding, SoundEvent
from medalign.core.wording import RAREST_PERCENT, clock, clock_range, fit, likelihood, tenths
from medalign.report.plotting import (
    BLUE,
    GREEN,
    GREY,
    VERMILION,
    diamonds,
    framed,
    middle,
    named_rows,
    plain,
    points,
    shortened,
)

BAND = "rgba(128,128,128,0.16)"
MISMATCH_ZONE = "rgba(213,94,0,0.14)"
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
SOUNDS = 520.0  # below that, what is heard and not said
SOUND_SYMBOLS = {"cough": "circle", "sneeze": "star", "heavy breathing": "square", "crying": "hexagram"}
UNRELATED_FROM = 10.0  # their percentiles are uniform, so 9 in 10 unrelated texts lie between here and the bottom


def alignment_timeline(analysis: Analysis) -> go.Figure | None:
    """How well the sound fits the transcript under it, window by window, against unrelated texts; None if nothing is said.

    Trace by trace: the fit, the windows that don't match, the windows without words, the sound events in a lane of their own.
    The grey band is the reference distribution.
    """
    alignment = analysis.alignment
    is_marked = any(window.percentile is not None or window.is_mismatch for window in alignment.windows)
    if not is_marked and not analysis.sound_events:
        return None
    figure = go.Figure([*_fit(alignment.windows), _sound_events(analysis.sound_events)])
    threshold = max(100 - alignment.mismatch_below_percentile, BEST)
    figure.add_hrect(y0=UNRELATED_FROM, y1=WORST, fillcolor=BAND, line_width=0, layer="below", name="9 in 10 unrelated texts")
    figure.add_hrect(y0=threshold, y1=WORST, fillcolor=MISMATCH_ZONE, line_width=0, layer="below", name="mismatch zone")
    figure.add_hline(y=threshold, line={"color": VERMILION, "width": 1, "dash": "dash"}, name="mismatch threshold")
    for percent, text in ((threshold * 1.3, "listen again below this line"), (30, "other words would fit as well")):
        figure.add_annotation(
            x=0.995, xref="paper", y=math.log10(percent), text=text, showarrow=False, xanchor="right", yanchor="top",
            font={"size": 11, "color": GREY},
        )  # fmt: skip
    figure.add_annotation(  # a rotated axis title would cost a phone a sixth of its width
        text="How well the sound fits the words", showarrow=False, font={"size": 12, "color": GREY},
        x=0, xref="paper", xshift=8 - MARGIN["l"], xanchor="left", y=1.06, yref="paper", yanchor="bottom",
    )  # fmt: skip
    figure.update_yaxes(
        type="log", range=[math.log10(SOUNDS * 1.6), math.log10(BEST / 1.5)], tickvals=[SOUNDS, 100, 10, 1, 0.1],
        ticktext=["heard, not said", "not at all", "poorly", "less well", "well"],
    )  # fmt: skip
    return _over_time(figure, analysis.recording.duration_s, TIMELINE_HEIGHT)


def concept_heatmap(analysis: Analysis) -> go.Figure | None:
    """When the student hears a concept that only one of words and sound has: a row a concept, a column a window, with the
    teacher's evidence on top.

    None without such concepts.
    """
    differing, duration_s = in_one_only(analysis), analysis.recording.duration_s
    alignment = replace(analysis.alignment, tracks=tuple(track for _, track in differing))
    if not differing:
        return None
    figure = go.Figure([_heat(alignment, duration_s), _read_in_text([concept for concept, _ in differing])])
    named_rows(figure, [shortened(track.label, MAX_LABEL) for track in alignment.tracks])
    figure.update_layout(meta={"windows": [[w.start_s, w.end_s] for w in alignment.windows]})  # a press on a column plays it
    return _over_time(figure, duration_s, HEATMAP_FRAME + ROW_HEIGHT * max(len(alignment.tracks), 2))


def in_one_only(analysis: Analysis) -> list[tuple[ConceptFinding, ConceptTrack]]:
    """Concepts that only the words or only the sound has, with what the sound says of them."""
    both = zip(analysis.concepts, analysis.alignment.tracks, strict=False)
    return [(concept, track) for concept, track in both if concept.agreement != "both"]


def _fit(windows: Sequence[WindowAlignment]) -> list[go.Scatter]:
    """The line, with a gap where there are no words; the windows that don't match; those without words."""
    marked = [w for w in windows if w.is_mismatch]  # below the scale, speech for which no words were written
    silent = [w for w in windows if w.percentile is None and not w.is_mismatch]
    triangle = {"symbol": "triangle-down", "size": 15, "color": VERMILION, "line": {"width": 1.5, "color": "white"}}
    dash = {"symbol": "line-ew-open", "size": 9, "color": GREY, "line": {"width": 2}}
    line = {"mode": "lines+markers", "connectgaps": False, "line": {"color": BLUE, "width": 2}, "marker": {"size": 6}}
    kinds: list[tuple[str, Sequence[WindowAlignment], float | None, str, dict]] = [
        ("sound against words", windows, None, "", line),
        ("listen again", marked, NO_WORDS, "Listen again. ", {"marker": triangle}),
        ("no words here", silent, NO_WORDS, "", {"marker": dash}),
    ]
    return [
        points(
            name,
            [middle(w) for w in group],
            [wordless if w.percentile is None else max(100 - w.percentile, BEST) for w in group],
            [before + _window_words(w) for w in group],
            group,
            **style,
        )
        for name, group, wordless, before, style in kinds
    ]


def _window_words(window: WindowAlignment) -> str:
    quote = f"<br>“{plain(window.transcript_text)}”" if window.transcript_text else ""
    return f"{clock_range(window.start_s, window.end_s)}: {fit(window.percentile)}{quote}"


def _sound_events(events: Sequence[SoundEvent]) -> go.Scatter:
    """Coughs and the like, each with its own shape and its name beside it."""
    symbols = [SOUND_SYMBOLS.get(event.label, "diamond") for event in events]
    return points(
        "heard, not said",
        [middle(event) for event in events],
        [SOUNDS] * len(events),
        [f"{event.label.capitalize()}, {clock(event.start_s)}: {likelihood(event.probability)}" for event in events],
        events,
        mode="markers+text",
        text=[event.label for event in events],
        textposition="middle right",
        textfont={"size": 11, "color": GREY},
        marker={"symbol": symbols, "size": 11, "color": GREEN, "line": {"width": 1, "color": "white"}},
    )


def _heat(alignment: Alignment, duration_s: float) -> go.Heatmap:
    middles = [middle(w) for w in alignment.windows]
    return go.Heatmap(
        name="heard in the sound",
        # One column a window, from middle to middle: windows may overlap, columns may not. The outer ones reach the ends.
        x=[0.0, *((a + b) / 2 for a, b in zip(middles, middles[1:], strict=False)), duration_s],
        y=list(range(len(alignment.tracks))),
        # In tenths, as everywhere on the page, and a byte each: an hour has tens of thousands of cells.
        z=np.array([[tenths(p) for p in track.probabilities] for track in alignment.tracks], np.int8),
        zmin=0,
        zmax=10,
        colorscale="Cividis",
        xgap=1 if len(middles) <= MAX_SEPARATED else 0,  # in a long recording the gaps would outweigh the cells
        ygap=2,
        hovertemplate="%{y}, around second %{x:.0f}: about %{z} in 10<extra></extra>",
        colorbar={
            "orientation": "h", "x": 0.5, "y": 1.0, "yanchor": "bottom", "thickness": 10, "len": 0.8, "outlinewidth": 0,
            "tickvals": [0, 5, 10], "ticktext": ["not heard", "5 in 10", "heard"], "ticks": "",
        },
    )  # fmt: skip


def _read_in_text(concepts: Sequence[ConceptFinding]) -> go.Scatter:
    """The teacher's evidence over the student's probabilities: do both point at the same moment?"""
    marks = [(row, c, place) for row, c in enumerate(concepts) for place in c.text_evidence]
    return diamonds(
        "read in the text",
        [middle(place) for _, _, place in marks],
        [row for row, _, _ in marks],
        [f"{c.label}, read at {clock(place.start_s)}: “{plain(place.text or '')}”" for _, c, place in marks],
        [place for _, _, place in marks],
    )


def _over_time(figure: go.Figure, duration_s: float, height: int) -> go.Figure:
    step = next((s for s in TICK_STEPS_S if duration_s / s < MAX_TICKS), TICK_STEPS_S[-1])
    ticks = list(range(0, int(duration_s) + 1, step))
    ticktext = [clock(t) for t in ticks]
    figure.update_xaxes(title="Time (m:ss)", range=[0, duration_s], tickvals=ticks, ticktext=ticktext, tickangle=0)
    return framed(figure, height, margin=MARGIN)


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

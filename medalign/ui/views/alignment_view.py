"""Words and tables beside the two figures: the same content for screen readers, and for pressing play by keyboard."""

from medalign.core.analysis import Analysis, ConceptTrack, Evidence, WindowAlignment
from medalign.core.wording import clock_range, count, fit, likelihood, rivals
from medalign.ui.views.markup import folded, play_button, table, text

LOUDEST = 3  # windows named per concept


def timeline_heading() -> str:
    return (
        "<h2>Does the sound fit the words?</h2><p>Each point takes a few seconds of sound and asks how many texts from "
        "other consultations would fit it better than the words written for it. High is good: hardly any would. In the "
        "grey band the words fit no better than any text. ▼ words may be wrong or missing; – no words here. Press a "
        "point to hear it.</p>"
    )


def timeline_notes(analysis: Analysis) -> str:
    windows = analysis.alignment.windows
    compared = [w for w in windows if w.percentile is not None]
    alarms = [w for w in windows if w.alarm]
    if not compared:
        summary = "No passage has words, so there is nothing to compare."
    else:
        worst = min(compared, key=lambda w: w.percentile)
        threshold = rivals(analysis.alignment.alarm_below_percentile)
        summary = (
            f"{count(len(compared), 'passage')} compared; {count(len(alarms), 'alarm')}, raised when more than "
            f"{threshold} unrelated texts would fit better. Weakest at {clock_range(worst.start_s, worst.end_s)}: "
            f"{fit(worst.percentile)}."
        )
    rows = [_window_row(w) for w in windows]
    return f'<p class="summary">{text(summary)}</p>' + folded(
        "The same as a table", table("Fit of sound and words over time", ["Time", "Words", "Fit", "SegmentQuality"], rows)
    )


def heatmap_heading() -> str:
    return (
        "<h2>When is each concept heard?</h2><p>The brighter, the more the sound alone suggests the concept; ◆ marks "
        "where the text mentions it. Press a cell to hear it.</p>"
    )


def heatmap_notes(analysis: Analysis) -> str:
    tracks = analysis.alignment.tracks
    if not tracks:
        return '<p class="summary">No concepts, so there is nothing to draw.</p>'
    rows = [[text(track.label), _peaks(track, analysis.alignment.windows)] for track in tracks]
    return '<p class="summary">The moments at which each concept is heard best are in the table.</p>' + folded(
        "The same as a table", table("Where each concept is heard best", ["Concept", "Best moments"], rows)
    )


def _window_row(window: WindowAlignment) -> list[str]:
    button = play_button(Evidence(window.start_s, window.end_s), "passage")
    alarm = '<span class="alarm">▼ listen again</span>' if window.alarm else ""
    return [button, text(window.transcript_text) or "–", text(fit(window.percentile)), alarm]


def _peaks(track: ConceptTrack, windows: tuple[WindowAlignment, ...]) -> str:
    best = sorted(zip(track.probabilities, windows, strict=True), key=lambda pair: -pair[0])[:LOUDEST]
    return "; ".join(f"{play_button(Evidence(w.start_s, w.end_s), track.label)} {text(likelihood(p))}" for p, w in best)

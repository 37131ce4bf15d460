"""Words and tables beside the two figures: the same content for screen readers, and for pressing play by keyboard."""

from medalign.core.analysis import Analysis
from medalign.core.wording import clock_range, count, fit
from medalign.report.figures import in_one_only
from medalign.ui.views.markup import Markup, macros

LOUDEST = 3  # windows named per concept
TIMELINE_HEADING = (
    "<h2>Does the sound fit the words?</h2><p>Each point is a few seconds of sound: high where it fits the words written "
    "for it better than nearly all words of other consultations; in the grey band it fits them no better. ▼ words may be "
    "wrong or missing; – no words here. Press a point to hear it.</p>"
)
HEATMAP_HEADING = (
    "<h2>Where words and sound differ</h2><p>Concepts that only the words or only the sound has. The brighter, the more the "
    "sound alone suggests the concept; ◆ marks where the text mentions it. Press a cell to hear it.</p>"
)


def timeline_notes(analysis: Analysis) -> Markup:
    windows = analysis.alignment.windows
    compared = [(w.percentile, w) for w in windows if w.percentile is not None]
    if compared:
        lowest, worst = min(compared, key=lambda pair: pair[0])
        n_wrong = sum(w.is_mismatch for w in windows)
        summary = (
            f"{count(len(compared), 'stretch', 'stretches')} of the recording compared, {n_wrong or 'none'} to hear again. "
            f"Weakest at {clock_range(worst.start_s, worst.end_s)}: {fit(lowest)}."
        )
    else:
        summary = "No part has words, so there is nothing to compare."
    return macros("alignment").timeline_notes(summary, windows)


def heatmap_notes(analysis: Analysis) -> Markup:
    windows, tracks = analysis.alignment.windows, [track for _, track in in_one_only(analysis)]
    if not tracks:
        nothing = "Words and sound have the same concepts" if analysis.alignment.tracks else "No concepts"
        return Markup('<p class="summary">{}, so there is nothing to draw.</p>').format(nothing)
    loudest = [
        (track.label, sorted(zip(track.probabilities, windows, strict=True), key=lambda pair: -pair[0])[:LOUDEST])
        for track in tracks
    ]
    return macros("alignment").heatmap_notes(loudest)
